"""Which class opens which kind of document. Runs where documents are decoded: in `decoder_main`, or in the reader."""

from __future__ import annotations

import importlib
import io
import os
from typing import TYPE_CHECKING, BinaryIO

from docfleet.documents.checks import checked_size
from docfleet.documents.headers import is_animated
from docfleet.documents.kinds import Kind
from docfleet.documents.pages import Canvas, Document, Limits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_LIBRARIES = {
    Kind.PDF: ("numpy", "pypdfium2"),
    Kind.TIFF: ("numpy", "PIL.TiffImagePlugin"),
    Kind.GIF: ("numpy", "PIL.GifImagePlugin"),
    Kind.JPEG2000: ("numpy", "PIL.Jpeg2KImagePlugin"),
}


def load_libraries(kind: Kind) -> None:
    """Import what opening and decoding a document of this kind takes, as far as it is large."""
    for module in _LIBRARIES.get(kind, ("cv2", "PIL.PngImagePlugin", "PIL.WebPImagePlugin")):
        importlib.import_module(module)


def open_document(
    kind: Kind, file: BinaryIO, *, name: str, limits: Limits, pdf_dpi: float, pdf_password: str | None
) -> Document:
    """Open a document of any kind. `file` is seekable and has a descriptor; it must stay open, and is not closed here.

    `name`: what messages call it. Raises InputError, MemoryError.
    """
    file.seek(0)
    # Imported one by one: each brings a library with it.
    if kind is Kind.PDF:
        from docfleet.documents.pdf import PdfDocument

        return PdfDocument(file, name=name, limits=limits, dpi=pdf_dpi, password=pdf_password)
    if kind is Kind.TIFF:
        from docfleet.documents.tiff import TiffDocument

        return TiffDocument(file, name=name, limits=limits)
    if kind is Kind.JPEG2000:
        from docfleet.documents.jpeg2000 import Jpeg2000Document

        return Jpeg2000Document(file, name=name, limits=limits)
    from docfleet.documents.animations import AnimationDocument

    if kind is Kind.GIF:
        return AnimationDocument(file, kind, name=name, limits=limits)
    data = file.read()
    checked_size(data, kind, name=name, limits=limits)
    if is_animated(kind, data):
        return AnimationDocument(io.BytesIO(data), kind, name=name, limits=limits)
    from docfleet.documents.images import HeavyImage

    return HeavyImage(data, kind, name=name, limits=limits)


def open_here(
    kind: Kind, descriptor: int, *, name: str, limits: Limits, pdf_dpi: float, pdf_password: str | None
) -> Document:
    """Open a document in this process. The descriptor stays the caller's, and may be closed."""
    file = os.fdopen(os.dup(descriptor), "rb")
    try:
        document = open_document(kind, file, name=name, limits=limits, pdf_dpi=pdf_dpi, pdf_password=pdf_password)
    except BaseException:
        file.close()
        raise
    return _WithFile(document, file)


class _WithFile:
    """A document that closes its file."""

    def __init__(self, document: Document, file: BinaryIO) -> None:
        self._document = document
        self._file = file
        self.count = document.count
        self.numbered = document.numbered

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        return self._document.page(index, new)

    def pixels(self) -> tuple[int, ...] | None:
        return self._document.pixels()

    def close(self) -> None:
        self._document.close()
        self._file.close()
