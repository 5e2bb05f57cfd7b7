"""TIFF through Pillow (libtiff), a page per frame, as the reference reads it but for what it gets wrong.

Pillow reads every compression that scanners use, applies the orientation and turns YCbCr, CMYK, Lab and palettes into
RGB. The reference shows 16-bit gray all white and counts thumbnails as pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.checks import check_pages, check_pixels
from docfleet.documents.kinds import Kind
from docfleet.documents.pages import Canvas, Limits
from docfleet.documents.pillow import decoding, to_page
from docfleet.documents.tiff_frames import pages_of, subfile_types
from docfleet.errors import InputError

_BITS, _PHOTOMETRIC, _PLANAR, _SAMPLE_FORMAT = 258, 262, 284, 339
_SEPARATE_PLANES = 2
_UNSIGNED, _SIGNED = 1, 2
_MIN_IS_WHITE = 0


class TiffDocument:
    """An open TIFF file; see `Document` for what its methods promise.

    Raises InputError if it cannot be opened or has more frames than the limits allow.
    """

    numbered = True

    def __init__(self, file: BinaryIO, *, name: str, limits: Limits) -> None:
        # The class and not Image.open, which tries other formats too and applies Pillow's own limit.
        from PIL.TiffImagePlugin import TiffImageFile

        self._name = name
        self._limits = limits
        with decoding(Kind.TIFF, name), _unknown(name):
            self._frames = pages_of(list(subfile_types(file, limits.max_document_pages + 1)))
            check_pages(len(self._frames), name=name, limits=limits, word="frames")
            file.seek(0)
            self._tiff = TiffImageFile(file)
        self.count = len(self._frames)

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        with decoding(Kind.TIFF, self._name), _unknown(self._name):
            self._tiff.seek(self._frames[index])
            check_pixels(*self._tiff.size, name=self._name, limits=self._limits)
            self._check_samples()
            unsigned = self._tag(_SAMPLE_FORMAT, _UNSIGNED) == _UNSIGNED
            negative = self._tag(_PHOTOMETRIC, None) == _MIN_IS_WHITE
            return to_page(self._tiff, new, unsigned=unsigned, negative=negative)

    def pixels(self) -> tuple[int, ...] | None:
        return None

    def close(self) -> None:
        self._tiff.close()

    def _check_samples(self) -> None:
        """Refuse what Pillow would take for something else and show as noise."""
        bits = self._tiff.tag_v2.get(_BITS, (1,))
        bits = bits if isinstance(bits, tuple) else (bits,)
        if self._tag(_PLANAR, 1) == _SEPARATE_PLANES and len(bits) > 1 and max(bits) > 8:
            raise InputError(
                f"{self._name}: a TIFF of {max(bits)} bits with one plane for each colour is not read; save it "
                "interleaved, or with 8 bits"
            )
        if self._tag(_SAMPLE_FORMAT, _UNSIGNED) == _SIGNED and max(bits) <= 8:
            raise InputError(f"{self._name}: a TIFF of signed 8-bit numbers is not read; save it unsigned")

    def _tag(self, number: int, default: Any) -> Any:
        """A tag's value, the first one where it has several."""
        value = self._tiff.tag_v2.get(number, default)
        return value[0] if isinstance(value, tuple) and value else value


@contextmanager
def _unknown(name: str) -> Iterator[None]:
    """Say what is not read, where Pillow says as little as a number."""
    try:
        yield
    except (KeyError, SyntaxError) as error:
        cause = error.__cause__ or error
        if isinstance(cause, KeyError) and isinstance(cause.args[0], int):
            raise InputError(
                f"{name}: a TIFF of compression {cause} is not read; save it with LZW or Deflate"
            ) from error
        if not isinstance(cause, KeyError) and "pixel mode" not in str(error):
            raise
        raise InputError(
            f"{name}: a TIFF of this kind of numbers is not read; save it with 8 bits for each colour"
        ) from error
