"""Which workers have frozen: they hold work, are in no step, and say nothing.

      assigned, or heard      look           look           look
             |----- half -----|---- half ----|---- half ----|
                              notes what     nothing since  nothing since, twice: frozen
                              was heard

What a step may take has a deadline of its own (see `deadlines`), which begins with the worker's word that the step has
begun. A worker that stops dead between two steps (a debugger, a signal, a deadlock in native code) never gives it. One
that is well has a step under way nearly always, and needs a moment between two of them, however long its pages take: so
silence is measured against a patience that no moment lasts, or the run's timeout if that is longer.

A look that finds nothing new may mean that nobody listened: the parent itself was stopped, or busy. It listens between
two looks, so two in a row mean silence. A worker that has been silent for `patience` is found after half as long again
at the latest.
"""

from __future__ import annotations

import heapq
import math

from docfleet.fleet.scheduling.slots import Worker

_MISSES = 2


class Silence:
    """Looks after the workers that hold work of runs with a timeout."""

    def __init__(self, patience: float) -> None:
        """`patience`: seconds without a sign that are no reason to worry."""
        self._patience = patience
        self._looks: list[tuple[float, int, Worker]] = []
        """Heap of when to look at whom; one entry for each worker that is watched, but the new ones."""
        self._new: list[Worker] = []
        """Watched from the next `due` on: only that knows the time."""
        self._ticked = -math.inf
        self._pushed = 0

    def watch(self, worker: Worker) -> None:
        """A worker has been given something of a run with a timeout."""
        if not worker.watched:
            worker.watched = True
            self._new.append(worker)

    def next(self) -> float | None:
        """When to call `due` at the latest; None where nobody is watched."""
        first = self._looks[0][0] if self._looks else math.inf
        if self._new:
            first = min(first, self._ticked + self._patience / _MISSES)
        return first if first < math.inf else None

    def due(self, now: float) -> list[Worker]:
        """Look at whom it is time to look at; those that have frozen, each once."""
        frozen = []
        while self._looks and self._looks[0][0] <= now:
            worker = heapq.heappop(self._looks)[2]
            if worker.noted != worker.heard or any(lease.step is not None for lease in worker.leases.values()):
                worker.noted, worker.misses = worker.heard, 0
            else:
                worker.misses += 1
            if worker.misses == _MISSES and self._patience_with(worker) is not None:
                worker.watched = False
                frozen.append(worker)
            else:
                self._look_later(worker, now)
        for worker in self._new:
            worker.noted, worker.misses = worker.heard, 0
            self._look_later(worker, now)
        self._new.clear()
        self._ticked = now
        return frozen

    def _look_later(self, worker: Worker, now: float) -> None:
        patience = self._patience_with(worker)
        if patience is None:
            worker.watched = False
            return
        self._pushed += 1
        heapq.heappush(self._looks, (now + patience / _MISSES, self._pushed, worker))

    def _patience_with(self, worker: Worker) -> float | None:
        """None for a worker that has nothing, or nothing of a run with a timeout; or that is gone or to be killed."""
        if worker.gone or worker.killed:
            return None
        timeouts = {lease.batch.run.timeout for lease in worker.leases.values()} - {None}
        return max(self._patience, min(timeout for timeout in timeouts if timeout is not None)) if timeouts else None
