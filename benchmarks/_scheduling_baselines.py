"""How others spread work, in formulas. None of them is charged for reading: each is shown better than it is."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence


def lockstep(times: Sequence[float], slots: int, batch: int) -> float:
    """A batch for every device, then wait for the slowest, then the next round (PaddleX 3.7)."""
    makespan = 0.0
    for start in range(0, len(times), slots * batch):
        chunk = times[start : start + slots * batch]
        makespan += max(sum(chunk[first : first + batch]) for first in range(0, len(chunk), batch))
    return makespan


def shards(times: Sequence[float], slots: int) -> float:
    """As many inputs for every device, dealt out beforehand (marker's chunks)."""
    return max(sum(times[slot::slots]) for slot in range(slots))


def pull(times: Iterable[float], slots: int) -> float:
    """Whoever is free takes the next, in this order."""
    free = [0.0] * slots
    for time in times:
        heapq.heapreplace(free, free[0] + time)
    return max(free)


def batches(times: Sequence[float], batch: int) -> list[float]:
    """Seconds of fixed batches of so many."""
    return [sum(times[first : first + batch]) for first in range(0, len(times), batch)]


def oracle(times: Sequence[float], slots: int) -> float:
    """Whoever is free takes the longest that is left; all times are known, batches are of one page."""
    return pull(sorted(times, reverse=True), slots)
