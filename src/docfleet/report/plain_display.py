"""Progress as lines, for logs and for screens that cannot be drawn on: one every ten seconds, and notes.

docfleet: 0:02:10: 5,311 of 48,210+ pages (3 failed), 812 of 3,100+ documents; 41.2 pages/s now, 39.8 on average; ...
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import TextIO

from docfleet.documents.sources import printable
from docfleet.report.notes import NoteLimit
from docfleet.report.output import Output
from docfleet.report.view import JobView, Tally
from docfleet.report.words import about, clock, count, plural, rate

_FIRST_S = 2.0
_EVERY_S = 10.0


class PlainDisplay:
    """Writes whole lines and nothing else. Any thread may use it."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.monotonic) -> None:
        self._output = Output(stream)
        self._now = now
        # Guards what follows. Log records come in from the threads that log.
        self._lock = threading.RLock()
        self._next = now() + _FIRST_S
        self._limit = NoteLimit(now)
        self._unsaid: JobView | None = None
        """The last view, if it was not written yet."""
        self._closed = False

    def update(self, view: JobView) -> None:
        """Write a line if one is due."""
        with self._lock:
            self._unsaid = view
            if self._now() >= self._next:
                self._next = self._now() + _EVERY_S
                self._say()

    def note(self, line: str) -> None:
        """Write the line, unless there are too many."""
        with self._lock:
            for shown in self._limit.admit(line):
                self._write(printable(shown))

    def close(self) -> None:
        """Write how things ended, unless the last line has said it."""
        with self._lock:
            for shown in self._limit.rest():
                self._write(shown)
            self._say()
            self._closed = True

    def _say(self) -> None:
        if self._unsaid is not None:
            self._write(line_of(self._unsaid))
            self._unsaid = None

    def _write(self, line: str) -> None:
        if not self._closed:
            self._output.write(f"docfleet: {line}\n")


def line_of(view: JobView) -> str:
    """A job at one moment on one line."""
    parts = [
        f"{clock(view.elapsed)}: {_tally(view.pages, 'pages', view.listing)}"
        f", {_tally(view.documents, 'documents', view.listing)}",
        f"{rate(view.pages_per_second)} now, {rate(view.average)} on average",
    ]
    if view.eta is not None and view.pages.remaining:
        parts.append(f"about {about(view.eta)} left")
    parts.append(states_of(view))
    if view.stopping:
        parts.append(f"stopping: {printable(view.stopping)}")
    return "; ".join(part for part in parts if part)


def states_of(view: JobView) -> str:
    """`4 slots: 3 busy, 1 retired`, with how often workers were replaced, if any was."""
    if not view.slots:
        return ""
    counts = Counter(slot.state for slot in view.slots)
    states = ", ".join(f"{counts[state]} {state}" for state in ("busy", "idle", "starting", "retired") if counts[state])
    restarts = sum(slot.restarts for slot in view.slots)
    return f"{plural(len(view.slots), 'slot')}: {states}" + (f", {plural(restarts, 'restart')}" if restarts else "")


def _tally(tally: Tally, noun: str, listing: bool) -> str:
    apart = [
        f"{count(number)} {word}" for number, word in ((tally.failed, "failed"), (tally.skipped, "skipped")) if number
    ]
    more = f" ({', '.join(apart)})" if apart else ""
    return f"{count(tally.finished)} of {count(tally.found)}{'+' if listing else ''} {noun}{more}"
