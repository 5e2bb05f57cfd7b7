"""What reading gives, and the limits it keeps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from docfleet.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a document may cost before it is refused. Arrays and images in memory are the caller's affair.

    Sizes and counts are read from headers and checked before anything is decoded. Headers lie, and a PDF has none that
    tells what its pages cost; what `max_decode_bytes` and `max_decode_seconds` say is kept by the kernel.

    Raises UsageError for a limit below 1, or below 0 for redirects.
    """

    max_page_pixels: int = 178_956_970
    """Width times height of one page. A larger image is refused; a PDF page is drawn smaller, as the reference does."""
    max_document_pages: int = 100_000
    """Pages of one PDF, frames of one TIFF or animation."""
    max_file_bytes: int = 2 * 1024**3
    max_decode_bytes: int = 900_000_000
    """Memory that decoding may take, the page included; with the decoder itself that stays below 1 GB. On Linux."""
    max_decode_seconds: float = 10.0
    """CPU time that opening a document or decoding a page may take. On Linux and macOS."""
    max_url_bytes: int = 256 * 1024**2
    """Of one download, which is held in memory."""
    max_url_seconds: float = 60.0
    """From the first look at a URL to the last byte, redirects included."""
    max_url_redirects: int = 5

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, least = getattr(self, field.name), 0 if field.name == "max_url_redirects" else 1
            if not value >= least:
                raise UsageError(f"{field.name} is {value}: it must be at least {least}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Page:
    """One page as pixels."""

    image: NDArray[np.uint8]
    """Height x width x 3, BGR, C-contiguous. For an array source this may be the caller's memory: never write to it."""
    input_path: str | None = None
    page_index: int | None = None
    """0-based; None for a plain image or an array, as the reference reports it."""
    page_count: int | None = None
    """Pages of the whole document; None where `page_index` is."""


@dataclass(frozen=True, slots=True)
class PageCount:
    """Instead of a page: the document has several, each to be read by its index."""

    count: int
    """At least 2."""
    pixels: tuple[int, ...] | None = None
    """How large each page will be (width times height), where that is cheap to know."""


Canvas = Callable[[int, int], "NDArray[np.uint8]"]
"""Memory for a page of a height and a width: height x width x 3, C-contiguous, its content undefined.

Asked for by a decoder once it knows how large the page is; where the page is wanted in another process, this memory is
shared with it. Raises InputError for a size over the limit.
"""


class Document(Protocol):
    """An open document, of which a reader keeps one. Not for two threads at once."""

    count: int
    """Pages, at least 1."""
    numbered: bool
    """Whether its pages have numbers even if there is only one: PDF and TIFF, as the reference reports them."""

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        """Page `index` (0-based, below `count`), BGR, in memory from `new`. Raises InputError, MemoryError."""

    def pixels(self) -> tuple[int, ...] | None:
        """Width times height of every page as `page` will give it, or None if finding out costs more than it helps."""

    def close(self) -> None: ...
