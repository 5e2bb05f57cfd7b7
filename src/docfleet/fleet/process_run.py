"""One run of a fleet of processes, as its caller holds it: between a source of tasks and the supervising thread.

source --_feed--> ProcessLoop.feed        advance() in the caller's thread: take what is there; else feed what is
caller <--------- ProcessLoop.take        wanted and take again, until there is something or the time is up
"""

from __future__ import annotations

import itertools
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from types import TracebackType
from typing import Any, Self

from docfleet.errors import StartError
from docfleet.fleet.process_loop import ProcessLoop
from docfleet.fleet.tasks import Event, Task

_DELIVERY = 32
"""Outcomes taken from the window at a time; they count as delivered when they are taken."""
_FEED_S = 0.005
"""A source that yields nothing for so long is slow: what it has yielded is computed now."""


class _Source(Enum):
    """Why no more is taken from the source for now."""

    ENDED = auto()
    PAUSED = auto()
    """It gave None: it has nothing just now, and its caller is to look around."""
    ENOUGH = auto()
    """As much as was wanted, or less from a slow one."""


class ProcessRun:
    """See `docfleet.fleet.handles.RunHandle`."""

    def __init__(
        self, loop: ProcessLoop, tasks: Iterable[Task | None], *, check: Callable[[], None], options: dict[str, Any]
    ) -> None:
        """Raises ClosedError.

        Args:
            check: raises unless the executor may be used here; bound to the executor, which lives as long as its runs.
            options: as of `Scheduler.open_run`.
        """
        self._loop = loop
        self._check = check
        self._source: Iterator[Task | None] | None = iter(tasks)
        self._run = loop.open_run(**options, expansions=True)
        self._close = weakref.finalize(self, loop.drop_run, self._run)
        self._close.atexit = False
        self._wanted = 0
        self._trouble: Exception | None = None
        self._over = False

    @property
    def over(self) -> bool:
        """Whether everything has been handed over, and nothing is left to raise."""
        return self._over

    def advance(self, timeout: float | None = None) -> list[Event]:
        """As of `RunHandle`. Raises ValueError for keys that do not ascend."""
        self._check()
        end = None if timeout is None else time.monotonic() + timeout
        while not self._over:
            if self._wanted and self._feed() is _Source.PAUSED:
                end = time.monotonic()
            turn = self._loop.take(self._run, _DELIVERY, until=end)
            self._wanted = turn.wants
            if turn.failure is not None:
                self._trouble = StartError(f"no slot is left to compute on: {turn.failure}")
            self._over = turn.over and (self._trouble is None or not turn.delivery)
            if self._over and self._trouble is not None:
                raise self._trouble
            if turn.delivery or (end is not None and time.monotonic() >= end):
                self._check()
                return turn.delivery
        return []

    def _feed(self) -> _Source:
        fed: list[Task] = []
        state = _Source.ENDED if self._source is None else _Source.ENOUGH
        try:
            if self._source is not None:
                state = _fill(fed, self._source, self._wanted)
        except Exception as error:  # noqa: BLE001 - raised by `advance`, after what came before it
            state, self._trouble = _Source.ENDED, error
        finally:
            # Also what was taken before a KeyboardInterrupt.
            self._wanted = 0
            if state is _Source.ENDED:
                self._source = None
            self._loop.feed(self._run, fed, exhausted=state is _Source.ENDED)
        return state

    def drain(self, reason: str) -> None:
        """As of `RunHandle`."""
        self._check()
        self._source = None
        self._wanted = 0
        if self._close.alive:
            self._loop.drain(self._run, reason)

    def close(self) -> None:
        """As of `RunHandle`."""
        self._over = True
        self._source = None
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _fill(fed: list[Task], tasks: Iterator[Task | None], wanted: int) -> _Source:
    """Take up to `wanted` tasks, fewer from a slow source."""
    end = time.monotonic() + _FEED_S
    for task in itertools.islice(tasks, wanted):
        if task is None:
            return _Source.PAUSED
        fed.append(task)
        if time.monotonic() > end:
            return _Source.ENOUGH
    return _Source.ENOUGH if len(fed) == wanted else _Source.ENDED
