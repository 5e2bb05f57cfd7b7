"""The order of one run: what has been taken, what became of it, and what may be delivered next.

      roots     (3,) HELD      (4,) thesis.pdf OPEN               (5,) QUEUED     (6,) ASSIGNED
                                |  taken 3 of 300
                               (4,0) HELD   (4,1) ASSIGNED   (4,2) QUEUED         part 3 is made when there is room

The *head* is the first leaf in order. An ordered run delivers the head as soon as it is held; an unordered one delivers
whatever is held. A *leaf* is a task that has no children: queued, assigned or held.

Room. With W the window, a root is wanted while leaves + documents + untaken parts < W, so the parts of the documents at
hand come before new roots. The next part is always of the first document in order that has one left, and is made while
leaves + inner documents < W. That alone could lock up: the window may be full of finished tasks that wait for a
document at the head, whose parts find no room. So the documents on the path to the head may have up to W children of
their own, whatever lies behind them. It follows that

    leaves + inner documents  <=  W * (1 + number of documents on the path to the head)

because of those that are not children of such a document, the last one made found fewer than W. (Inner documents are
parts that turned out to be documents; documents among the roots number at most W.) And it follows that the head can
always proceed: it is a leaf, or it is a document with no child, which then is the first in order with a part left.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from enum import Enum, auto
from typing import TYPE_CHECKING

from docfleet.fleet.tasks import Expanded, Key, Outcome, Task

if TYPE_CHECKING:
    from docfleet.fleet.scheduling.slots import Lease


class State(Enum):
    """Where a task is; always in exactly one place."""

    QUEUED = auto()
    """In the backlog."""
    RETURNED = auto()
    """In the backlog again, before all that is merely queued: a worker gave it back or died around it."""
    SUSPECT = auto()
    """In quarantine, until a worker is empty."""
    ASSIGNED = auto()
    """With a worker."""
    HELD = auto()
    """Finished, not delivered."""
    OPEN = auto()
    """A document: its parts are the tasks now."""


class Node:
    """One task of a run, from the moment it is taken until it is delivered."""

    __slots__ = ("attempts", "document", "hangs", "killed_in", "lease", "outcome", "parent", "state", "task")

    def __init__(self, task: Task, parent: Document | None) -> None:
        self.task = task
        self.parent = parent
        self.state = State.QUEUED
        self.lease: Lease | None = None
        """What it is with a worker by; None unless ASSIGNED."""
        self.outcome: Outcome | None = None
        self.document: Document | None = None
        self.attempts = 0
        """Times that a worker ended with this task alone under suspicion."""
        self.hangs = 0
        """Times that it was past its deadline, alone or in company."""
        self.killed_in: frozenset[int] = frozenset()
        """Indices of the slots where it ended a worker alone."""


class Document:
    """An expanded task: which parts are tasks already, and which of those are not delivered yet."""

    __slots__ = ("children", "cursor", "expanded", "node", "taken", "total")

    def __init__(self, node: Node, expanded: Expanded) -> None:
        self.node = node
        self.expanded = expanded
        self.total = len(expanded.parts)
        self.taken = 0
        self.children: OrderedDict[int, Node] = OrderedDict()
        self.cursor = 0
        """No child before this index is QUEUED."""

    def next_queued(self) -> Node | None:
        """The first child that waits in the backlog, if there is one."""
        while self.cursor < self.taken:
            child = self.children.get(self.cursor)
            if child is not None and child.state is State.QUEUED:
                return child
            self.cursor += 1
        return None


class Order:
    """The tasks of one run in order, within a window."""

    def __init__(self, *, window: int, ordered: bool) -> None:
        self.window = window
        self.ordered = ordered
        self.leaves = 0
        self.documents = 0
        self.inner = 0
        """Documents that are themselves parts of one."""
        self.untaken = 0
        """Parts of open documents that are not tasks yet."""
        self.held = 0
        self.delivered = 0
        self._roots: OrderedDict[Key, Node] = OrderedDict()
        self._last_key: Key = ()
        self._unfinished: list[tuple[tuple[float, ...], Document]] = []
        """Heap of the documents with parts left, by the place of the next part: an inner one before its parent."""
        self._ready: deque[Node] = deque()
        """Held tasks as they finished; unordered runs only."""

    @property
    def empty(self) -> bool:
        """Whether nothing is left to compute or to deliver."""
        return not self._roots

    def wants(self) -> int:
        """How many more roots there is room for."""
        return max(0, self.window - self.leaves - self.documents - self.untaken)

    def add(self, task: Task) -> Node:
        """Take a root. Raises ValueError if its key does not follow the last one's."""
        if task.key <= self._last_key:
            raise ValueError(f"the keys of a run ascend: {task.key} cannot follow {self._last_key}")
        self._last_key = task.key
        node = self._roots[task.key] = Node(task, None)
        self.leaves += 1
        return node

    def expand(self, node: Node, expanded: Expanded) -> None:
        """Turn a leaf into a document."""
        document = node.document = Document(node, expanded)
        node.state = State.OPEN
        self.leaves -= 1
        self.documents += 1
        if node.parent is not None:
            self.inner += 1
        if document.total == 0:
            self._close(document)
            return
        self.untaken += document.total
        heapq.heappush(self._unfinished, ((*node.task.key, math.inf), document))

    def parts(self) -> Iterator[Node]:
        """Make tasks of parts, in order, while there is room."""
        while self._unfinished:
            document = self._unfinished[0][1]
            if self.leaves + self.inner >= self.window and not (
                len(document.children) < self.window and self._leads_to(document)
            ):
                return
            index = document.taken
            node = Node(document.expanded.child(document.node.task, index), document)
            document.children[index] = node
            document.taken += 1
            self.untaken -= 1
            self.leaves += 1
            if document.taken == document.total:
                heapq.heappop(self._unfinished)
            yield node

    def hold(self, node: Node, outcome: Outcome) -> None:
        """Keep the outcome of a leaf until it is delivered."""
        node.state = State.HELD
        node.outcome = outcome
        self.held += 1
        if not self.ordered:
            self._ready.append(node)

    def deliver(self, limit: int | None) -> list[tuple[Task, Outcome]]:
        """Hand over at most `limit` outcomes: in order as far as they are there, or as they finished."""
        handed: list[tuple[Task, Outcome]] = []
        while limit is None or len(handed) < limit:
            if self.ordered:
                node = self._head()
                if node is None or node.state is not State.HELD:
                    break
            elif self._ready:
                node = self._ready.popleft()
            else:
                break
            assert node.outcome is not None
            handed.append((node.task, node.outcome))
            node.outcome = None
            self.leaves -= 1
            self._remove(node)
        self.held -= len(handed)
        self.delivered += len(handed)
        return handed

    def abandon(self) -> Iterator[Node]:
        """Make no further task of any document; gives every leaf that is not held, in order."""
        for _, document in self._unfinished:
            document.total = document.taken
        unfinished, self._unfinished = self._unfinished, []
        for _, document in sorted(unfinished, key=lambda entry: entry[0]):
            if not document.children and document.node.document is not None:
                self._close(document)
        yield from self._leaves(list(self._roots.values()))

    def _leaves(self, nodes: list[Node]) -> Iterator[Node]:
        for node in nodes:
            if node.document is not None:
                yield from self._leaves(list(node.document.children.values()))
            elif node.state is not State.HELD:
                yield node

    def _head(self) -> Node | None:
        """The first leaf in order; None where a document at the head has no child yet."""
        node = next(iter(self._roots.values()), None)
        while node is not None and node.document is not None:
            node = next(iter(node.document.children.values()), None)
        return node

    def _leads_to(self, document: Document) -> bool:
        """Whether a document is on the path to the head."""
        node = next(iter(self._roots.values()), None)
        while node is not None and node.document is not None:
            if node.document is document:
                return True
            node = next(iter(node.document.children.values()), None)
        return False

    def _remove(self, node: Node) -> None:
        """Forget a node, and every document that has nothing left with it."""
        parent = node.parent
        if parent is None:
            del self._roots[node.task.key]
            return
        del parent.children[node.task.key[-1]]
        if not parent.children and parent.taken == parent.total:
            self._close(parent)

    def _close(self, document: Document) -> None:
        self.documents -= 1
        if document.node.parent is not None:
            self.inner -= 1
        document.node.document = None
        self._remove(document.node)
