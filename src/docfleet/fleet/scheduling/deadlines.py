"""When which step is overdue.

Entries end lazily: they are dropped when they come first, or all at once when more than half of them have ended. What
is being read has deadlines that ascend, as long as all runs have the same timeout: those wait in a line. All others,
few since they are one or two per batch, wait in a heap.
"""

from __future__ import annotations

import heapq
from collections import deque

from docfleet.fleet.scheduling.slots import Kind, Step

_SLACK = 64


class Deadlines:
    """The steps that have one. Whoever takes the last ticket out of such a step calls `ended`."""

    def __init__(self) -> None:
        self._line: deque[tuple[float, Step]] = deque()
        self._heap: list[tuple[float, int, Step]] = []
        self._pushed = 0
        self._ended = 0

    def push(self, step: Step) -> None:
        """Watch a step that has a deadline."""
        deadline = step.deadline
        assert deadline is not None
        line = self._line
        if step.kind is Kind.READING and (not line or line[-1][0] <= deadline):
            line.append((deadline, step))
        else:
            self._pushed += 1
            heapq.heappush(self._heap, (deadline, self._pushed, step))

    def ended(self) -> None:
        """A watched step has no ticket left."""
        self._ended += 1
        if 2 * self._ended > len(self._heap) + len(self._line) + _SLACK:
            self._line = deque(entry for entry in self._line if _runs(entry[1]))
            self._heap = [entry for entry in self._heap if _runs(entry[2])]
            heapq.heapify(self._heap)
            self._ended = 0

    def next(self) -> float | None:
        """The earliest deadline; None where there is none."""
        heap, line = self._heap, self._line
        while heap and not _runs(heap[0][2]):
            heapq.heappop(heap)
            self._ended -= 1
        while line and not _runs(line[0][1]):
            line.popleft()
            self._ended -= 1
        if heap and line:
            return min(heap[0][0], line[0][0])
        if heap:
            return heap[0][0]
        return line[0][0] if line else None

    def due(self, now: float) -> list[Step]:
        """The steps whose deadline has passed; each is given once."""
        steps = []
        while (deadline := self.next()) is not None and deadline <= now:
            first = self._heap and self._heap[0][0] == deadline
            step = heapq.heappop(self._heap)[2] if first else self._line.popleft()[1]
            step.overdue = True
            steps.append(step)
        return steps


def _runs(step: Step) -> bool:
    return step.left > 0 and not step.overdue
