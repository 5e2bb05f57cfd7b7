"""The backlog of one run: the tasks that wait for a worker, and which of them goes next.

    returned   given back by a worker that died or was recalled: before everything else
    unsized    every second time once nothing more is to come: one of unknown size may be a whole document, as long as
               anything, and opening it leaves nothing to compute
    longest    once nothing more is to come; before that, a task so long that it could outlast all that is in sight
    input      every second time while few parts of documents wait: it may be one, to be opened before it is needed
    near       a further part of the document that the worker has open, unless somebody waits for the oldest
    oldest     the first in order

Longest first is Graham's LPT rule: what takes long is begun while there is still something to put beside it. It needs
only be kept at the end, and before would let an ordered consumer wait. The first batch of a worker goes by order even
then: it would have nothing to compute while the longest of all is read.

Tasks leave the heaps lazily: whoever is no longer QUEUED is dropped when it comes to the top, and a heap is rebuilt
when more than half of it is such.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from typing import TypeVar

from docfleet.fleet.scheduling.order import Document, Node, State
from docfleet.fleet.tasks import Key

_MARGIN = 4.0
"""A task is begun early if so many times its size is what one lane would have to do. More would turn the order of a run
upside down, less would trust hints too much."""
_SLACK = 64

_Entry = TypeVar("_Entry", tuple[Key, Node], tuple[float, Key, Node])


def _size(node: Node) -> float | None:
    """The size, where it is known and makes sense."""
    size = node.task.size
    return size if size is not None and 0 <= size < math.inf else None


class Backlog:
    """The waiting tasks of one run."""

    def __init__(self) -> None:
        self._returned: deque[Node] = deque()
        self._inputs: list[tuple[Key, Node]] = []
        self._parts: list[tuple[Key, Node]] = []
        """Heaps of what came from the source, and of what documents are made of."""
        self._longest: list[tuple[float, Key, Node]] = []
        """Heap of those that have a size, by its negative."""
        self._unsized: list[tuple[Key, Node]] | None = None
        """Heap of those that have none; None as long as no task had one."""
        self._queued_inputs = 0
        self._queued_parts = 0
        self._work = 0.0
        """Sum of the known sizes of what is QUEUED."""
        self._unsized_turn = False
        self._inputs_turn = False
        """Whether it is the turn of what goes every second time. That of inputs comes as soon as parts become few: each
        moment counts then."""

    def __len__(self) -> int:
        return self._queued_inputs + self._queued_parts + len(self._returned)

    def push(self, node: Node) -> None:
        """Add a new task."""
        entry = (node.task.key, node)
        if node.parent is None:
            self._queued_inputs += 1
            self._inputs = _pushed(self._inputs, entry, self._queued_inputs)
        else:
            self._queued_parts += 1
            self._parts = _pushed(self._parts, entry, self._queued_parts)
        queued = self._queued_inputs + self._queued_parts
        size = _size(node)
        if size is not None:
            if self._unsized is None:
                self._unsized = [old for old in (*self._inputs, *self._parts) if old[1] is not node]
                heapq.heapify(self._unsized)
            self._work += size
            self._longest = _pushed(self._longest, (-size, *entry), queued)
        elif self._unsized is not None:
            self._unsized = _pushed(self._unsized, entry, queued)

    def give_back(self, node: Node) -> None:
        """Add a task that was with a worker already."""
        node.state = State.RETURNED
        self._returned.append(node)

    def clear(self) -> None:
        """Forget everything; the states of the nodes are the caller's to change."""
        self._returned.clear()
        self._inputs.clear()
        self._parts.clear()
        self._longest.clear()
        self._unsized = None
        self._queued_inputs = self._queued_parts = 0
        self._work = 0.0

    def take(
        self, most: int, *, lanes: int, ending: bool, few: int, near: Document | None, share: float, first: bool
    ) -> list[Node]:
        """Remove up to `most` tasks, at least one if there is any, for one batch.

        Parts do not wait in a batch for an input that may be opened in vain.

        Args:
            lanes: how many batches can be computed at a time.
            ending: whether nothing more will come.
            few: with fewer parts than this, inputs have every second turn.
            near: the document that the worker has open; None to go by order.
            share: a batch of several sized tasks gets no more than this part of what a lane has to do at all: eight
                long pages together could outlast all the rest.
            first: whether it is the first batch of a worker.
        """
        nodes: list[Node] = []
        most_work = self._work / lanes * share
        work = 0.0
        self._unsized_turn = not self._unsized_turn
        inputs_turn = self._inputs_turn = not self._inputs_turn and self._queued_parts < few
        sizes_count = self._unsized is not None and not first
        while len(nodes) < most:
            node = None
            if sizes_count and not self._returned:
                node = self._by_size(lanes, ending)
            if node is None:
                node = self._by_order(inputs_turn, near)
            if node is None or (nodes and node.parent is None and nodes[0].parent is not None):
                break
            size = _size(node)
            if size is not None:
                work += size
                if nodes and work > most_work:
                    break
            self._remove(node, size)
            nodes.append(node)
            near = node.parent
        return nodes

    def _remove(self, node: Node, size: float | None) -> None:
        if node.state is State.RETURNED:
            self._returned.popleft()
        else:
            if node.parent is None:
                self._queued_inputs -= 1
            else:
                self._queued_parts -= 1
            if size is not None:
                # Exactly 0 when nothing is left: subtracting leaves a little behind.
                self._work = self._work - size if self._queued_inputs or self._queued_parts else 0.0
        node.state = State.ASSIGNED

    def _by_order(self, inputs_turn: bool, near: Document | None) -> Node | None:
        if self._returned:
            return self._returned[0]
        if not self._queued_parts or (inputs_turn and self._queued_inputs):
            return _first(self._inputs)
        if near is not None and (sibling := near.next_queued()) is not None:
            return sibling
        part = _first(self._parts)
        first = _first(self._inputs)
        return first if first is not None and part is not None and first.task.key < part.task.key else part

    def _by_size(self, lanes: int, ending: bool) -> Node | None:
        """What goes next because of its size, or because that is not known; None where the order decides."""
        longest = _first(self._longest)
        if ending:
            unsized = _first(self._unsized or [])
            return unsized if unsized is not None and (self._unsized_turn or longest is None) else longest
        if longest is not None and (longest.task.size or 0.0) * lanes * _MARGIN >= self._work:
            return longest
        return None


def _first(heap: list[_Entry]) -> Node | None:
    """The first that is QUEUED still."""
    while heap and heap[0][-1].state is not State.QUEUED:
        heapq.heappop(heap)
    return heap[0][-1] if heap else None


def _pushed(heap: list[_Entry], entry: _Entry, queued: int) -> list[_Entry]:
    """The heap with one entry more, and without those that have left once they are most of it."""
    heapq.heappush(heap, entry)
    if len(heap) > 2 * queued + _SLACK:
        heap = [each for each in heap if each[-1].state is State.QUEUED]
        heapq.heapify(heap)
    return heap
