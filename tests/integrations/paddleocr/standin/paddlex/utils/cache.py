import os

CACHE_DIR = os.environ.get("PADDLE_PDX_CACHE_HOME", "/nowhere")
