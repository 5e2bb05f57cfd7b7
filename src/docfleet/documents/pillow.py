"""From an image of Pillow's to the page that a person sees: upright, on white paper, 8 bits a channel, BGR.

      image --load--> strips of a few rows --to RGB, over white--> the strip's place in the page, turned as EXIF says

Strips, because a whole second picture of a large page is what exceeds its memory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.pages import Canvas
from docfleet.documents.sources import printable
from docfleet.errors import InputError

if TYPE_CHECKING:
    from PIL.Image import Image

_ORIENTATION = 0x0112
_STRIP_PIXELS = 1 << 20


def to_page(image: Image, new: Canvas, *, unsigned: bool = False, negative: bool = False) -> NDArray[np.uint8]:
    """The current frame of `image` as a page.

    Transparency is laid over white. Of 16 bits the upper 8 are kept. Other numbers (32 bits, floating point) have no
    agreed black and white: see `_levels`. Colour profiles are not applied.

    `unsigned`: 32-bit integers are, although Pillow takes them for signed. `negative`: 16-bit gray runs from white to
    black. Raises whatever Pillow does; use it under `decoding`.
    """
    image.load()
    orientation = _orientation(image)
    width, height = image.size
    page = new(width, height) if orientation > 4 else new(height, width)
    stored = _as_stored(page, orientation)
    to_rgb = _conversion(image, unsigned=unsigned, negative=negative)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        strip = image.crop((0, top, width, min(top + rows, height)))
        stored[top : top + rows] = to_rgb(strip)[..., ::-1]
    return page


@contextmanager
def decoding(kind: str, name: str) -> Iterator[None]:
    """Turn what Pillow raises into InputError, and keep its warnings to itself.

    Bytes of strangers raise anything (struct.error, KeyError, SyntaxError, ...), hence the wide net; it hangs under
    calls of Pillow only. Warning filters belong to the process: two threads in here at once may leave Pillow's
    warnings ignored, and nothing else.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"PIL\.")
            yield
    except (InputError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        # Of a frame that enlarges a GIF, in a process that is not ours alone to set limits for.
        raise InputError(f"{name}: over the limit of PIL.Image.MAX_IMAGE_PIXELS: {error}") from error
    except Exception as error:
        text = printable(" ".join(str(error).split())) or type(error).__name__
        if "decoder error -9" in text or "out of memory" in text:  # Codecs of Pillow's have numbers for errors.
            raise MemoryError(f"{name}: no memory for the {kind}") from error
        raise InputError(f"{name}: the {kind} is truncated or corrupt: {text}") from error


def _orientation(image: Image) -> int:
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged metadata raise anything, and do not make the picture unreadable
        return 1
    return orientation if orientation in range(1, 9) else 1


def _as_stored(page: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """A view of `page` in which the picture lies as the file stores it; writing to it turns the picture upright."""
    if orientation in (5, 7):
        page = page.swapaxes(0, 1)
    elif orientation in (6, 8):
        return np.rot90(page, 1 if orientation == 6 else -1)
    if orientation in (3, 4, 7):
        page = page[::-1]
    if orientation in (2, 3, 7):
        page = page[:, ::-1]
    return page


_Conversion = Callable[["Image"], NDArray[Any]]
"""Strip to height x width x 3, RGB; or x 1, gray."""


def _conversion(image: Image, *, unsigned: bool, negative: bool) -> _Conversion:
    if image.mode.startswith("I;16"):
        flip = 255 if negative else 0
        return lambda strip: ((np.asarray(strip) >> 8) ^ flip)[..., None]
    if image.mode in ("I", "F"):
        return _leveller(image, unsigned=unsigned)
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        return _over_white
    return lambda strip: np.asarray(strip.convert("RGB"))


def _over_white(strip: Image) -> NDArray[Any]:
    from PIL import Image

    if strip.mode == "La":
        strip = strip.convert("LA")
    strip = strip.convert("RGBA")
    paper = Image.new("RGB", strip.size, "white")
    paper.paste(strip, mask=strip.getchannel("A"))
    return np.asarray(paper)


def _leveller(image: Image, *, unsigned: bool) -> _Conversion:
    """The conversion of 32-bit numbers, from the levels of the whole image."""

    def values(strip: Image) -> NDArray[Any]:
        array = np.asarray(strip)
        return array.view(np.uint32) if unsigned and strip.mode == "I" else array

    everything = values(image)
    finite = everything[np.isfinite(everything)] if image.mode == "F" else everything
    black, white = _levels(float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)

    def convert(strip: Image) -> NDArray[Any]:
        numbers = np.nan_to_num(values(strip).astype(np.float64), nan=black, posinf=white, neginf=black)
        return np.clip(np.rint((numbers - black) * (255 / (white - black))), 0, 255).astype(np.uint8)[..., None]

    return convert


def _levels(low: float, high: float) -> tuple[float, float]:
    """Which values are black and white, where the file does not say.

    The range that people use and that holds them all: 0 to 1, to 255 or to 65535; else from the least to the greatest.
    """
    for white in (1.0, 255.0, 65535.0):
        if low >= 0 and high <= white:
            return 0.0, white
    return low, max(high, low + 1.0)
