"""A stand-in for PaddleOCR where tests need one: found by this process and by its workers, imported by these alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from docfleet.integrations.paddleocr import package

STANDIN = Path(__file__).parent / "standin"

MOODS = {
    "raises": 1, "aborts": 2, "is refused": 3, "gives nothing": 4, "needs memory": 5, "takes time": 6,
    "cannot be drawn": 7,
}  # fmt: skip
"""As the stand-in has them; it is not imported here to ask."""


@dataclass(frozen=True)
class Standin:
    """What processes did with the stand-in."""

    log: Path

    def did(self, what: str) -> list[dict[str, Any]]:
        if not self.log.exists():
            return []
        return [entry for line in self.log.read_text().splitlines() if (entry := json.loads(line))["did"] == what]


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Standin]:
    """The stand-in is what `import paddleocr` finds. Fails the test if this process did that."""
    monkeypatch.syspath_prepend(str(STANDIN))
    monkeypatch.setenv("STANDIN_LOG", str(tmp_path / "standin.log"))
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PADDLE_PDX_CACHE_HOME", str(tmp_path / "paddlex"))
    package.installed.cache_clear()
    yield Standin(tmp_path / "standin.log")
    package.installed.cache_clear()
    assert not {name for name in sys.modules if name.partition(".")[0] in ("paddleocr", "paddlex")}


def page(mood: str | None = None, *, colour: int = 200, size: tuple[int, int] = (8, 6)) -> NDArray[np.uint8]:
    """A page that says what is to happen to it."""
    image = np.full((size[1], size[0], 3), colour, np.uint8)
    image[0, 0] = (colour if mood is None else MOODS[mood], 20, 30)
    return image


def save(path: Path, mood: str | None = None, **more: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), page(mood, **more))
    return path


def save_document(path: Path, *pages: NDArray[np.uint8]) -> Path:
    """A TIFF of several pages."""
    assert cv2.imwritemulti(str(path), list(pages))
    return path
