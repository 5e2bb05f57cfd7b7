"""From a source to pixels: the only place where the content of a file is opened. Runs in workers.

      Source --> exists? regular? empty? too large? --> first bytes --> JPEG, PNG, ...  --> decode            --> Page
         |                                                 |        \\-> TIFF, PDF  --> the one open document --> Page
         array --> shape and dtype --> Page                \\-> neither --> InputError              \\-> PageCount

Every way in which an input can be bad ends in InputError with one line that names it. A document of several pages is
counted first (PageCount) and then read by index, mostly in order, so the reader keeps the last one open.
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.headers import HEAD_BYTES, Kind, kind_of
from docfleet.documents.images import check_array, decode_image
from docfleet.documents.pages import Document, Limits, Page, PageCount
from docfleet.documents.pdf import PdfDocument
from docfleet.documents.sources import Source
from docfleet.documents.tiff import TiffDocument
from docfleet.errors import InputError, UsageError

_Identity = tuple[str, int, int, int, int]
"""Path, device, inode, size and time of change: another file under the same name is another document."""


class Reader:
    """Reads pages, with one document kept open between calls.

    Not for two threads at once, and because PDFium is not thread-safe across documents either: one reader per process
    may read PDFs at any moment. A context manager; `close` may be called twice, and reading after it opens again.
    """

    def __init__(self, limits: Limits | None = None, *, pdf_dpi: float = 144.0) -> None:
        """`pdf_dpi`: pixels per inch at which PDF pages are drawn. Raises UsageError unless above 0 and finite."""
        if not 0 < pdf_dpi < math.inf:
            raise UsageError(f"pdf_dpi is {pdf_dpi}: it must be above 0 and finite")
        self._limits = Limits() if limits is None else limits
        self._pdf_dpi = pdf_dpi
        self._open: tuple[_Identity, Document] | None = None
        self.opened = 0
        """How many documents of pages (PDF, TIFF) were opened so far, each opening counted."""

    def read(self, source: Source, page_index: int | None = None) -> Page | PageCount:
        """The page of `source` at `page_index` (0-based).

        Without an index: the page of a source that has one, else how many there are.

        Raises InputError if the source is bad in any way or has no such page, MemoryError if its pixels do not fit.
        """
        if source.error is not None:
            raise InputError(source.error)
        if page_index is not None and page_index < 0:
            raise InputError(f"{source.name}: there is no page {page_index}")
        if source.array is not None:
            return _plain_page(source, check_array(source.array), page_index)
        if source.input_path is None:
            raise InputError("a source without a path or an array has nothing to read")
        return self._read_file(source, source.input_path, page_index)

    def count(self, source: Source) -> int | None:
        """How many pages a document has, without decoding any; None for a plain image, whose content is not looked at.

        Raises InputError if the source is bad in a way that shows without decoding.
        """
        if source.error is not None:
            raise InputError(source.error)
        if source.input_path is None:
            return None
        opened = self._open_file(source, source.input_path)
        return opened.count if not isinstance(opened, tuple) else None

    def close(self) -> None:
        """Close the document that is still open."""
        if self._open is not None:
            _, document = self._open
            self._open = None
            document.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read_file(self, source: Source, path: str, page_index: int | None) -> Page | PageCount:
        opened = self._open_file(source, path)
        if not isinstance(opened, tuple):
            return self._read_document(source, opened, page_index)
        kind, size = opened
        with _file_errors(source.name), open(path, "rb") as file:  # noqa: PTH123 - a Path changes "./" and "//"
            data = file.read(size)  # Not to the end: the file may have grown since its size was checked.
        return _plain_page(source, decode_image(data, kind, name=source.name, limits=self._limits), page_index)

    def _open_file(self, source: Source, path: str) -> Document | tuple[Kind, int]:
        """The document, kept open; of a plain image its kind and size."""
        identity = self._examine(path, source.name)
        if self._open is not None and self._open[0] == identity:
            return self._open[1]
        self.close()
        with _file_errors(source.name), open(path, "rb") as file:  # noqa: PTH123
            kind = kind_of(file.read(HEAD_BYTES))
        if kind is None:
            raise InputError(f"{source.name}: not an image or PDF that is read; those are {', '.join(Kind)}")
        if kind not in (Kind.TIFF, Kind.PDF):
            return kind, identity[3]
        with _file_errors(source.name):
            document = self._open_document(path, kind, source.name)
        self._open = identity, document
        return document

    def _examine(self, path: str, name: str) -> _Identity:
        """Refuse everything that can be refused without opening; a pipe or a device would block or never end."""
        with _file_errors(name):
            info = os.stat(path)  # noqa: PTH116
        if stat.S_ISDIR(info.st_mode):
            raise InputError(f"{name}: is a folder, not a file")
        if not stat.S_ISREG(info.st_mode):
            raise InputError(f"{name}: is not a regular file")
        if info.st_size == 0:
            raise InputError(f"{name}: the file is empty")
        if info.st_size > self._limits.max_file_bytes:
            raise InputError(
                f"{name}: {info.st_size:,} bytes, over the limit of {self._limits.max_file_bytes:,}; "
                "raise max_file_bytes if the file can be trusted"
            )
        return path, info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns

    def _open_document(self, path: str, kind: Kind, name: str) -> Document:
        self.opened += 1
        if kind is Kind.TIFF:
            return TiffDocument(path, name=name, limits=self._limits)
        return PdfDocument(path, name=name, limits=self._limits, dpi=self._pdf_dpi)

    def _read_document(self, source: Source, document: Document, page_index: int | None) -> Page | PageCount:
        if page_index is None and document.count > 1:
            return PageCount(document.count, document.pixels())
        index = page_index or 0
        if index >= document.count:
            raise InputError(f"{source.name}: there is no page {index}, the document has {document.count}")
        try:
            image = document.page(index)
        finally:
            if document.count == 1:
                self.close()
        return Page(image=image, input_path=source.input_path, page_index=index, page_count=document.count)


def _plain_page(source: Source, image: NDArray[np.uint8], page_index: int | None) -> Page:
    if page_index:
        raise InputError(f"{source.name}: there is no page {page_index}, a plain image has one")
    return Page(image=image, input_path=source.input_path)


@contextmanager
def _file_errors(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file or folder") from error
    except PermissionError as error:
        raise InputError(f"{name}: permission denied") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have, as one with a null byte.
        raise InputError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
