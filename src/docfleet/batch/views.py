"""The job at this moment, put together for people: what the fleet, the books and the listing know."""

from __future__ import annotations

import time
from collections.abc import Callable

from docfleet.batch.intake import Intake
from docfleet.batch.ledger import Ledger
from docfleet.batch.listing import Listing
from docfleet.documents.sources import printable
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.statistics import SlotStatistics
from docfleet.fleet.tasks import Key
from docfleet.report.pace import Pace
from docfleet.report.view import JobView, SlotState, SlotView

_NOTHING = (0.0, 0.0, 0.0)


class Views:
    """Makes a `JobView` whenever it is asked; speeds are measured between the times it is."""

    def __init__(
        self,
        *,
        executor: ProcessExecutor,
        ledger: Ledger,
        listing: Listing,
        intake: Intake,
        began: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`began`: when the job did, by `clock`."""
        self._executor = executor
        self._ledger = ledger
        self._listing = listing
        self._intake = intake
        self._began = began
        self._clock = clock
        self._pace = Pace()
        self._slot_paces: dict[str, Pace] = {}

    def view(self, stopping: str | None = None) -> JobView:
        """How things are."""
        now = self._clock()
        ledger = self._ledger
        documents = ledger.document_tally(self._listing.skipped)
        pages = ledger.page_tally()
        finished = pages.finished - ledger.pages.done_earlier - ledger.pages.failed_earlier
        listing = not self._intake.exhausted
        speed, eta = self._pace.update(now, finished, None if listing else pages.remaining)
        return JobView(
            documents=documents,
            pages=pages,
            done_earlier_pages=ledger.pages.done_earlier,
            done_earlier_documents=ledger.documents.done_earlier,
            failed_earlier_pages=ledger.pages.failed_earlier,
            listing=listing,
            elapsed=now - self._began,
            pages_per_second=speed,
            eta=eta,
            slots=tuple(self._slot(each, now) for each in self._executor.statistics()),
            stopping=stopping,
        )

    def _slot(self, statistics: SlotStatistics, now: float) -> SlotView:
        counts = statistics.counts
        read, compute, write = (statistics.stages.get(name, _NOTHING) for name in ("read", "compute", "write"))
        speed, _ = self._slot_paces.setdefault(counts.name, Pace()).update(now, counts.pages)
        state: SlotState
        if counts.state == "ready":
            state = "busy" if counts.computing else "idle"
        else:
            state = "retired" if counts.state == "retired" else "starting"
        return SlotView(
            name=counts.name,
            state=state,
            page=self._page(counts.computing[0]) if counts.computing else None,
            pages=counts.pages,
            pages_per_second=speed,
            resident=statistics.resident,
            restarts=counts.restarts,
            busy=compute[0],
            starved=compute[1],
            blocked=compute[2],
            read_busy=read[0],
            write_busy=write[0],
        )

    def _page(self, key: Key) -> str | None:
        document = self._ledger.open.get(key[0])
        if document is None:
            return None
        name = printable(document.path)
        return name if len(key) == 1 else f"{name} page {document.parts[key[1]] + 1}"
