"""Pages that are in memory already: arrays, and images of Pillow's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.checks import in_memory
from docfleet.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_CHANNELS = (1, 3, 4)
_UINT8, _UINT16, _BOOL = _KINDS = (("u", 1), ("u", 2), ("b", 1))
"""Kind and size, and not the dtype, which differs between byte orders."""


def page_of_array(array: NDArray[Any]) -> NDArray[np.uint8]:
    """The page that an array is, as height x width x 3, BGR, C-contiguous; not copied if it is that already.

    Height x width, or x 1, is gray; x 3 is BGR; x 4 is BGRA, laid over white. uint8 as it is, of uint16 the upper 8
    bits, bool as black and white (True).

    Raises InputError for anything else. Floating point too: nobody can tell whether its white is 1 or 255.
    """
    given = array
    if array.ndim == 2:
        array = array[..., None]
    kind = array.dtype.kind, array.dtype.itemsize
    if array.ndim != 3 or array.shape[2] not in _CHANNELS or array.size == 0 or kind not in _KINDS:
        raise InputError(
            f"an array of shape {given.shape} and dtype {given.dtype} is not a page: pass height x width, or that x 3 "
            f"in BGR or x 4 in BGRA order, of uint8, uint16 or bool{_hint(given)}"
        )
    if kind == _UINT16:
        array = (array >> 8).astype(np.uint8)
    elif kind == _BOOL:
        array = array.astype(np.uint8) * np.uint8(255)
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    elif array.shape[2] == 4:
        array = _over_white(array)
    return np.ascontiguousarray(array)


def page_of_image(image: Image) -> NDArray[np.uint8]:
    """The current frame of an image of Pillow's, as `pillow.to_page` has it. Raises InputError if it is damaged."""
    from docfleet.documents.pillow import decoding, to_page

    if not all(image.size):
        raise InputError(f"the image is not a page: it measures {image.size[0]} x {image.size[1]} pixels")
    with decoding(f"image (mode {image.mode})", "the image"):
        return to_page(image, in_memory)


def _hint(array: NDArray[Any]) -> str:
    if array.ndim == 3 and array.shape[0] in _CHANNELS and array.shape[2] not in _CHANNELS:
        return "; with the channels first, turn it by array.transpose(1, 2, 0)"
    if array.dtype.kind == "f":
        return "; convert floating point, for values from 0 to 1 by (array * 255).astype('uint8')"
    return ""


def _over_white(array: NDArray[np.uint8]) -> NDArray[np.uint8]:
    colours, alpha = array[..., :3].astype(np.uint16), array[..., 3:].astype(np.uint16)
    return ((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
