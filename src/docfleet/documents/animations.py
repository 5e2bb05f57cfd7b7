"""GIF, animated PNG and animated WebP through Pillow, a page for each frame, as it stands on the screen.

A frame holds what changes, so showing one takes those before it. Frames are mostly asked for in order, and Pillow keeps
the last one.
"""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.checks import check_pages, check_pixels
from docfleet.documents.kinds import Kind
from docfleet.documents.pages import Canvas, Limits
from docfleet.documents.pillow import decoding, to_page


class AnimationDocument:
    """An open GIF, PNG or WebP; see `Document` for what its methods promise.

    Raises InputError if it cannot be opened, is over the limit of pixels or has too many frames.
    """

    def __init__(self, file: BinaryIO, kind: Kind, *, name: str, limits: Limits) -> None:
        self._kind = kind
        self._name = name
        self._limits = limits
        with decoding(kind, name):
            self._image = _opener(kind)(file)
            check_pixels(*self._image.size, name=name, limits=limits)
            self.count = int(self._image.n_frames)
        check_pages(self.count, name=name, limits=limits, word="frames")
        self.numbered = self.count > 1

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        with decoding(self._kind, self._name):
            if index < self._image.tell():
                self._image.seek(0)
            for number in range(self._image.tell(), index + 1):
                self._image.seek(number)
                # Each time, because a frame of a GIF may enlarge the whole.
                check_pixels(*self._image.size, name=self._name, limits=self._limits)
            return to_page(self._image, new)

    def pixels(self) -> tuple[int, ...] | None:
        return None

    def close(self) -> None:
        self._image.close()


def _opener(kind: Kind) -> Any:
    """The class and not Image.open, which tries other formats too and applies Pillow's own limit."""
    if kind is Kind.GIF:
        from PIL.GifImagePlugin import GifImageFile

        return GifImageFile
    if kind is Kind.PNG:
        from PIL.PngImagePlugin import PngImageFile

        return PngImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    return WebPImageFile
