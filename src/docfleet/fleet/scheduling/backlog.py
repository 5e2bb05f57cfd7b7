"""The backlog of one run: the tasks that wait for a worker, and which of them goes next.

    returned   given back by a worker that died or was recalled: before everything else
    longest    once nothing more is to come; before that, a task so long that it could outlast all that is in sight
    input      every second time while few parts of documents wait: it may be one, to be opened before it is needed
    near       a further part of the document that the worker has open, unless somebody waits for the oldest
    oldest     the first in order

Longest first is Graham's LPT rule: what takes long is begun while there is still something to put beside it. It needs
only be kept at the end, and before would let an ordered consumer wait. A task of unknown size may be a whole document:
it counts as the longest of all.

Tasks leave the heaps lazily: whoever is no longer QUEUED is dropped when it comes to the top, and a heap is rebuilt
when more than half of it is such.
"""

from __future__ import annotations

import heapq
import math
from collections import deque

from docfleet.fleet.scheduling.order import Document, Node, State
from docfleet.fleet.tasks import Key

_MARGIN = 4.0
"""A task is begun early if so many times its size is what one lane would have to do. More would turn the order of a run
upside down, less would trust hints too much."""
_UNSIZED = -math.inf
_SLACK = 64


def _rank(node: Node) -> float:
    """Lowest is longest: the negative size, where that is known and makes sense."""
    size = node.task.size
    return -size if size is not None and 0 <= size < math.inf else _UNSIZED


class Backlog:
    """The waiting tasks of one run."""

    def __init__(self) -> None:
        self._returned: deque[Node] = deque()
        self._inputs: list[tuple[Key, Node]] = []
        self._parts: list[tuple[Key, Node]] = []
        """Heaps of what came from the source, and of what documents are made of."""
        self._longest: list[tuple[float, Key, Node]] | None = None
        """All of them by rank; None as long as no task had a size."""
        self._queued_inputs = 0
        self._queued_parts = 0
        self._work = 0.0
        """Sum of the known sizes of what is QUEUED."""
        self._turn = False
        """Whether it is an input's turn."""

    def __len__(self) -> int:
        return self._queued_inputs + self._queued_parts + len(self._returned)

    def push(self, node: Node) -> None:
        """Add a new task."""
        key = node.task.key
        rank = _rank(node)
        if node.parent is None:
            heapq.heappush(self._inputs, (key, node))
            self._queued_inputs += 1
            if len(self._inputs) > 2 * self._queued_inputs + _SLACK:
                self._inputs = _queued(self._inputs)
        else:
            heapq.heappush(self._parts, (key, node))
            self._queued_parts += 1
            if len(self._parts) > 2 * self._queued_parts + _SLACK:
                self._parts = _queued(self._parts)
        if self._longest is None:
            if rank == _UNSIZED:
                return
            self._longest = [(_UNSIZED, *old) for old in (*self._inputs, *self._parts) if old[1] is not node]
            heapq.heapify(self._longest)
        heapq.heappush(self._longest, (rank, key, node))
        if rank != _UNSIZED:
            self._work -= rank
        if len(self._longest) > 2 * (self._queued_inputs + self._queued_parts) + _SLACK:
            self._longest = [entry for entry in self._longest if entry[2].state is State.QUEUED]
            heapq.heapify(self._longest)

    def give_back(self, node: Node) -> None:
        """Add a task that was with a worker already."""
        node.state = State.RETURNED
        self._returned.append(node)

    def clear(self) -> None:
        """Forget everything; the states of the nodes are the caller's to change."""
        self._returned.clear()
        self._inputs.clear()
        self._parts.clear()
        self._longest = None
        self._queued_inputs = self._queued_parts = 0
        self._work = 0.0

    def take(self, most: int, *, lanes: int, ending: bool, few: int, near: Document | None) -> list[Node]:
        """Remove up to `most` tasks, at least one if there is any, for one batch.

        A batch of several sized tasks gets no more than half of what a lane has to do at all: the eight longest pages
        together could outlast all the rest. Parts do not wait in a batch for an input that may be opened in vain.

        Args:
            lanes: how many batches can be computed at a time.
            ending: whether nothing more will come.
            few: with fewer parts than this, inputs have every second turn.
            near: the document that the worker has open; None to go by order.
        """
        nodes: list[Node] = []
        most_work = self._work / (2 * lanes)
        work = 0.0
        self._turn = not self._turn and self._queued_parts < few
        turn = self._turn
        while len(nodes) < most:
            node = self._peek(lanes, ending, turn, near)
            if node is None or (nodes and node.parent is None and nodes[0].parent is not None):
                break
            rank = _rank(node)
            if rank != _UNSIZED:
                work -= rank
                if nodes and work > most_work:
                    break
            self._remove(node, rank)
            nodes.append(node)
            near = node.parent
        return nodes

    def _remove(self, node: Node, rank: float) -> None:
        if node.state is State.RETURNED:
            self._returned.popleft()
        else:
            if node.parent is None:
                self._queued_inputs -= 1
            else:
                self._queued_parts -= 1
            if rank != _UNSIZED:
                # Exactly 0 when nothing is left: subtracting leaves a little behind.
                self._work = self._work + rank if self._queued_inputs or self._queued_parts else 0.0
        node.state = State.ASSIGNED

    def _peek(self, lanes: int, ending: bool, turn: bool, near: Document | None) -> Node | None:
        if self._returned:
            return self._returned[0]
        if not self._queued_inputs and not self._queued_parts:
            return None
        longest = self._longest
        if longest is not None:
            while longest[0][2].state is not State.QUEUED:
                heapq.heappop(longest)
            rank, _, node = longest[0]
            if ending or (rank != _UNSIZED and -rank * lanes * _MARGIN >= self._work):
                return node
        if not self._queued_parts or (turn and self._queued_inputs):
            return _first(self._inputs)
        if near is not None and (sibling := near.next_queued()) is not None:
            return sibling
        part = _first(self._parts)
        if self._queued_inputs:
            first = _first(self._inputs)
            return first if first.task.key < part.task.key else part
        return part


def _first(heap: list[tuple[Key, Node]]) -> Node:
    while heap[0][1].state is not State.QUEUED:
        heapq.heappop(heap)
    return heap[0][1]


def _queued(heap: list[tuple[Key, Node]]) -> list[tuple[Key, Node]]:
    left = [entry for entry in heap if entry[1].state is State.QUEUED]
    heapq.heapify(left)
    return left
