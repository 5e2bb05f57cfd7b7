"""Pictures as files: which type a page's picture gets, and its bytes.

input path, size --suffix_for--> ".jpg"      as the input, so that a folder of photos does not become one of PNGs
pixels, suffix   --encode-->     bytes
"""

from __future__ import annotations

import mimetypes
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from docfleet.errors import OutputError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

_ENCODERS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe"), (".jpg", 65_500)),
    **dict.fromkeys((".tif", ".tiff"), (".tiff", 2**31 - 1)),
    # All of the family hold any kind of pixels; OpenCV writes black and white into .pbm, and gray into .pgm.
    **dict.fromkeys((".ppm", ".pnm", ".pbm", ".pgm"), (".ppm", 2**31 - 1)),
    ".png": (".png", 2**31 - 1),
    ".bmp": (".bmp", 2**31 - 1),
    ".webp": (".webp", 16_383),
}
"""Suffix -> OpenCV's name of the encoder, and the longest side that the format takes."""

SUFFIXES = tuple(_ENCODERS)
"""The types that pictures are written as."""

_FALLBACK = ".png"


def suffix_for(input_path: str | None, size: tuple[int, int]) -> str:
    """The suffix of pictures of a page: the input's where such files are written and take `size`, else `.png`."""
    suffix = "" if input_path is None else Path(input_path).suffix
    encoder = _ENCODERS.get(suffix.lower())
    return suffix if encoder is not None and max(size) <= encoder[1] else _FALLBACK


def names_an_image(path: str | os.PathLike[str]) -> bool:
    """Whether a path is meant as one image file rather than as a folder."""
    kind = mimetypes.guess_type(Path(path).name)[0] or ""
    return kind.startswith("image/") and not Path(path).is_dir()


def encode(pixels: NDArray[np.uint8], suffix: str) -> bytes:
    """`pixels` (h, w, 3) uint8 BGR as a file of the type that `suffix` names.

    Raises UsageError for a type that is not written, OutputError for an image that is too large for it.
    """
    import cv2

    if suffix.lower() not in _ENCODERS:
        raise UsageError(f"pictures are not written as {suffix!r}: choose {', '.join(SUFFIXES)}")
    name, longest = _ENCODERS[suffix.lower()]
    size = f"{pixels.shape[1]} x {pixels.shape[0]} pixels"
    if max(pixels.shape[:2]) > longest:
        raise OutputError(f"an image of {size} is too large for {suffix}: use .png")
    done, data = cv2.imencode(name, pixels)
    if not done:
        raise OutputError(f"an image of {size} cannot be encoded as {suffix}")
    encoded: bytes = data.tobytes()
    return encoded


def pixels_of(picture: Picture) -> NDArray[np.uint8]:
    """A picture (RGB) as pixels (BGR)."""
    rgb: Any = np.asarray(picture.convert("RGB"))
    return np.ascontiguousarray(rgb[:, :, ::-1])


def picture_of(pixels: NDArray[np.uint8]) -> Picture:
    """Pixels (BGR) as a picture (RGB)."""
    from PIL import Image

    return Image.fromarray(np.ascontiguousarray(pixels[:, :, ::-1]))
