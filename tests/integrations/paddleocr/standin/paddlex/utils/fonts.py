"""Fonts as the package has them: fetched when their path is asked for, straight into their place."""

import os
from pathlib import Path

from PIL import ImageFont

from paddlex.utils.cache import CACHE_DIR


class Font:
    def __init__(self, name):
        self._font_name = name
        self._local_path = None

    @property
    def path(self):
        if self._local_path is None:
            path = Path(CACHE_DIR, "fonts", self._font_name)
            if not path.is_file():
                if os.environ.get("STANDIN_OFFLINE"):
                    raise ConnectionError("no network")
                with Path(os.environ["STANDIN_LOG"]).open("a") as file:
                    file.write('{"did": "fetch font"}\n')
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(ImageFont.load_default(12).font_bytes)
            self._local_path = str(path)
        return self._local_path


PINGFANG_FONT = Font("PingFang.ttf")
SIMFANG_FONT = Font("simfang.ttf")
