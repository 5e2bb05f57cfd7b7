"""PDF through PDFium: drawn as the reference draws it, page by page, from one open document.

Pages come as a viewer shows them: the crop box, turned as the page says, with annotations and the fields of forms.
PDFium is not thread-safe, not even across documents: all of it belongs to one thread of a process at a time.
"""

from __future__ import annotations

import ctypes
import math
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.checks import advice, check_pages
from docfleet.documents.pages import Canvas, Limits
from docfleet.errors import InputError

POINTS_PER_INCH = 72.0
MIN_SCALE = 0.1
"""Pixels per point below which a page is refused instead of drawn smaller; the reference's."""
_BITMAP_PIXELS = (2**31 - 1) // 3
"""2 GiB of pixels. Into a bitmap that it cannot address (4 GiB at most) PDFium draws nothing and does not say so."""
_MEASURED_PAGES = 2_000
"""Longer documents are not measured when they are counted: it would delay the first page and swell the answer."""


class PdfDocument:
    """An open PDF file; see `Document` for what its methods promise.

    `dpi`: pixels per inch at which pages are drawn. `password`: tried where the document wants one; ignored elsewhere.
    Raises InputError if the document cannot be opened, is locked or has more pages than the limits allow.
    """

    numbered = True

    def __init__(self, file: BinaryIO, *, name: str, limits: Limits, dpi: float, password: str | None = None) -> None:
        import pypdfium2  # Loads a shared library, which only the reading of a PDF should cost.

        self._library = pypdfium2
        self._name = name
        self._max_pixels = min(limits.max_page_pixels, _BITMAP_PIXELS)
        self._scale = dpi / POINTS_PER_INCH
        try:
            self._pdf = pypdfium2.PdfDocument(file, password=password or None)
        except pypdfium2.PdfiumError as error:
            raise InputError(f"{name}: {self._refusal(error, password)}") from error
        try:
            self._init_forms()
            self.count = len(self._pdf)
            check_pages(self.count, name=name, limits=limits)
        except BaseException:
            self.close()
            raise

    def _refusal(self, error: Any, password: str | None) -> str:
        raw = self._library.raw
        if error.err_code == raw.FPDF_ERR_PASSWORD:
            if password:
                return "the PDF is encrypted, and pdf_password does not open it"
            return "the PDF is encrypted; give its password as pdf_password"
        if error.err_code == raw.FPDF_ERR_SECURITY:
            return "the PDF is encrypted in a way that PDFium does not know; save it without a password"
        return "the PDF is truncated or corrupt, or has no pages"

    def _init_forms(self) -> None:
        """Before anything else is asked of the document, or fields of forms are not drawn."""
        try:
            self._pdf.init_forms()
        except self._library.PdfiumError:
            pass  # A broken form: the pages are there, with their fields as far as these are annotations.

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        try:
            page: Any = self._pdf[index]
        except self._library.PdfiumError as error:
            raise InputError(f"{self._place(index)} is corrupt") from error
        try:
            scale = self._scale_for(page.get_size(), index)
            canvas: list[NDArray[np.uint8]] = []

            def bitmap_of(width: int, height: int, format: int, rev_byteorder: bool) -> Any:  # noqa: A002 - its name
                canvas.append(new(height, width))
                memory = (ctypes.c_ubyte * canvas[0].size).from_buffer(canvas[0].data)
                return self._library.PdfBitmap.new_native(width, height, format, rev_byteorder, buffer=memory)

            page.render(scale=scale, rotation=0, bitmap_maker=bitmap_of).close()
        finally:
            page.close()
        return canvas[0]

    def pixels(self) -> tuple[int, ...] | None:
        if self.count > _MEASURED_PAGES:
            return None
        try:
            sizes = [self._pdf.get_page_size(index) for index in range(self.count)]
            return tuple(min(pixels_at(w, h, self._scale), self._max_pixels) for w, h in sizes)
        except (self._library.PdfiumError, OverflowError, ValueError):
            return None  # One page is corrupt or endless; it says so itself when its turn comes.

    def close(self) -> None:
        self._pdf.close()

    def _scale_for(self, size: tuple[float, float], index: int) -> float:
        width, height = size
        if not (0 < width < math.inf and 0 < height < math.inf):
            raise InputError(f"{self._place(index)} has no area: {width:g} x {height:g} points")
        scale = scale_to_fit(width, height, self._scale, self._max_pixels)
        if scale is None:
            limit = f"what PDFium can draw, {self._max_pixels:,} pixels"
            if self._max_pixels < _BITMAP_PIXELS:
                limit = f"the limit of {self._max_pixels:,} pixels; {advice('max_page_pixels')}"
            raise InputError(
                f"{self._place(index)} measures {width:g} x {height:g} points: even at {MIN_SCALE * POINTS_PER_INCH:g} "
                f"dpi that is over {limit}"
            )
        return scale

    def _place(self, index: int) -> str:
        return f"{self._name}: page {index + 1} of {self.count}"


def pixels_at(width: float, height: float, scale: float) -> int:
    """Pixels of a page of `width` x `height` points drawn at `scale` pixels per point: both sides rounded up."""
    return math.ceil(width * scale) * math.ceil(height * scale)


def scale_to_fit(width: float, height: float, wanted: float, max_pixels: int) -> float | None:
    """The largest scale up to `wanted` at which a page keeps to `max_pixels`; None if that is below `MIN_SCALE`.

    Rounding sides up makes the number of pixels a staircase without a formula for its inverse, so the step is found by
    halving; as often and between the same ends as the reference does, to draw the same pixels.
    """
    if pixels_at(width, height, wanted) <= max_pixels:
        return wanted
    if pixels_at(width, height, MIN_SCALE) > max_pixels:
        return None
    fits, too_large = MIN_SCALE, min(wanted, math.sqrt(max_pixels / (width * height)))
    for _ in range(32):
        middle = (fits + too_large) / 2
        if pixels_at(width, height, middle) <= max_pixels:
            fits = middle
        else:
            too_large = middle
    return fits
