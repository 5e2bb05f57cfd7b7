"""Lines that scroll by beside a display: kept apart from what is drawn, and cut when they come in floods.

note("...") --------------------+
log records for that stream ----+--> NoteLimit --> one line each, or "812 more notes were left out"
"""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

_BURST = 20
_PER_SECOND = 2.0


class NoteLimit:
    """A bucket of notes: twenty at once, then two a second. What did not fit is counted and said with the next.

    A folder of a hundred thousand damaged files must neither scroll a terminal away nor slow the job down; all of them
    are in `failures.jsonl`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._room = float(_BURST)
        self._since = clock()
        self._left_out = 0

    def admit(self, line: str) -> list[str]:
        """The lines to show for this one: itself, itself after a count of those left out, or none."""
        now = self._clock()
        self._room = min(_BURST, self._room + (now - self._since) * _PER_SECOND)
        self._since = now
        if self._room < 1:
            self._left_out += 1
            return []
        self._room -= 1
        return [*self.rest(), line]

    def rest(self) -> list[str]:
        """A line that counts what was left out since the last one, if anything was."""
        if not self._left_out:
            return []
        number, self._left_out = self._left_out, 0
        return [f"({number:,} more {'line was' if number == 1 else 'lines were'} left out here)"]


class LineStream(io.TextIOBase):
    """A text stream that hands on each whole line, as a terminal would show it. Any thread may write."""

    def __init__(self, take: Callable[[str], None], *, encoding: str = "utf-8") -> None:
        self._take = take
        self._encoding = encoding
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._begun = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """That of the stream it stands for: some programs ask."""
        return self._encoding

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: str) -> int:
        """Take in text; lines that it completes are handed on."""
        with self._lock:
            *lines, begun = (self._begun + text).split("\n")
            self._begun = _as_shown(begun)
        for line in lines:
            self._take(_as_shown(line).rstrip("\r"))
        return len(text)

    def rest(self) -> str:
        """What was written after the last end of a line; forgotten here."""
        with self._lock:
            begun, self._begun = self._begun, ""
        return begun.rstrip("\r")


def _as_shown(line: str) -> str:
    """What is left of a line that was written over (`10 %\r20 %`). Progress bars may never come to its end."""
    end = len(line.rstrip("\r"))
    return line[line.rfind("\r", 0, end) + 1 :]


@contextlib.contextmanager
def captured(stream: TextIO, take: Callable[[str], None]) -> Iterator[None]:
    """While entered, what goes to `stream` by way of `sys.stderr` or the root logger's handlers goes to `take`.

    It would be written into the middle of what is drawn there.
    """
    lines = LineStream(take, encoding=getattr(stream, "encoding", None) or "utf-8")
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream in (stream, sys.stderr)
    ]
    before = [handler.setStream(lines) for handler in handlers]
    is_stderr = sys.stderr is stream
    if is_stderr:
        sys.stderr = lines
    try:
        yield
    finally:
        if is_stderr and sys.stderr is lines:
            sys.stderr = stream
        for handler, its_stream in zip(handlers, before, strict=True):
            if its_stream is not None and handler.stream is lines:
                handler.setStream(its_stream)
        if begun := lines.rest():
            take(begun)
