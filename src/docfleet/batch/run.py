"""`docfleet run`, put together: from options to an exit status.

options --check--> pipeline prepared (weights, engine, slots) --> folder locked --> journal opened
           nothing is written until here                            |
                                  other options than before? refuse: never mixed
                                                                    v
what a dead run left is swept --> fleet of publishers, Job.work() --> lines of changed documents dropped
                                                                    |
             exit status <-- summary.json, failures.jsonl, last lines <-- sampled pages done again, compared
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import platform
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from docfleet.batch import artefacts, shards
from docfleet.batch.ahead import Ahead
from docfleet.batch.folder import JobFolder
from docfleet.batch.identity import HIDDEN, INPUT, differences, identity_of
from docfleet.batch.intake import Intake
from docfleet.batch.interrupts import Interrupts
from docfleet.batch.job import Job, PageDone, PageFailed, Stop, Watcher
from docfleet.batch.journal import FailureRow, Journal
from docfleet.batch.ledger import Ledger
from docfleet.batch.listing import Document, Listing
from docfleet.batch.lock import held
from docfleet.batch.names import OutputName
from docfleet.batch.options import JobOptions
from docfleet.batch.publisher import publisher_spec
from docfleet.batch.status_file import StatusFile
from docfleet.batch.verify import Sample
from docfleet.batch.views import Views
from docfleet.documents.sources import printable
from docfleet.errors import DocfleetError, OutputError, StartError, UsageError
from docfleet.fleet.processes import ProcessExecutor
from docfleet.pipelines.base import Pipeline, Prepared
from docfleet.pipelines.common import CommonOptions
from docfleet.report.closing import write_closing
from docfleet.report.progress import Display
from docfleet.report.summary import SlotSummary, Status, Summary, Weights
from docfleet.report.versions import versions
from docfleet.weights import Progress

_REMOVING, _DOUBT = "removing", "doubt"
"""Marks in the journal: outputs are being removed; a page came out differently when it was done again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Whom a job talks to."""

    display: Display
    stream: TextIO | None
    """Where the last lines go; None for nowhere."""
    quiet: bool
    fetching: AbstractContextManager[Progress]
    """Told of weights that have to be fetched; entered for that alone, before the display draws anything."""
    command: str
    """A shell command that goes on with this job."""


def run_job(pipeline: type[Pipeline[Any, Any, Any]], options: CommonOptions, job: JobOptions, screen: Screen) -> int:
    """Run a job to its end; returns the exit status (DESIGN 3.6).

    Raises UsageError, StartError and OutputError where it cannot begin.
    """
    began = time.monotonic()
    artefacts.check_saves(job.saves, pipeline.result_type)
    folder = JobFolder(job.output_dir)
    listing, documents = documents_of(job)
    with screen.fetching as progress:
        prepared = pipeline.prepare(options, progress=progress)
    settings = prepared.plan.default_settings()
    folder.make()
    listing.leave_out(folder.output)
    with held(folder):
        return _Running(pipeline, prepared, settings, options, job, screen, folder, listing, documents, began).run()


def documents_of(job: JobOptions) -> tuple[Listing, Iterator[Document | None]]:
    """The documents that a job is about, lazily; None for "not yet". Raises UsageError where there are none."""
    folder = job.input_dir or ""
    name = printable(folder or os.curdir)
    try:
        here, output = (os.path.realpath(path) for path in (folder, job.output_dir))
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror or error}; is the working directory still there?") from error
    if not os.path.exists(folder or os.curdir):  # noqa: PTH110
        raise UsageError(f"the input folder does not exist: {name}")
    if not os.path.isdir(folder or os.curdir):  # noqa: PTH112
        raise UsageError(f"{name} is not a folder; name the folder it is in, and the file by input_glob_pattern")
    if job.input_list is None and Path(here).is_relative_to(output):
        raise UsageError(
            f"output_dir {printable(str(job.output_dir))} is the input folder or contains it: outputs would become "
            "inputs; choose a folder of its own"
        )
    listing = Listing(folder)
    if os.path.isdir(output):  # noqa: PTH112 - a Path raises where it may not look
        listing.leave_out(Path(output))
    documents = listing.matches(job.pattern) if job.input_list is None else listing.listed(job.input_list)
    ahead = Ahead(documents if job.limit is None else itertools.islice(documents, job.limit))
    found = iter(ahead)
    first = next((document for document in found if document is not None), None)
    if first is None:
        what = f"{job.pattern!r} matches nothing below {name}" if job.input_list is None else "the list names nothing"
        more = f"; {listing.skipped} files of suffixes that are not read were skipped" if listing.skipped else ""
        raise UsageError(f"there is nothing to do: {what}{more}")
    return listing, itertools.chain([first], found)


class _Recorder(Watcher):
    """What a running job tells goes to the display, into files, and into the sample to verify."""

    def __init__(self, views: Views, screen: Screen, status: StatusFile, failures: Path, verify: int) -> None:
        self._views = views
        self._screen = screen
        self._status = status
        self._failures = failures
        self._complained = False
        self.sample = Sample(verify)

    def note(self, line: str) -> None:
        self._screen.display.note(line)

    def failed(self, failure: PageFailed) -> None:
        self._screen.display.note(str(failure))
        row = FailureRow.of(failure.document.path, failure.page, failure.failure)
        try:
            with self._failures.open("a", encoding="utf-8") as file:
                file.write(_line_of(row))
        except OSError as error:
            # The journal has it. What cannot be appended now is written when the job ends.
            if not self._complained:
                self._complained = True
                self._screen.display.note(f"{self._failures}: {error.strerror or error}; the journal has all failures")

    def done(self, page: PageDone) -> None:
        if self.sample.size:
            self.sample.offer(page.task, page.digest)

    def beat(self, stop: Stop | None) -> None:
        view = self._views.view(None if stop is None else str(stop))
        self._screen.display.update(view)
        self._status.write(view)


@dataclass(slots=True)
class _Running:
    """One run of a job on a folder that it has locked."""

    pipeline: type[Pipeline[Any, Any, Any]]
    prepared: Prepared
    settings: Mapping[str, Any]
    """Those of every page."""
    options: CommonOptions
    job: JobOptions
    screen: Screen
    folder: JobFolder
    listing: Listing
    documents: Iterable[Document | None]
    began: float
    started: str = field(default_factory=lambda: _now())

    def run(self) -> int:
        """The exit status. Raises UsageError and OutputError where the job cannot begin, or a file is in its way."""
        try:
            return self._run()
        except OSError as error:
            raise OutputError(f"{printable(str(error.filename or self.folder.own))}: {error.strerror}") from error

    def _run(self) -> int:
        identity = identity_of(self.pipeline.__name__, self.prepared, self.job)
        if self.job.fresh or self._is_half_removed():
            self._forget(identity)
        self.folder.sweep()
        is_new = not self.folder.journal.exists()
        journal = Journal(self.folder.journal, folder=self.job.input_dir or "", fsync=self.job.fsync)
        try:
            if is_new:
                shards.respect(self.folder.output, journal)
            self._compare(journal, identity)
            short = shards.trim(self.folder.output, journal)
            if short:
                raise OutputError(
                    f"{printable(str(self.folder.output / shards.FOLDER / short[0]))} is shorter than what was written "
                    "to it, or gone: lines are missing, and which cannot be told; start over with --fresh"
                )
            self._write_failures(journal)
            with Interrupts() as interrupts:
                return self._work(journal, interrupts)
        finally:
            journal.close()
            self.folder.leave()

    def _work(self, journal: Journal, interrupts: Interrupts) -> int:
        ledger = Ledger()
        intake = Intake(
            self.documents,
            journal=journal,
            ledger=ledger,
            settings=self.settings,
            pages=self.job.pages,
            retry_failed=self.job.retry_failed,
            by_content=self.job.by_content,
            may_repeat=self.job.input_list is not None,
            remove_outputs=self._remove,
        )
        status = StatusFile(self.folder.own, command=self.screen.command)
        status.write(None)
        executor = ProcessExecutor(
            self._spec(dry=False),
            self.prepared.slots,
            batch_size=self.options.batch_size or 1,
            timeout=self.options.timeout,
            max_attempts=self.options.max_attempts or 3,
        )
        with executor:
            views = Views(executor=executor, ledger=ledger, listing=self.listing, intake=intake, began=self.began)
            recorder = _Recorder(views, self.screen, status, self.folder.failures, self.job.verify)
            running = Job(
                folder=self.folder,
                journal=journal,
                ledger=ledger,
                intake=intake,
                executor=executor,
                watcher=recorder,
                interrupts=interrupts,
                max_failures=self.job.max_failures,
            )
            stop = running.work()
            recorder.beat(stop)
            executor.close()
            seconds = time.monotonic() - self.began
            slots = tuple(SlotSummary.of(slot) for slot in views.view().slots)
        if stop is None or stop.status != OutputError.exit_status:
            shards.trim(self.folder.output, journal)
            shards.drop_stale(self.folder.output, journal)
        complaints = self._verify(recorder.sample, interrupts) if stop is None and len(recorder.sample) else []
        if complaints:
            journal.mark(_DOUBT, complaints[0])
            journal.commit()
        self.screen.display.close()
        summary = self._summary(ledger, intake, stop, complaints, slots, seconds)
        return self._end(summary, journal, status, views, complaints)

    # Before.

    def _is_half_removed(self) -> bool:
        """Whether a run with `--fresh` has begun to remove outputs and has not come to its end."""
        if not self.folder.journal.exists():
            return False
        with contextlib.closing(Journal(self.folder.journal)) as journal:
            return journal.marked(_REMOVING) is not None

    def _forget(self, identity: dict[str, Any]) -> None:
        """What `--fresh` means: no outputs of earlier runs, and nothing known of them."""
        if self.folder.journal.exists():
            try:
                journal = Journal(self.folder.journal)
            except OutputError as error:
                self.screen.display.note(f"{error}; its outputs are left where they are")
            else:
                with contextlib.closing(journal):
                    # From here on the journal vouches for nothing: whoever comes next removes the rest.
                    journal.mark(_REMOVING, True)
                    journal.commit()
                    saves = (journal.identity() or identity)["save"]
                    for name, pages in journal.outputs():
                        artefacts.remove(self.folder.output, name, pages, saves)
                    for shard in journal.shards():
                        (self.folder.output / shards.FOLDER / shard).unlink(missing_ok=True)
        self.folder.forget()

    def _compare(self, journal: Journal, identity: dict[str, Any]) -> None:
        """Refuse to add to outputs that were made otherwise, or that are in doubt."""
        place = printable(str(self.folder.output))
        doubt = journal.marked(_DOUBT)
        if doubt is not None:
            raise OutputError(f"{place} holds results that are in doubt: {doubt}; --fresh removes them and starts over")
        before = journal.identity()
        if before is not None:
            found = differences(before, identity)
            if [name for name, *_ in found] == [INPUT]:
                if not self.job.moved:
                    raise UsageError(
                        f"{place} holds results of {before[INPUT]}, and this job reads {identity[INPUT]}: say --moved "
                        "if it is the same folder under another name, or choose another output_dir"
                    )
            elif found and journal.nothing_done():
                journal.forget_all()
            elif found:
                what = "; ".join(f"{name} was {_shown(old)}, is {_shown(new)}" for name, old, new in found)
                raise UsageError(
                    f"{place} holds results that were made otherwise: {what}. Give the same options to go on, --fresh "
                    "to remove them and start over, or another output_dir"
                )
        journal.set_identity(identity)
        journal.commit()

    def _spec(self, *, dry: bool) -> Any:
        result = self.pipeline.result_type
        return publisher_spec(
            self.prepared.spec,
            result=f"{result.__module__}:{result.__qualname__}",
            output=self.folder.output.absolute(),
            tmp=self.folder.tmp.absolute(),
            saves=self.job.saves,
            fsync=self.job.fsync,
            dry=dry,
        )

    def _remove(self, name: OutputName, pages: int) -> None:
        try:
            artefacts.remove(self.folder.output, name, pages, self.job.saves)
        except OSError as error:
            place = printable(str(error.filename or self.folder.output))
            raise OutputError(
                f"{place} is of a document that has changed, and cannot be removed: {error.strerror}"
            ) from error

    # After.

    def _verify(self, sample: Sample, interrupts: Interrupts) -> list[str]:
        self.screen.display.note(f"doing {len(sample)} pages again on one fresh instance")
        try:
            complaints = sample.compare(
                self._spec(dry=True),
                self.prepared.slots[0],
                timeout=self.options.timeout,
                max_attempts=self.options.max_attempts or 3,
                stopped=lambda: bool(interrupts.received),
            )
        except StartError as error:
            complaints = [f"no page could be done again: {error}"]
        for complaint in complaints:
            self.screen.display.note(complaint)
        if not complaints:
            left = f" ({sample.missed} were not done again)" if sample.missed else ""
            self.screen.display.note(f"all {len(sample) - sample.missed} came out the same{left}")
        return complaints

    def _summary(
        self,
        ledger: Ledger,
        intake: Intake,
        stop: Stop | None,
        complaints: Sequence[str],
        slots: tuple[SlotSummary, ...],
        seconds: float,
    ) -> Summary:
        documents = ledger.document_tally(self.listing.skipped)
        pages = ledger.page_tally()
        balanced = documents.balanced and pages.balanced
        reason = None if stop is None else stop.reason
        word: Status | None = None
        if not balanced or (stop is None and (documents.remaining or pages.remaining or not intake.exhausted)):
            status, word, reason = DocfleetError.exit_status, Status.INCONSISTENT, reason or "the books do not balance"
        elif stop is not None:
            status = stop.status
        elif complaints:
            status, word, reason = DocfleetError.exit_status, Status.INCONSISTENT, complaints[0]
        else:
            status = 1 if pages.failed or documents.failed else 0
        return Summary(
            status=word or Status.of(status),
            exit_status=status,
            documents=documents,
            pages=pages,
            done_earlier_documents=ledger.documents.done_earlier,
            done_earlier_pages=ledger.pages.done_earlier,
            failed_earlier_pages=ledger.pages.failed_earlier,
            seconds=round(seconds, 3),
            started=self.started,
            ended=_now(),
            host=platform.node(),
            command=self.screen.command,
            stopped=reason,
            listed=intake.exhausted,
            slots=slots,
            weights=tuple(_weights_in(self.prepared.plan.to_plain())),
            options=self._resolved(),
            versions=versions(),
        )

    def _resolved(self) -> dict[str, Any]:
        given = {name: value for name, value in dataclasses.asdict(self.options).items() if value is not None}
        if "pdf_password" in given:
            given["pdf_password"] = HIDDEN
        plain: dict[str, Any] = json.loads(
            json.dumps({"job": self.job.to_plain(), "given": given, "plan": self.prepared.plan.to_plain()}, default=str)
        )
        return plain

    def _end(
        self, summary: Summary, journal: Journal, status: StatusFile, views: Views, complaints: Sequence[str]
    ) -> int:
        """Write the books. Where the disk does not take them the exit status says so; the last lines come anyhow."""
        trouble = ""
        try:
            # Where the folder was removed nothing is made again for the sake of its books.
            if self.folder.own.is_dir():
                # Once all documents were met, those that were not are not there any more.
                self._write_failures(journal, met=summary.listed)
                summary.save(self.folder.summary)
        except OSError as error:
            trouble = f"{printable(str(error.filename or self.folder.own))}: {error.strerror or error}"
        if trouble and summary.exit_status in (0, 1):
            summary = dataclasses.replace(
                summary, exit_status=OutputError.exit_status, status=Status.STOPPED, stopped=trouble
            )
        status.finish(summary.exit_status, views.view(summary.stopped))
        failures = _tolerant(journal.failures(met=summary.listed))
        write_closing(
            summary, self.screen.stream, failures=failures, folder=self.folder.own, quiet=self.screen.quiet
        )  # fmt: skip
        return summary.exit_status

    def _write_failures(self, journal: Journal, *, met: bool = False) -> None:
        """Line by line: there may be as many as there are pages."""
        aside = self.folder.tmp / self.folder.failures.name
        with aside.open("w", encoding="utf-8") as file:
            file.writelines(map(_line_of, journal.failures(met=met)))
        aside.replace(self.folder.failures)


def _tolerant(failures: Iterator[FailureRow]) -> Iterator[FailureRow]:
    """The failures, as far as the journal can be read: the last lines are not the place to fail."""
    try:
        yield from failures
    except OutputError:
        return


def _line_of(row: FailureRow) -> str:
    return json.dumps(row.to_plain(), ensure_ascii=False) + "\n"


def _weights_in(plan: Any) -> Iterator[Weights]:
    """Every network that a plan names, by its hash."""
    if isinstance(plan, dict):
        if isinstance(plan.get("sha256"), str) and isinstance(plan.get("name"), str):
            yield Weights(name=plan["name"], sha256=plan["sha256"])
        for member in plan.values():
            yield from _weights_in(member)


def _shown(value: Any) -> str:
    return "not there" if value is None else json.dumps(value, ensure_ascii=False)


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")
