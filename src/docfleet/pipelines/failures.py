"""How failed pages reach the caller: as values in place, or as one exception after everything good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docfleet.documents.sources import printable
from docfleet.errors import DocfleetError
from docfleet.fleet.tasks import Failure

REMEMBERED = 1_000
"""How many failures a PartialFailure carries; past that it only counts, so that a long run stays in flat memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFailure:
    """A page, or a document that could not be opened, that has no result."""

    index: int
    """0-based number of the document among all that the call was given, folders and patterns expanded."""
    input_path: str | None
    """As the caller gave it; None for arrays and for what is nothing to read."""
    page_index: int | None
    """0-based; None where the document itself could not be opened, or has no pages."""
    failure: Failure
    """Category, message, detail, attempts."""

    def __str__(self) -> str:
        place = f"input {self.index + 1}" if self.input_path is None else printable(self.input_path)
        if self.failure.message.startswith((f"{place}:", f"{place} ")):
            return self.failure.message
        page = "" if self.page_index is None else f" (page {self.page_index + 1})"
        return f"{place}{page}: {self.failure.message}"


class PartialFailure(DocfleetError):
    """Some pages failed; every other page was delivered.

    Raised by `predict_iter` after the last good page, and by `predict` with the good pages in `.results`.
    """

    exit_status = 1

    def __init__(self, failures: Sequence[PageFailure], failed: int, results: Sequence[Any] | None = None) -> None:
        self.failures = tuple(failures)
        """The first 1,000 failures, as they were delivered."""
        self.failed = failed
        """How many failed in all."""
        self.results = results
        """All good results, where `predict` was called; None from `predict_iter`, which has delivered them."""
        more = "" if failed == 1 else f" (and {failed - 1} more)"
        pages = "1 page or document" if failed == 1 else f"{failed} pages or documents"
        super().__init__(f"{pages} failed: {self.failures[0]}{more}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Exceptions are pickled by their text otherwise, and would not come out of a caller's own pool.
        return type(self), (self.failures, self.failed, self.results)
