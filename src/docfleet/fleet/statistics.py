"""What a slot has done so far, and where its time went."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from docfleet.fleet.scheduling.commands import SlotCounts

Stages = dict[str, tuple[float, float, float]]
"""`read`, `compute`, `write` -> seconds busy, starved of input, blocked on output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotStatistics:
    """One slot, through all its workers."""

    counts: SlotCounts
    """What it has done and what it does now."""
    stages: Stages
    """Where the time of all its workers together went. Empty until a worker has told; they do so now and then, while
    they write."""
    resident: int
    """Bytes of its present worker, as last sampled; 0 if unknown."""


class StageClock:
    """Where a stage's time goes. Switched by the stage's own thread, read by any."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent = {"busy": 0.0, "starved": 0.0, "blocked": 0.0}
        # One tuple, so that a reader never sees a new state with an old time.
        self._now = ("starved", clock())

    def switch(self, state: Literal["busy", "starved", "blocked"]) -> None:
        """From now on the stage is in this state."""
        before, since = self._now
        now = self._clock()
        self._spent[before] += now - since
        self._now = (state, now)

    def seconds(self) -> tuple[float, float, float]:
        """Busy, starved and blocked so far, with the state it is in counted up to now."""
        spent = dict(self._spent)
        state, since = self._now
        spent[state] += max(0.0, self._clock() - since)
        return spent["busy"], spent["starved"], spent["blocked"]


def sum_of(one: Stages, other: Stages) -> Stages:
    """Both times together."""
    zero = (0.0, 0.0, 0.0)
    total = {}
    for name in {**one, **other}:
        (a, b, c), (x, y, z) = one.get(name, zero), other.get(name, zero)
        total[name] = (a + x, b + y, c + z)
    return total
