"""A batch job while it runs: tasks into the fleet, what became of them into the journal.

      listing --Intake--> Task --advance--> (Task, Expanded | Done | Failed) --settle--> journal, ledger
                                                                                  |
                            commit: as soon as nothing more is waiting to be settled, five times a second otherwise
                                                                                  |
      every quarter of a second: a view for the display; every second: status.json, is the output folder there?

A page counts when its row is committed and not before: its files were in place by then, so whatever dies, a row means
files. What is not committed is done again by the next run, which writes the same files over.

A job ends early for one of the reasons below, each of which leaves it in a state from which the same command goes on:
a signal (what is being computed is finished first; a second signal ends it at once), an output that cannot be written,
too many failures, no slot left.
"""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field

from docfleet.batch.folder import JobFolder
from docfleet.batch.intake import Intake
from docfleet.batch.interrupts import Interrupts
from docfleet.batch.journal import Journal, Line
from docfleet.batch.ledger import Ledger, OpenDocument
from docfleet.batch.options import MaxFailures
from docfleet.documents.sources import printable
from docfleet.errors import OutputError, StartError
from docfleet.fleet.handles import RunHandle
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.tasks import Category, Done, Expanded, Failed, Failure, Task, signal_name

_BEAT_S = 0.25
_CHECK_S = 1.0
_COMMIT_S = 0.2
_COMMIT_SHARE = 0.1
"""Most of the time that may go into commits, as long as they are not `_COMMIT_S` apart."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a job comes to an early end."""

    status: int
    """Exit status (DESIGN 3.6)."""
    reason: str
    meanwhile: str = ""
    """What is still being done before it ends, for whoever watches; may be empty."""

    def __str__(self) -> str:
        return f"{self.reason}: {self.meanwhile}" if self.meanwhile else self.reason


@dataclass(frozen=True, slots=True)
class PageFailed:
    """A page, or a document that could not be opened, that failed for good."""

    document: OpenDocument
    page: int | None
    failure: Failure

    def __str__(self) -> str:
        name = printable(self.document.path)
        if self.failure.message.startswith((f"{name}:", f"{name} ")):
            return f"{self.failure.category}: {self.failure.message}"
        page = "" if self.page is None else f" page {self.page + 1}"
        return f"{self.failure.category}: {name}{page}: {self.failure.message}"


@dataclass(frozen=True, slots=True)
class PageDone:
    """A page whose files are in place."""

    document: OpenDocument
    task: Task
    digest: bytes
    """Stands for the content of the files."""


class Watcher:
    """What a job tells while it runs; nothing, unless a subclass does something with it."""

    def note(self, line: str) -> None:
        """A line for a person."""

    def failed(self, failure: PageFailed) -> None:
        """Of each failure, once it is committed."""

    def done(self, page: PageDone) -> None:
        """Of each page, once it is committed."""

    def beat(self, stop: Stop | None) -> None:
        """Four times a second."""


@dataclass(slots=True, kw_only=True)
class Job:
    """One run of a batch job over an executor whose worker is the publisher. Call `work` once."""

    folder: JobFolder
    journal: Journal
    ledger: Ledger
    intake: Intake
    executor: ProcessExecutor
    watcher: Watcher
    interrupts: Interrupts
    """Entered, and left when the books are written: a signal must not come between."""
    max_failures: MaxFailures | None = None
    stop: Stop | None = None
    """Set as soon as the job has a reason to end early."""
    _news: list[PageFailed | PageDone] = field(default_factory=list)
    """What has been settled since the last commit."""
    _committed: float = 0.0
    _commit_cost: float = 0.0
    _obeyed: int = 0
    """Signals that have been acted upon."""
    _draining: bool = False
    _place: tuple[int, int] | None = None
    """What the output folder was when the job began."""

    def work(self) -> Stop | None:
        """Do it all; returns why it ended early, if it did. What was settled is committed, or remains to be done."""
        try:
            try:
                with self.executor.start(self.intake, ordered=False) as run:
                    self._loop(run)
            except StartError as error:
                self._end(Stop(error.exit_status, str(error)))
            except OSError as error:
                # Of the listing: a list that cannot be read to its end, a network file system that is gone.
                place = f"{printable(str(error.filename))}: " if error.filename else ""
                reason = f"looking for documents failed: {place}{error.strerror or error}"
                self._end(Stop(OutputError.exit_status, reason))
                self.executor.kill()
            self._commit()
        except OutputError as error:
            # The journal cannot be written: what it does not know did not happen.
            self.ledger.roll_back()
            self._news.clear()
            self.stop = Stop(error.exit_status, self._removed() or str(error))
            self.executor.kill()
        return self.stop

    def _loop(self, run: RunHandle) -> None:
        self._place = self.folder.identity()
        self._committed = beaten = checked = time.monotonic()
        while not run.over:
            for event in run.advance(self._patience()):
                self._settle(*event)
            now = time.monotonic()
            if self._news and now >= self._commit_due():
                self._commit()
            if now - beaten >= _BEAT_S:
                beaten = now
                self.watcher.beat(self.stop)
            if now - checked >= _CHECK_S:
                checked = now
                if removed := self._removed():
                    raise OutputError(removed)
            if self._must_leave(run):
                break

    def _removed(self) -> str:
        """That the output folder is not what it was, if so: the true reason for many an error."""
        if self._place is None or self.folder.is_ours(self._place):
            return ""
        return f"{printable(str(self.folder.own))} was removed or replaced while the job ran"

    def _patience(self) -> float:
        """How long to wait for the next event."""
        if not self._news:
            return _BEAT_S
        return min(_BEAT_S, max(0.0, self._commit_due() - time.monotonic()))

    def _commit_due(self) -> float:
        """When to commit: the sooner the better, as far as commits are cheap."""
        return self._committed + min(_COMMIT_S, self._commit_cost / _COMMIT_SHARE)

    def _commit(self) -> None:
        """Make everything settled so far count. Raises OutputError."""
        began = time.monotonic()
        self.journal.commit()
        self._committed = time.monotonic()
        self._commit_cost = self._committed - began
        self.ledger.commit()
        news, self._news = self._news, []
        for one in news:
            if isinstance(one, PageFailed):
                self.watcher.failed(one)
            else:
                self.watcher.done(one)

    def _settle(self, task: Task, outcome: Done | Failed | Expanded) -> None:
        """Note what became of a task."""
        key = task.key[0]
        if isinstance(outcome, Expanded):
            document = self.ledger.open[key]
            document.parts = outcome.parts
            parts = outcome.parts
            pages = document.finished + len(parts)
            self.journal.expanded(document.id, pages, beyond=parts[-1] + 1 if parts else 0)
            self.ledger.expand(key, len(parts))
        elif isinstance(outcome, Done):
            if "stopped" in outcome.value:
                reason = self._removed() or f"results cannot be written: {outcome.value['stopped']}"
                self._end(Stop(OutputError.exit_status, reason))
                return
            line = outcome.value.get("line")
            document = self.ledger.end_page(key, failed=False)
            self.journal.page_done(document.id, task.part, line=None if line is None else Line(*line))
            self._news.append(PageDone(document, task, outcome.value["digest"]))
        elif outcome.failure.category is not Category.CANCELLED:
            document = self.ledger.end_page(key, failed=True)
            self.journal.page_failed(document.id, task.part, outcome.failure)
            self._news.append(PageFailed(document, task.part, outcome.failure))
            self._count_failures()

    def _count_failures(self) -> None:
        """Of this run alone: who starts it again after too many wants to go on."""
        pages = self.ledger.pages
        failed = pages.failed - pages.failed_earlier
        finished = failed + pages.done - pages.done_earlier
        if self.max_failures is not None and self.max_failures.reached(failed=failed, finished=finished):
            self._end(Stop(OutputError.exit_status, f"{failed} pages have failed: max_failures is reached"))

    def _must_leave(self, run: RunHandle) -> bool:
        """Act upon signals and reasons to stop: the first ends the job gently, a second signal at once."""
        fresh = self.interrupts.received[self._obeyed :]
        self._obeyed += len(fresh)
        if fresh:
            name = signal_name(fresh[0])
            again = "; once more to end at once" if self._obeyed == 1 else ""
            status = 128 + (signal.SIGINT if fresh[0] == signal.SIGINT else signal.SIGTERM)
            self._end(Stop(status, name, f"finishing the pages that are being computed{again}"))
        if self._obeyed > 1:
            self.watcher.note("ending at once")
            self.executor.kill()
            return True
        if self.stop is not None and not self._draining:
            self._draining = True
            run.drain(self.stop.reason)
        return False

    def _end(self, stop: Stop) -> None:
        """The first reason is the one that counts."""
        if self.stop is None:
            self.stop = stop
            self.watcher.note(str(stop))
