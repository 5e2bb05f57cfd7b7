"""From documents that were found to tasks for the fleet, past what earlier runs have done.

      Document --admit--> journal --Entry--> done, failed:  counted, no task
                                             new, open:     Task{source, settings, names, pages done before}

The tasks are taken one by one as the fleet has room, so a job of ten million documents begins with the first.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from docfleet.batch.journal import Entry, Journal
from docfleet.batch.ledger import Ledger, OpenDocument
from docfleet.batch.listing import Document
from docfleet.batch.names import OutputName
from docfleet.batch.selection import PageSelection
from docfleet.documents.sources import Source
from docfleet.fleet.tasks import Task

_PAUSE_S = 0.05
"""How long documents without a task are gone through before the caller gets to look around."""
_DIGEST_BYTES = 16
_CHUNK = 1 << 20


class Intake:
    """The tasks of a job, to be iterated once."""

    def __init__(
        self,
        documents: Iterable[Document | None],
        *,
        journal: Journal,
        ledger: Ledger,
        settings: Mapping[str, Any],
        pages: PageSelection | None,
        retry_failed: bool,
        by_content: bool,
        may_repeat: bool = True,
        remove_outputs: Callable[[OutputName, int], None] | None = None,
    ) -> None:
        """
        Args:
            documents: as the listing gives them; None where it has none yet.
            journal: knows what earlier runs did.
            ledger: is told of every document.
            settings: go with every page.
            pages: those to do of each document; None for all.
            retry_failed: do failed pages again.
            by_content: tell a changed document by its content, which has to be read for that.
            may_repeat: whether `documents` may name one twice.
            remove_outputs: called with the name of a document that has changed, and how many pages it had.
        """
        self._documents = documents
        self._journal = journal
        self._ledger = ledger
        self._settings = dict(settings)
        self._pages = None if pages is None else pages.to_plain()
        self._retry_failed = retry_failed
        self._by_content = by_content
        self._may_repeat = may_repeat
        self._remove_outputs = remove_outputs
        self.exhausted = False
        """Whether all documents have been given."""

    def __iter__(self) -> Iterator[Task | None]:
        """Tasks with ascending keys; None now and then while there are documents but no task for any."""
        since = time.monotonic()
        key = 0
        for document in self._documents:
            task = None if document is None else self._task(key, document)
            if task is not None:
                yield task
                key += 1
                since = time.monotonic()
            elif document is None or time.monotonic() - since > _PAUSE_S:
                yield None
                since = time.monotonic()
        self.exhausted = True

    def _task(self, key: int, document: Document) -> Task | None:
        digest = digest_of(document.path) if self._by_content and document.problem is None else None
        entry = self._journal.admit(document, digest=digest, may_repeat=self._may_repeat)
        if entry.state == "repeated":
            return None
        if entry.failed_pages and self._retry_failed:
            entry = self._journal.forget_failures(document, entry)
        if entry.stale_pages is not None and self._remove_outputs is not None:
            self._remove_outputs(entry.name, entry.stale_pages)
        if entry.state in ("done", "failed"):
            self._ledger.ended_earlier(done=entry.done_pages, failed=entry.failed_pages)
            return None
        opened = OpenDocument(id=entry.id, path=document.path)
        self._ledger.hand_out(key, opened, done=entry.done_pages, failed=entry.failed_pages)
        return Task((key,), self._payload(document, entry))

    def _payload(self, document: Document, entry: Entry) -> dict[str, Any]:
        return {
            "source": Source(document.path, error=document.problem).to_payload(),
            "settings": self._settings,
            "single": entry.name.single,
            "paged": entry.name.paged,
            "pages": self._pages,
            "done": [list(finished) for finished in entry.done],
            "stat": [document.size, document.mtime_ns] if document.mtime_ns else None,
        }


def digest_of(path: str) -> bytes | None:
    """Sixteen bytes that stand for the content of a file; None if it cannot be read, which its worker will say.

    A pipe or a device would block, or never end: they have none.
    """
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                return None
            left = info.st_size
            while left and (chunk := file.read(min(left, _CHUNK))):
                digest.update(chunk)
                left -= len(chunk)
    except (OSError, ValueError):
        return None
    return digest.digest()


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
