"""The fleet of processes over workers that sleep: what the simulation leaves out is in it.

simulation    the scheduler, and workers whose messages take no time
here          the scheduler, the supervising thread, sockets, worker processes; reading and computing are sleeps
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from _scheduling_work import READ, documents, mean_time, pages
from docfleet.fleet.devices import Slot
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.tasks import Expanded, Task
from docfleet.fleet.worker import WorkerSpec

_MAKERS = {"pages": pages, "documents": documents}


class Sleeper:
    """Makes the same work as its parent from the same seed; a task's payload says which of it."""

    def __init__(self, options: Mapping[str, Any], slot: Slot) -> None:
        make = _MAKERS[options["make"]]
        self._inputs = make(options["count"], options["sigma"], options["seed"], hints=False)
        self._scale = options["scale"]
        self._opening = READ * mean_time(self._inputs) * self._scale

    def read(self, task: Task) -> Any:
        times = self._inputs[task.payload].times
        if len(times) > 1 and task.part is None:
            time.sleep(self._opening)
            return Expanded(range(len(times)))
        seconds = times[task.part or 0] * self._scale
        time.sleep(READ * seconds)
        return seconds

    def compute(self, items: Sequence[Any]) -> Sequence[Any]:
        time.sleep(sum(items))
        return items

    def write(self, task: Task, value: Any) -> Any:
        return None

    def close(self) -> None:
        pass


def real_makespan(make: str, count: int, sigma: float, seed: int, *, slots: int, batch: int, scale: float) -> float:
    """Seconds from the first task to the last outcome, with all workers ready before; `scale` shortens the work."""
    options = {"make": make, "count": count, "sigma": sigma, "seed": seed, "scale": scale}
    inputs = len(_MAKERS[make](count, sigma, seed, hints=False))
    places = [Slot("cpu", instance=number) for number in range(slots)]
    with ProcessExecutor(WorkerSpec("_scheduling_real:Sleeper", options), places, batch_size=batch) as executor:
        while any(slot.counts.state != "ready" for slot in executor.statistics()):
            time.sleep(0.05)
        time.sleep(1.0)  # Sixteen interpreters that have just started leave the cores to others.
        begun = time.monotonic()
        outcomes = sum(1 for _ in executor.run(Task((number,), number) for number in range(inputs)))
        seconds = time.monotonic() - begun
    if outcomes != count:
        raise RuntimeError(f"{outcomes} outcomes of {count} pages")
    return seconds
