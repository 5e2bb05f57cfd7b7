"""From a source to pixels: the only place where the content of a document is opened. Runs in workers.

      a file   --> exists? regular? empty? too large? --+
      a URL    --> fetch, within limits ----------------+--> first bytes --> a light image? --> decode --> Page
      bytes    -----------------------------------------+        |
                                                                 +--> the one open document, in a decoder process
      an array --> shape and dtype --> Page                      |        --> Page, or PageCount
                                                                 +--> a kind that is not read --> InputError

Every way in which an input can be bad ends in InputError with one line that names it. A document of several pages is
counted first (PageCount) and then read by index, mostly in order, so the reader keeps the last one open.
"""

from __future__ import annotations

import math
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from docfleet.documents import decoder
from docfleet.documents.arrays import page_of_array
from docfleet.documents.checks import checked_size, in_memory
from docfleet.documents.content import BytesContent, Content, identify, open_file
from docfleet.documents.formats import open_here
from docfleet.documents.images import LIGHT_BYTES, decode_image, is_light
from docfleet.documents.kinds import PLAIN, Kind, kind_of, not_read
from docfleet.documents.pages import Document, Limits, Page, PageCount
from docfleet.documents.sources import Source
from docfleet.errors import InputError, UsageError


class Reader:
    """Reads pages, with one document kept open between calls.

    Not for two threads at once; where documents are not decoded in a process of their own, one reader per process may
    read PDFs at any moment, since PDFium is not thread-safe across documents either. A context manager; `close` may be
    called twice, and reading after it opens again.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        pdf_dpi: float = 144.0,
        pdf_password: str | None = None,
        allow_private_urls: bool = False,
        isolated: bool | None = None,
    ) -> None:
        """Nothing is opened or started yet.

        Args:
            limits: what documents may cost.
            pdf_dpi: pixels per inch at which PDF pages are drawn.
            pdf_password: of PDFs that want one.
            allow_private_urls: whether any URL may lead into a private network; otherwise, only one that was given by
                itself, and not by a redirect from outside.
            isolated: whether documents are decoded in a process of their own, as they are wherever that is possible.

        Raises UsageError for a resolution that is not above 0 and finite.
        """
        if not 0 < pdf_dpi < math.inf:
            raise UsageError(f"pdf_dpi is {pdf_dpi}: it must be above 0 and finite")
        self._limits = Limits() if limits is None else limits
        self._pdf_dpi = pdf_dpi
        self._pdf_password = pdf_password
        self._allow_private_urls = allow_private_urls
        self._decoder: decoder.Decoder | None = None
        if decoder.AVAILABLE if isolated is None else isolated:
            self._decoder = decoder.Decoder(self._limits, pdf_dpi=pdf_dpi, pdf_password=pdf_password)
        self._open: tuple[Any, Document] | None = None
        self.opened = 0
        """How many documents were opened so far, each opening counted; light images are none."""

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
            return _plain_page(source, page_of_array(source.array), page_index)
        if source.url and source.input_path is not None:
            return self._read_url(source, source.input_path, page_index)
        if source.data is not None:
            data = source.data if isinstance(source.data, bytes) else source.data.tobytes()
            return self._read_bytes(source, data, page_index)
        if source.input_path is None:
            raise InputError("a source without a path, bytes or an array has nothing to read")
        return self._read_file(source, source.input_path, page_index)

    def count(self, source: Source) -> int | None:
        """How many pages a document has, without decoding any; None for a plain image, whose content is not looked at.

        `source` names a file. Raises InputError if it is bad in a way that shows without decoding.
        """
        if source.error is not None:
            raise InputError(source.error)
        path = source.input_path or ""
        identity = "file", identify(path, name=source.name, limits=self._limits)
        if not self._is_open(identity):
            with open_file(path, name=source.name, limits=self._limits) as content:
                self._close_document()
                kind = _kind_of(source, content)
                if kind in PLAIN:
                    return None
                self._open_document(source, content, identity, kind)
        assert self._open is not None
        document = self._open[1]
        return document.count if document.numbered else None

    def close(self) -> None:
        """Close the document that is still open, and end the decoder process."""
        self._close_document()
        if self._decoder is not None:
            self._decoder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _read_file(self, source: Source, path: str, page_index: int | None) -> Page | PageCount:
        identity = "file", identify(path, name=source.name, limits=self._limits)
        if self._is_open(identity):
            return self._page_of_open(source, page_index)
        with open_file(path, name=source.name, limits=self._limits) as content:
            return self._read_content(source, content, identity, page_index)

    def _read_bytes(self, source: Source, data: bytes, page_index: int | None) -> Page | PageCount:
        identity = "bytes", data
        if self._is_open(identity):
            return self._page_of_open(source, page_index)
        content = BytesContent(data, name=source.name, limits=self._limits)
        return self._read_content(source, content, identity, page_index)

    def _read_url(self, source: Source, url: str, page_index: int | None) -> Page | PageCount:
        identity = "url", url
        # Without an index it is a new request, and there may be something else by now.
        if page_index is not None and self._is_open(identity):
            return self._page_of_open(source, page_index)
        from docfleet.documents.fetch import fetch  # 50 ms that only a URL should cost.

        data = fetch(
            url,
            name=source.name,
            limits=self._limits,
            private=self._allow_private_urls or not source.listed,
            redirects_to_private=self._allow_private_urls,
        )
        content = BytesContent(data, name=source.name, limits=self._limits)
        return self._read_content(source, content, identity, page_index)

    def _read_content(
        self, source: Source, content: Content, identity: Any, page_index: int | None
    ) -> Page | PageCount:
        self._close_document()
        kind = _kind_of(source, content)
        if kind in PLAIN and content.size <= LIGHT_BYTES:
            data = content.read()
            size = checked_size(data, kind, name=source.name, limits=self._limits)
            if is_light(data, kind, size):
                image = decode_image(data, kind, name=source.name, limits=self._limits)
                return _plain_page(source, image, page_index)
        self._open_document(source, content, identity, kind)
        return self._page_of_open(source, page_index)

    def _open_document(self, source: Source, content: Content, identity: Any, kind: Kind) -> None:
        """Keep it open from now on."""
        self.opened += 1
        with content.descriptor() as descriptor:
            if self._decoder is not None:
                document: Document = self._decoder.open(kind, descriptor, name=source.name)
            else:
                document = open_here(
                    kind,
                    descriptor,
                    name=source.name,
                    limits=self._limits,
                    pdf_dpi=self._pdf_dpi,
                    pdf_password=self._pdf_password,
                )
        self._open = identity, document

    def _is_open(self, identity: Any) -> bool:
        return self._open is not None and self._open[0] == identity

    def _page_of_open(self, source: Source, page_index: int | None) -> Page | PageCount:
        assert self._open is not None
        document = self._open[1]
        if page_index is None and document.count > 1:
            return PageCount(document.count, document.pixels())
        try:
            if not document.numbered:
                _check_plain(source, page_index)
                return Page(image=document.page(0, in_memory), input_path=source.input_path)
            index = page_index or 0
            if index >= document.count:
                raise InputError(f"{source.name}: there is no page {index}, the document has {document.count}")
            image = document.page(index, in_memory)
        finally:
            if document.count == 1:
                self._close_document()
        return Page(image=image, input_path=source.input_path, page_index=index, page_count=document.count)

    def _close_document(self) -> None:
        if self._open is not None:
            _, document = self._open
            self._open = None
            document.close()


def _kind_of(source: Source, content: Content) -> Kind:
    kind = kind_of(content.head)
    if kind is None:
        raise InputError(f"{source.name}: {not_read(content.head)}")
    return kind


def _plain_page(source: Source, image: NDArray[np.uint8], page_index: int | None) -> Page:
    _check_plain(source, page_index)
    return Page(image=image, input_path=source.input_path)


def _check_plain(source: Source, page_index: int | None) -> None:
    if page_index:
        raise InputError(f"{source.name}: there is no page {page_index}, a plain image has one")
