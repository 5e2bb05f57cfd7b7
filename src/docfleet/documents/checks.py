"""Limits that every kind of document is checked against, with the words for what is over one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docfleet.documents.headers import image_size
from docfleet.documents.kinds import Kind
from docfleet.documents.pages import Limits
from docfleet.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def advice(limit: str) -> str:
    """How a message about a limit ends: what to do next."""
    return f"raise {limit} if the file can be trusted"


def check_pixels(width: int, height: int, *, name: str, limits: Limits) -> None:
    """Raise InputError if a page of this size is over the limit."""
    if width * height > limits.max_page_pixels:
        raise InputError(
            f"{name}: {width} x {height} = {width * height:,} pixels, over the limit of {limits.max_page_pixels:,}; "
            + advice("max_page_pixels")
        )


def checked_size(data: bytes, kind: Kind, *, name: str, limits: Limits) -> tuple[int, int]:
    """Width and height of a plain image. Raises InputError for a header without sense, and for too many pixels."""
    size = image_size(kind, data)
    if size is None:
        raise InputError(f"{name}: the {kind} header is truncated or corrupt")
    check_pixels(*size, name=name, limits=limits)
    return size


def check_bytes(size: int, *, name: str, limits: Limits) -> None:
    """Raise InputError for a document of no bytes, or of too many."""
    if size == 0:
        raise InputError(f"{name}: the file is empty")
    if size > limits.max_file_bytes:
        raise InputError(
            f"{name}: {size:,} bytes, over the limit of {limits.max_file_bytes:,}; {advice('max_file_bytes')}"
        )


def check_pages(count: int, *, name: str, limits: Limits, word: str = "pages") -> None:
    """Raise InputError for a document with too many pages."""
    if count > limits.max_document_pages:
        raise InputError(
            f"{name}: {count:,} {word}, over the limit of {limits.max_document_pages:,}; {advice('max_document_pages')}"
        )


def in_memory(height: int, width: int) -> NDArray[np.uint8]:
    """A canvas in the memory of this process."""
    import numpy as np

    return np.empty((height, width, 3), np.uint8)
