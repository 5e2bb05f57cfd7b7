"""How the job of an output folder stands, for whoever asks: while it runs, after it died, when it has ended.

      status.json     which process, what it saw last ----+
      summary.json    how the last run ended -------------+--> Standing
      failures.jsonl  the first failures -----------------+
      journal.sqlite  what counts, if nothing runs -------+

Reads and never writes, so it works on a folder that is read-only and does not get in a job's way. Each file may be
missing, or be from another run than the others.
"""

from __future__ import annotations

import contextlib
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from docfleet.batch.folder import JobFolder
from docfleet.batch.journal import FailureRow
from docfleet.batch.status_file import Status, read_status
from docfleet.batch.totals import Totals, read_totals
from docfleet.documents.sources import printable
from docfleet.errors import UsageError
from docfleet.report.summary import Summary

State = Literal["running", "died", "finished", "unknown"]
"""`unknown`: something was begun here that has not said how it is doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of the job."""

    state: State
    status: Status | None
    """What it said last; None where it has not said anything that can be read."""
    summary: Summary | None
    """How it ended. None while it has not, and where that could not be written."""
    totals: Totals | None
    """What counts in the journal. None while the job runs, and where it cannot be read."""
    failures: tuple[FailureRow, ...]
    """The first of all failures."""

    @property
    def exit_status(self) -> int | None:
        """What the job ended with; None if it has not come to its end."""
        if self.summary is not None:
            return self.summary.exit_status
        return None if self.status is None else self.status.exit_status


def standing_of(folder: JobFolder, *, failures: int) -> Standing:
    """Look at the job of a folder; so many of its failures are read.

    Raises UsageError where there is none, or none that this user may read.
    """
    place = printable(str(folder.output))
    try:
        status = read_status(folder.own)
        summary = _summary(folder)
        begun = folder.journal.exists()
    except OSError as error:
        raise UsageError(
            f"{printable(str(error.filename or folder.own))} cannot be read: {error.strerror or error}; ask as a user "
            "who may read it"
        ) from error
    if status is None and summary is None and not begun:
        hint = "is not there" if not folder.output.exists() else f"has no {folder.own.name} that a job has written to"
        raise UsageError(f"there is no job in {place}: it {hint}; name the output_dir of a docfleet run")
    if status is not None and summary is not None and _moment(summary.ended) < _moment(status.started):
        summary = None  # Of the run before.
    state: State
    if status is None:
        state = "unknown" if summary is None else "finished"
    else:
        state = status.whereabouts()
    if state != "finished":
        summary = None
    return Standing(
        state=state,
        status=status,
        summary=summary,
        totals=None if state == "running" else read_totals(folder.journal),
        failures=tuple(itertools.islice(_failures(folder.failures), failures)),
    )


def _summary(folder: JobFolder) -> Summary | None:
    try:
        summary = Summary.load(folder.summary)
        _moment(summary.ended)
    except (FileNotFoundError, ValueError, RecursionError):
        return None
    return summary


def _moment(iso: str) -> datetime:
    """Raises ValueError for what is no time, or one without its offset from UTC."""
    moment = datetime.fromisoformat(iso)
    if moment.tzinfo is None:
        raise ValueError(f"{iso} does not tell its offset from UTC")
    return moment


def _failures(path: Path) -> Iterator[FailureRow]:
    """The failures that were written so far; the last line may be half of one."""
    import msgspec

    try:
        with path.open(encoding="utf-8", errors="backslashreplace") as file:
            for line in file:
                with contextlib.suppress(ValueError, RecursionError):
                    yield msgspec.convert(json.loads(line), FailureRow)
    except OSError:
        return
