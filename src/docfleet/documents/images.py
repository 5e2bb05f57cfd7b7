"""Plain images: JPEG, PNG, BMP, WebP and PNM. OpenCV's pixels, which are the reference's, wherever they are right.

`IMREAD_COLOR` applies EXIF orientation, reduces 16 bits to 8 and repeats gray, and it drops transparency: text on a
transparent page comes out black on black. What is transparent goes through Pillow, which lays it over white.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.checks import advice, check_pixels, checked_size, in_memory
from docfleet.documents.headers import is_animated, is_laid_on_paper, promises_too_much, scans_of
from docfleet.documents.kinds import Kind
from docfleet.documents.pages import Canvas, Limits
from docfleet.documents.pillow import decoding, to_page
from docfleet.errors import InputError

LIGHT_BYTES = 64 * 1024**2
_LIGHT_PIXELS = 50_000_000
_LIGHT_SCANS = 32
"""An image within these costs at most about 400 MB and some seconds whatever it holds: it is decoded in place. An A4
page at 600 dpi has 35 million pixels, a progressive JPEG about 10 scans."""


def is_light(data: bytes, kind: Kind, size: tuple[int, int]) -> bool:
    """Whether a plain image of this size is one picture that is safe to decode without limits on memory and time."""
    if size[0] * size[1] > _LIGHT_PIXELS or is_animated(kind, data) or promises_too_much(kind, data):
        return False
    return kind is not Kind.JPEG or scans_of(data) <= _LIGHT_SCANS


def decode_image(data: bytes, kind: Kind, *, name: str, limits: Limits) -> NDArray[np.uint8]:
    """Decode a file of a plain image kind to height x width x 3, uint8, BGR, C-contiguous.

    Raises InputError, naming `name`, for a header or pixels that cannot be decoded and for an image over the limit;
    MemoryError if the pixels do not fit.
    """
    size = checked_size(data, kind, name=name, limits=limits)
    if is_laid_on_paper(kind, data):
        return _lay_on_paper(data, kind, name=name, limits=limits, new=in_memory)
    import cv2  # 0.3 s that only the reading of an image should cost.

    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise _opencv_error(error, kind, name, size) from error
    if image is None:
        raise InputError(f"{name}: the {kind} is truncated or corrupt")
    return np.ascontiguousarray(image)


class HeavyImage:
    """A plain image that is not light, as a document of one page; see `Document`. Made for a process with limits."""

    count = 1
    numbered = False

    def __init__(self, data: bytes, kind: Kind, *, name: str, limits: Limits) -> None:
        self._data = data
        self._kind = kind
        self._name = name
        self._limits = limits

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        if is_laid_on_paper(self._kind, self._data):
            return _lay_on_paper(self._data, self._kind, name=self._name, limits=self._limits, new=new)
        try:
            image = decode_image(self._data, self._kind, name=self._name, limits=self._limits)
        except InputError as error:
            # A decoder that gets no memory says no more than one that gets no data.
            raise InputError(
                f"{error}, or takes more memory to decode than the limit of {self._limits.max_decode_bytes:,} bytes; "
                + advice("max_decode_bytes")
            ) from error
        page = new(image.shape[0], image.shape[1])
        np.copyto(page, image)
        return page

    def pixels(self) -> tuple[int, ...] | None:
        return None

    def close(self) -> None: ...


def check_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The page that an array is, C-contiguous; not copied if it is already. For networks, which take nothing else.

    Raises InputError unless it is height x width x 3, uint8 (BGR), and not empty.
    """
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or array.size == 0:
        raise InputError(
            f"an array of shape {array.shape} and dtype {array.dtype} is not a page: "
            "pass height x width x 3, uint8, in BGR order"
        )
    return np.ascontiguousarray(array)


def _lay_on_paper(data: bytes, kind: Kind, *, name: str, limits: Limits, new: Canvas) -> NDArray[np.uint8]:
    # The classes and not Image.open, which applies Pillow's own limit, a global one that is not ours to change.
    from PIL.PngImagePlugin import PngImageFile
    from PIL.WebPImagePlugin import WebPImageFile

    with decoding(kind, name), (PngImageFile if kind is Kind.PNG else WebPImageFile)(io.BytesIO(data)) as image:
        check_pixels(*image.size, name=name, limits=limits)
        return to_page(image, new)


def _opencv_error(error: Any, kind: Kind, name: str, size: tuple[int, int]) -> Exception:
    import cv2

    if error.code == cv2.Error.StsNoMem:
        return MemoryError(f"{name}: no memory for {size[0]} x {size[1]} pixels")
    return InputError(f"{name}: the {kind} cannot be decoded: {error.err}")
