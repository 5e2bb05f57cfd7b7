"""Streams for tests that stand for standard error."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import termios

from tests.report.terminal import Terminal


class Screen(io.StringIO):
    """A stream that is a terminal; what is written is shown on it."""

    encoding = "utf-8"  # type: ignore[assignment]

    def __init__(self, width: int = 80, height: int = 24) -> None:
        super().__init__()
        self.terminal = Terminal(width, height)
        # The size of a terminal is asked of its descriptor, so there has to be one.
        self._ours, self._theirs = os.openpty()
        self.resize(width, height)

    def resize(self, width: int, height: int) -> None:
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        self.terminal.resize(width, height)

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._theirs

    def write(self, text: str) -> int:
        self.terminal.write(text)
        return len(text)

    def close(self) -> None:
        if not self.closed:
            os.close(self._ours)
            os.close(self._theirs)
        super().close()


class Broken(io.StringIO):
    """A stream whose reader has left."""

    def __init__(self) -> None:
        super().__init__()
        self.tried = 0

    def write(self, text: str) -> int:
        self.tried += 1
        raise BrokenPipeError("nobody reads this")


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
