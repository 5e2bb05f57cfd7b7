"""JPEG 2000 through Pillow (OpenJPEG): files (`.jp2`) and bare codestreams (`.j2k`)."""

from __future__ import annotations

from struct import unpack
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.checks import check_pixels
from docfleet.documents.kinds import Kind
from docfleet.documents.pages import Canvas, Limits
from docfleet.documents.pillow import decoding, to_page
from docfleet.errors import InputError

_BOXES = 1_000
_CODESTREAM = b"\xff\x4f\xff\x51"
"""Start of a codestream, and of the segment with its size, which is always first."""


class Jpeg2000Document:
    """An open JPEG 2000 image, a document of one page; see `Document` for what its methods promise.

    Raises InputError if it cannot be opened or is over the limit of pixels.
    """

    count = 1
    numbered = False

    def __init__(self, file: BinaryIO, *, name: str, limits: Limits) -> None:
        from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

        self._name = name
        with decoding(Kind.JPEG2000, name):
            # A file says its size twice. Pillow believes the outer one; what is decoded is the inner one.
            size = codestream_size(file)
            if size is None:
                raise InputError(f"{name}: the {Kind.JPEG2000} header is truncated or corrupt")
            check_pixels(*size, name=name, limits=limits)
            file.seek(0)
            self._image = Jpeg2KImageFile(file)
            check_pixels(*self._image.size, name=name, limits=limits)

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        with decoding(Kind.JPEG2000, self._name):
            return to_page(self._image, new)

    def pixels(self) -> tuple[int, ...] | None:
        return None

    def close(self) -> None:
        self._image.close()


def codestream_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height that the codestream declares; None if there is none, or its header is cut short."""
    at = _codestream_of(file)
    if at is None:
        return None
    file.seek(at)
    head = file.read(24)
    if len(head) < 24 or not head.startswith(_CODESTREAM):
        return None
    right, bottom, left, top = unpack(">IIII", head[8:24])
    return (right - left, bottom - top) if right > left and bottom > top else None


def _codestream_of(file: BinaryIO) -> int | None:
    """Where the first codestream begins: at once, or in a box of the file."""
    file.seek(0)
    if file.read(4) == _CODESTREAM:
        return 0
    at = 0
    for _ in range(_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return None
        length, name, start = int.from_bytes(head[:4], "big"), head[4:8], at + 8
        if length == 1:  # The length did not fit and follows.
            length, start = int.from_bytes(head[8:16], "big"), at + 16
        if name == b"jp2c":
            return start
        if length < start - at:  # 0 stands for "to the end"; less is nonsense.
            return None
        at += length
    return None
