"""What a worker does at this moment, in memory that outlives it.

      worker                                                    parent
      post(COMPUTE, 17)  --a store-->   | 0 | 18 | 0 |  <--read-- look(): {COMPUTE: 17}
      clear(COMPUTE)     --a store-->   | 0 |  0 | 0 |            after its death, or when it has long said nothing

A message that announces a step takes some ten microseconds of each side, and wakes the parent up. Beside a page that is
nothing; beside a step that does less than that it is everything. Such steps are announced here: by one store, before
the step begins, into memory that both processes see. There is a cell for each of the worker's three threads, with one
more than the ticket of the task in hand, or 0. There is nothing to lock, so nothing that the dying could leave locked.

Whether a step will be quick is guessed from the one before (`Steps`). The guess may be wrong, and the step the one that
never ends: so the parent looks at the board of a worker that holds work and says nothing (`Lookout`). A step that two
looks find was not quick, and is taken for announced; its end will come as a message.

The memory is a memfd, whose descriptor the worker inherits: the kernel frees it with the last process that knows it.
Where there is no memfd (macOS) there is no board, and every step is announced by a message.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import struct
import sys
import time
from collections.abc import Callable
from enum import IntEnum

QUICK_S = 0.0002
"""A step that takes no longer is quick. Longer steps are worth a message each; shorter ones would be none."""
_FIRST_LOOK_S = 0.01
_LAST_LOOK_S = 1.0
"""Between looks, at first and in the end. Each pause is as long as the silence before it: a long silence is mostly a
step that was announced by a message."""


class Stage(IntEnum):
    """The three steps of a task, and their cells."""

    READ = 0
    COMPUTE = 1
    WRITE = 2


_CELLS = struct.Struct(f"={len(Stage)}Q")


class Board:
    """The worker's end. Each cell belongs to one thread."""

    def __init__(self, descriptor: int) -> None:
        """Takes over the descriptor."""
        # An aligned store of eight bytes is seen whole or not at all.
        self._cells = memoryview(mmap.mmap(descriptor, _CELLS.size)).cast("Q")
        os.close(descriptor)

    def post(self, stage: Stage, ticket: int) -> None:
        """A step begins."""
        self._cells[stage] = ticket + 1

    def clear(self, stage: Stage) -> None:
        """It is over."""
        self._cells[stage] = 0


class Steps:
    """The steps of one thread of a worker, one after another: how they are announced, and how long they take."""

    def __init__(self, board: Board | None, stage: Stage, clock: Callable[[], float] = time.monotonic) -> None:
        self._board = board
        self._stage = stage
        self._clock = clock
        self._began = 0.0
        self.quick = False
        """Whether the last step was, so that the next will be. False where there is no board."""

    def post(self, ticket: int) -> bool:
        """Announce the next step on the board; False if it has to be announced by a message."""
        if not self.quick or self._board is None:
            return False
        self._board.post(self._stage, ticket)
        return True

    def begin(self) -> None:
        """The step begins: it has been announced, and how long that took does not count."""
        self._began = self._clock()

    def end(self) -> bool:
        """Whether the step was quick. If not, its end has to be told by a message, however it was announced."""
        if self._board is not None:
            self._board.clear(self._stage)
            self.quick = self._clock() - self._began < QUICK_S
        return self.quick


class BoardView:
    """The parent's end. Not mapped, because it is seldom looked at, and a mapping could be cut short from outside."""

    def __init__(self) -> None:
        """An empty board; there is none if the system has no memory for that."""
        self._descriptor: int | None = None
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self._descriptor = os.memfd_create("docfleet-board", os.MFD_CLOEXEC)
                os.ftruncate(self._descriptor, _CELLS.size)

    def fileno(self) -> int:
        """What the worker inherits; -1 if there is no board, or when it is closed."""
        return -1 if self._descriptor is None else self._descriptor

    def look(self) -> dict[Stage, int]:
        """Tickets of the steps under way. To be trusted as little as any message of the worker's."""
        if self._descriptor is None:
            return {}
        cells = os.pread(self._descriptor, _CELLS.size, 0)
        if len(cells) < _CELLS.size:
            return {}
        return {stage: cell - 1 for stage, cell in zip(Stage, _CELLS.unpack(cells), strict=True) if cell}

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Lookout:
    """When to look at a worker's board, and what is news there."""

    def __init__(self, view: BoardView) -> None:
        self._view = view
        self._heard = 0.0
        self._found: dict[Stage, int] = {}
        self._told: dict[Stage, int] = {}
        self.due = math.inf
        """When to look next."""

    def heard(self, now: float, *, working: bool) -> None:
        """A message has come or gone; `working` is whether the worker holds anything to do now."""
        self._heard = now
        self.due = now + _FIRST_LOOK_S if working and self._view.fileno() >= 0 else math.inf

    def look(self, now: float) -> list[tuple[Stage, int]]:
        """The steps that this look and the last have found; each is given once."""
        self.due = now + min(max(now - self._heard, _FIRST_LOOK_S), _LAST_LOOK_S)
        before, self._found = self._found, self._view.look()
        return self._news({stage: ticket for stage, ticket in self._found.items() if before.get(stage) == ticket})

    def last_look(self) -> list[tuple[Stage, int]]:
        """The steps in which the worker has died, but for those that are known."""
        return self._news(self._view.look())

    def _news(self, steps: dict[Stage, int]) -> list[tuple[Stage, int]]:
        # A step that is told twice would seem to begin again. No ticket is used twice, so marks need not be removed.
        news = [(stage, ticket) for stage, ticket in steps.items() if self._told.get(stage) != ticket]
        self._told.update(news)
        return news
