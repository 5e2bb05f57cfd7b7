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


@dataclass(frozen=True, slots=True)
class PageFailure:
    """A page, or a document that could not be opened, that has no result."""

    input_path: str | None
    """As the caller gave it; None for arrays."""
    page_index: int | None
    """0-based; None where the document itself could not be opened, or has no pages."""
    failure: Failure
    """Category, message, detail, attempts."""

    def __str__(self) -> str:
        place = "array" if self.input_path is None else printable(self.input_path)
        page = "" if self.page_index is None else f" (page {self.page_index + 1})"
        message = self.failure.message
        return message if message.startswith(place) else f"{place}{page}: {message}"


class PartialFailure(DocfleetError):
    """Some pages failed; every other page was delivered.

    Raised by `predict_iter` after the last good page, and by `predict` with the good pages in `.results`.
    """

    exit_status = 1

    def __init__(self, failures: Sequence[PageFailure], failed: int, results: Sequence[Any] | None = None) -> None:
        self.failures = tuple(failures)
        """The first 1,000 failures, in the order of the input."""
        self.failed = failed
        """How many failed in all."""
        self.results = results
        """All good results, where `predict` was called; None from `predict_iter`, which has delivered them."""
        more = "" if failed == 1 else f" (and {failed - 1} more)"
        pages = "1 page or document" if failed == 1 else f"{failed} pages or documents"
        super().__init__(f"{pages} failed: {self.failures[0]}{more}")
