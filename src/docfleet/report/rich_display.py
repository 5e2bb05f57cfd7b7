"""Progress drawn on a terminal: a live panel, with notes and log records scrolling by above it.

JobView --panel--> lines --Region--> standard error
note, log record, sys.stderr ----above the panel----^
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from typing import TextIO

from docfleet.documents.sources import printable
from docfleet.report.notes import NoteLimit, captured
from docfleet.report.output import Output
from docfleet.report.panel import panel
from docfleet.report.region import Region
from docfleet.report.view import JobView

_EVERY_S = 0.2
_LEAST_HEIGHT = 10
_SHARE = 0.7
"""Of the terminal's height; the rest is for notes."""


class RichDisplay:
    """Draws on a terminal. Any thread may use it."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.monotonic) -> None:
        self._output = Output(stream)
        self._stream = stream
        self._now = now
        # Guards what follows. Log records come in from the threads that log.
        self._lock = threading.RLock()
        self._region = Region(self._output.write, lambda: self._size()[0])
        self._limit = NoteLimit(now)
        self._next = now()
        self._view: JobView | None = None
        self._closed = False
        self._capture: contextlib.ExitStack | None = None

    def update(self, view: JobView) -> None:
        """Draw, unless that was done a moment ago."""
        with self._lock:
            self._view = view
            if not self._closed and self._now() >= self._next:
                self._begin()
                self._draw(view)

    def note(self, line: str) -> None:
        """Write the line above the panel, unless there are too many."""
        with self._lock:
            for shown in self._limit.admit(line):
                self._region.above(printable(shown))

    def close(self) -> None:
        """Draw how things ended and let it stand; what others write goes where it went before."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._capture is not None:
                self._capture.close()
            for shown in self._limit.rest():
                self._region.above(shown)
            if self._view is not None:
                self._draw(self._view)
                self._region.leave()
                self._region.above("")

    def _begin(self) -> None:
        """From the first drawing on whatever else is written there is taken; until then others may draw."""
        if self._capture is None:
            self._capture = contextlib.ExitStack()
            self._capture.enter_context(captured(self._stream, self.note))

    def _draw(self, view: JobView) -> None:
        self._next = self._now() + _EVERY_S
        width, height = self._size()
        room = min(height - 1, max(_LEAST_HEIGHT, int(height * _SHARE)))
        # One column is left free: in the last one terminals differ in where the cursor goes.
        lines = panel(view, width=width - 1, height=room, ascii_only=self._output.ascii_only)
        self._region.paint([line.rstrip(" ") for line in self._output.drawn(lines, force=True)])

    def _size(self) -> tuple[int, int]:
        """Columns and lines of the terminal, now."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return 80, 24
        return (size.columns, size.lines) if size.columns > 0 and size.lines > 0 else (80, 24)
