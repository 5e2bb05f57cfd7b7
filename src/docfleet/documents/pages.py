"""What reading gives, and the limits it keeps."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from docfleet.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a file may cost before it is refused; checked before anything is decoded. Arrays are the caller's affair.

    Raises UsageError for a limit below 1.
    """

    max_page_pixels: int = 178_956_970
    """Width times height of one page. A larger image is refused; a PDF page is drawn smaller, as the reference does."""
    max_document_pages: int = 100_000
    """Pages of one PDF, frames of one TIFF."""
    max_file_bytes: int = 2 * 1024**3

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value < 1:
                raise UsageError(f"{field.name} is {value}: it must be at least 1")


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


class Document(Protocol):
    """An open file with pages, of which a reader keeps one. Not for two threads at once."""

    count: int

    def page(self, index: int) -> NDArray[np.uint8]:
        """Page `index` (0-based, below `count`) as height x width x 3, BGR. Raises InputError."""

    def pixels(self) -> tuple[int, ...] | None:
        """Width times height of every page as `page` will give it, or None if finding out costs more than it helps."""

    def close(self) -> None: ...
