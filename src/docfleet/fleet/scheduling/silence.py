"""Which workers have frozen: they hold work, are in no step, and say nothing.

      assigned, or heard      look           look           look
             |----- half -----|---- half ----|---- half ----|
                              notes what     nothing since  nothing since, twice: frozen
                              was heard      (a worker that was idle before is found one look earlier)

What a step may take has a deadline of its own (see `deadlines`), which begins with the worker's word that the step has
begun. A worker that stops dead between two steps (a debugger, a signal, a deadlock in native code) never gives it. One
that is well has a step under way nearly always, and needs a moment between two of them, however long its pages take: so
silence is measured against a patience that no moment lasts, or the run's timeout if that is longer.

What workers say has no time, so nobody knows since when one has been silent; the looks are as close to each other as
half the patience, so that it is found after half as long again at the latest.
"""

from __future__ import annotations

import heapq
import math

from docfleet.fleet.scheduling.clock import Clock
from docfleet.fleet.scheduling.slots import Worker

_MISSES = 2


class Silence:
    """Looks after the workers that hold work of runs with a timeout."""

    def __init__(self, patience: float, clock: Clock) -> None:
        """`patience`: seconds without a sign that are no reason to worry."""
        self._patience = patience
        self._clock = clock
        self._looks: list[tuple[float, int, Worker]] = []
        """Heap of when to look at whom. Only the entry with the time that the worker has is good."""
        self._pushed = 0

    def watch(self, worker: Worker, timeout: float) -> None:
        """A worker has been given something of a run with this timeout."""
        self._look(worker, self._clock.now + max(self._patience, timeout) / _MISSES)

    def next(self) -> float | None:
        """When to call `due` at the latest; None where nobody is watched."""
        looks = self._looks
        while looks:
            time, _, worker = looks[0]
            if time == worker.look and worker.leases and not (worker.gone or worker.killed):
                return time if time < math.inf else None
            heapq.heappop(looks)
            if time == worker.look:
                worker.look = math.inf
        return None

    def due(self, now: float) -> list[Worker]:
        """Look at whom it is time to look at; those that have frozen, each once."""
        frozen = []
        while (time := self.next()) is not None and time <= now:
            worker = heapq.heappop(self._looks)[2]
            worker.look = math.inf
            patience = self._patience_with(worker)
            if worker.noted != worker.heard or any(lease.step is not None for lease in worker.leases.values()):
                worker.noted, worker.misses = worker.heard, 0
            else:
                worker.misses += 1
            if patience is None:
                continue
            if worker.misses == _MISSES:
                frozen.append(worker)
            else:
                self._look(worker, now + patience / _MISSES)
        return frozen

    def _look(self, worker: Worker, time: float) -> None:
        """At this time, unless it is to be looked at earlier."""
        if time < worker.look:
            worker.look = time
            self._pushed += 1
            heapq.heappush(self._looks, (time, self._pushed, worker))

    def _patience_with(self, worker: Worker) -> float | None:
        """None for a worker that holds nothing of a run with a timeout."""
        timeouts = [lease.batch.run.timeout for lease in worker.leases.values()]
        shortest = min((timeout for timeout in timeouts if timeout is not None), default=None)
        return None if shortest is None else max(self._patience, shortest)
