"""Plain images: JPEG, PNG, BMP, WebP and PNM through OpenCV, which gives the reference's pixels.

EXIF orientation is applied, transparency dropped, 16 bits reduced to 8, gray repeated: all as `IMREAD_COLOR` does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.headers import Kind, image_size
from docfleet.documents.pages import Limits
from docfleet.errors import InputError


def decode_image(data: bytes, kind: Kind, *, name: str, limits: Limits) -> NDArray[np.uint8]:
    """Decode a file of a plain image kind to height x width x 3, uint8, BGR.

    Raises InputError, naming `name`, for a header or pixels that cannot be decoded and for an image over the limit;
    MemoryError if the pixels do not fit.
    """
    import cv2  # 0.3 s that only the reading of an image should cost.

    size = image_size(kind, data)
    if size is None:
        raise InputError(f"{name}: the {kind} header is truncated or corrupt")
    check_pixels(*size, name=name, limits=limits)
    try:
        image: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(f"{name}: no memory for {size[0]} x {size[1]} pixels") from error
        raise InputError(f"{name}: the {kind} cannot be decoded: {error.err}") from error
    if image is None:
        raise InputError(f"{name}: the {kind} is truncated or corrupt")
    return np.ascontiguousarray(image)


def check_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The page that an array is, C-contiguous; not copied if it is already.

    Raises InputError unless it is height x width x 3, uint8 (BGR), and not empty.
    """
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8 or array.size == 0:
        raise InputError(
            f"an array of shape {array.shape} and dtype {array.dtype} is not a page: "
            "pass height x width x 3, uint8, in BGR order"
        )
    return np.ascontiguousarray(array)


def check_pixels(width: int, height: int, *, name: str, limits: Limits) -> None:
    """Raise InputError if a page of this size is over the limit."""
    if width * height > limits.max_page_pixels:
        raise InputError(
            f"{name}: {width} x {height} = {width * height:,} pixels, over the limit of {limits.max_page_pixels:,}; "
            "raise max_page_pixels if the file can be trusted"
        )
