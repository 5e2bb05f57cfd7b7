"""Official models: the real huggingface_hub against a hub of two files on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec

import pytest

from docfleet.errors import WeightsError
from docfleet.weights import HubSource, NullProgress
from docfleet.weights.hub import fetch_from_hub
from tests.weights.house import ONNX, tiny_onnx

CONFIG = b"Global: {model_name: tiny}\nPostProcess: {character_dict: [a, b]}\n"
REPOSITORY = "PaddlePaddle/tiny_onnx"

with_hub = pytest.mark.skipif(find_spec("huggingface_hub") is None, reason="the extra `hub` is not installed")

LOCATE = """
import json, sys
from pathlib import Path
from docfleet.errors import WeightsError
from docfleet.weights import HubSource, Model, ModelTask, Registry, Store
model = Model(name="tiny", task=ModelTask.TEXT_RECOGNITION, licence="Apache-2.0", upstream="nobody/nothing",
              sources=(HubSource("PaddlePaddle/tiny_onnx"),))
store = Store(Path(sys.argv[1]), Registry([model]))
try:
    folder = store.pull("tiny", force="force" in sys.argv)
    print(json.dumps([folder.sha256, folder.config, str(folder.path)]))
except WeightsError as error:
    print(json.dumps(str(error)))
"""


class Hub:
    """What the hub publishes, by commit."""

    def __init__(self) -> None:
        self.newest = "a" * 40
        self.files = {self.newest: {"inference.onnx": ONNX, "inference.yml": CONFIG}}
        self.lies: dict[str, bytes] = {}
        """Content that is served in place of what is published."""
        self.requests: list[str] = []
        self.url = ""

    def listing(self, revision: str) -> dict[str, object]:
        siblings = []
        for name, data in self.files[revision].items():
            git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
            file = {"rfilename": name, "size": len(data), "blobId": git}
            if name.endswith(".onnx"):
                digest = hashlib.sha256(data).hexdigest()
                file |= {"blobId": "0" * 40, "lfs": {"sha256": digest, "size": len(data), "pointerSize": 130}}
            siblings.append(file)
        return {"id": REPOSITORY, "sha": revision, "siblings": siblings}


@pytest.fixture
def hub() -> Iterator[Hub]:
    """A hub that answers the two requests a download makes."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = self.path.partition("?")[0]
            hub.requests.append(path)
            parts = path.strip("/").split("/")
            if path.startswith(f"/api/models/{REPOSITORY}"):
                revision = parts[-1] if "revision" in parts else hub.newest
                self.answer(json.dumps(hub.listing(revision)).encode(), "application/json", revision)
            elif path.startswith(f"/{REPOSITORY}/resolve/"):
                revision, name = parts[-2:]
                self.answer(hub.lies.get(name, hub.files[revision][name]), "application/octet-stream", revision)
            else:
                self.send_error(404)

        def answer(self, data, kind, revision):
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", revision)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        hub.url = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield hub
        listener.shutdown()
        thread.join()


def locate(hub: Hub, tmp_path, *arguments: str):
    """Ask a store in a fresh process, whose huggingface_hub knows only our hub."""
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "hf"), "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-c", LOCATE, str(tmp_path / "store"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **settings})
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@with_hub
def test_the_first_use_is_recorded_and_a_repair_asks_for_the_same_commit(hub, tmp_path):
    sha256, config, path = locate(hub, tmp_path)
    assert sha256 == hashlib.sha256(ONNX).hexdigest()
    assert config["PostProcess"] == {"character_dict": ["a", "b"]}
    assert path == str(tmp_path / "store" / "tiny")

    asked = len(hub.requests)
    assert locate(hub, tmp_path)[0] == sha256
    assert len(hub.requests) == asked

    newer = tiny_onnx({"release": "2"})
    first, hub.newest = hub.newest, "b" * 40
    hub.files[hub.newest] = {"inference.onnx": newer, "inference.yml": CONFIG}
    (tmp_path / "store" / "tiny" / "inference.onnx").write_bytes(b"damaged")
    assert locate(hub, tmp_path)[0] == sha256
    assert any(first in request for request in hub.requests[asked:])

    assert locate(hub, tmp_path, "force")[0] == hashlib.sha256(newer).hexdigest()
    assert locate(hub, tmp_path)[0] == hashlib.sha256(newer).hexdigest()


@with_hub
def test_another_content_for_the_recorded_commit_is_refused(hub, tmp_path):
    locate(hub, tmp_path)
    hub.files[hub.newest]["inference.onnx"] = tiny_onnx({"swapped": "yes"})
    damaged = tmp_path / "store" / "tiny" / "inference.onnx"
    damaged.write_bytes(b"damaged")
    error = locate(hub, tmp_path)
    assert "serves another inference.onnx for commit aaaa" in error
    assert damaged.read_bytes() == b"damaged"


@with_hub
@pytest.mark.parametrize("name", ["inference.onnx", "inference.yml"])
def test_a_file_that_is_not_what_the_hub_publishes_is_refused(hub, tmp_path, name):
    published = hub.files[hub.newest][name]
    hub.lies[name] = published[:-1] + bytes([published[-1] ^ 1])
    assert f"{name} from {REPOSITORY} arrived with digest" in locate(hub, tmp_path)
    assert not (tmp_path / "store" / "tiny").exists()


@with_hub
def test_a_repository_without_the_onnx_file(hub, tmp_path):
    del hub.files[hub.newest]["inference.onnx"]
    assert f"{REPOSITORY} has no inference.onnx" in locate(hub, tmp_path)


@with_hub
def test_a_hub_out_of_reach_says_what_else_to_do(hub, tmp_path):
    hub.url = "http://127.0.0.1:9"
    error = locate(hub, tmp_path)
    assert f"{REPOSITORY} could not be fetched: " in error
    for hint in ("docfleet models pull tiny", str(tmp_path / "store" / "tiny"), "DOCFLEET_CACHE_HOME", "HF_ENDPOINT"):
        assert hint in error


def test_without_huggingface_hub_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(WeightsError, match=r"not installed: pip install 'docfleet\[hub\]'"):
        fetch_from_hub(HubSource(REPOSITORY), tmp_path, revision=None, progress=NullProgress())
