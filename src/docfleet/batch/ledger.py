"""The documents of a job that are under way, and how many there are of each kind.

      found --handed out--> open --its pages end, one by one--> done, failed
        |                                                        ^
        +--ended in an earlier run-------------------------------+

Two ways of counting meet at the end of a job: what was found is counted as the listing gives it, what became of it as
it ends. `found = done + failed + skipped + remaining` can be wrong, and is therefore checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from docfleet.report.view import Tally


@dataclass(slots=True, kw_only=True)
class OpenDocument:
    """A document that was handed out and has not ended."""

    id: int
    """Its number in the journal."""
    path: str
    expanded: bool = False
    """Whether it is known how many pages it has."""
    known: int = 1
    """Pages that it counts for: one until it is known how many it has."""
    finished: int = 0
    """Of those, how many have ended."""
    failed: int = 0
    parts: Sequence[Any] = ()
    """The pages that were still to be done when it was opened, 0-based."""


@dataclass(slots=True)
class Count:
    """What became of documents, or of pages."""

    done: int = 0
    failed: int = 0
    done_earlier: int = 0
    failed_earlier: int = 0
    """Parts of the two above: what earlier runs did."""

    def add(self, *, failed: bool, number: int = 1) -> None:
        """So many have ended; a negative number takes it back."""
        if failed:
            self.failed += number
        else:
            self.done += number

    def add_earlier(self, *, done: int, failed: int) -> None:
        """So many ended in earlier runs."""
        self.done += done
        self.done_earlier += done
        self.failed += failed
        self.failed_earlier += failed


class Ledger:
    """Counts documents and pages as they end. What is not committed can be taken back."""

    def __init__(self) -> None:
        self.found = 0
        """Documents that were given."""
        self.pages_found = 0
        self.documents = Count()
        self.pages = Count()
        self.open: dict[int, OpenDocument] = {}
        """By the first number of their tasks' keys."""
        self._ended: list[tuple[OpenDocument, bool]] = []
        self._closed: list[tuple[int, OpenDocument, bool]] = []

    def ended_earlier(self, *, done: int, failed: int) -> None:
        """A document was finished by an earlier run, with that many pages done and failed."""
        self.found += 1
        self.documents.add_earlier(done=not failed, failed=bool(failed))
        self.pages_found += done + failed
        self.pages.add_earlier(done=done, failed=failed)

    def hand_out(self, key: int, document: OpenDocument, *, done: int, failed: int) -> None:
        """A document is on its way; some of its pages may have ended in earlier runs."""
        self.found += 1
        self.open[key] = document
        document.finished, document.failed = done + failed, failed
        document.known = max(1, document.finished)
        self.pages_found += document.known
        self.pages.add_earlier(done=done, failed=failed)

    def expand(self, key: int, pages: int) -> OpenDocument:
        """A document turned out to have that many more pages to do; may be none."""
        document = self.open[key]
        document.expanded = True
        self._know(document, document.finished + pages)
        self._close_if_over(key, document)
        return document

    def end_page(self, key: int, *, failed: bool) -> OpenDocument:
        """A page, or a document that is one page or none, has ended."""
        document = self.open[key]
        document.finished += 1
        document.failed += failed
        self.pages.add(failed=failed)
        self._ended.append((document, failed))
        if document.finished > document.known:
            # It could not be opened again for its other pages: that is one more that failed.
            self._know(document, document.finished)
        self._close_if_over(key, document)
        return document

    def _know(self, document: OpenDocument, pages: int) -> None:
        self.pages_found += pages - document.known
        document.known = pages

    def _close_if_over(self, key: int, document: OpenDocument) -> None:
        if document.finished < document.known:
            return
        del self.open[key]
        self._closed.append((key, document, document.failed > 0))
        self.documents.add(failed=document.failed > 0)

    def commit(self) -> list[OpenDocument]:
        """What has ended so far stays so; gives the documents that ended since the last time."""
        closed = [document for _, document, _ in self._closed]
        self._ended.clear()
        self._closed.clear()
        return closed

    def roll_back(self) -> None:
        """Nothing has ended since the last commit after all: it remains to be done."""
        for document, failed in self._ended:
            document.finished -= 1
            document.failed -= failed
            self.pages.add(failed=failed, number=-1)
        for key, document, failed in self._closed:
            self.open[key] = document
            self.documents.add(failed=failed, number=-1)
        self.commit()

    def document_tally(self, skipped: int) -> Tally:
        """The books of documents; `skipped` were met and are of no kind that is read."""
        count = self.documents
        return Tally(
            found=self.found + skipped, done=count.done, failed=count.failed, skipped=skipped, remaining=len(self.open)
        )

    def page_tally(self) -> Tally:
        """The books of pages."""
        count = self.pages
        remaining = sum(document.known - document.finished for document in self.open.values())
        return Tally(found=self.pages_found, done=count.done, failed=count.failed, skipped=0, remaining=remaining)
