"""One run: its options, its tasks, its books, and what it has learned about memory."""

from __future__ import annotations

import math

from docfleet.fleet.scheduling.backlog import Backlog
from docfleet.fleet.scheduling.commands import RunCounts
from docfleet.fleet.scheduling.order import Document, Node, Order
from docfleet.fleet.scheduling.suspicion import Ladder
from docfleet.fleet.tasks import Category, Done, Event, Expanded, Failed, Failure, Outcome, Task


class Run:
    """All tasks of one call."""

    def __init__(
        self,
        number: int,
        *,
        batch_size: int,
        ordered: bool,
        window: int,
        timeout: float | None,
        max_attempts: int,
        expansions: bool,
    ) -> None:
        self.number = number
        self.timeout = timeout
        self.max_attempts = max_attempts
        self.order = Order(window=window, ordered=ordered)
        self.backlog = Backlog()
        self.exhausted = False
        self.cancelled = False
        self.drained = ""
        """Why nothing more is begun; empty as long as it is."""
        self.assigned = 0
        self._batch_size = batch_size
        self._ladders: set[Ladder] = set()
        # What the consumer has not been told of; None if it does not want to be.
        self._expansions: list[tuple[Task, Expanded]] | None = [] if expansions else None
        self._taken = 0
        self._expanded = 0
        self._done = 0
        self._failed = 0
        self._cancelled_tasks = 0

    @property
    def over(self) -> bool:
        """Whether every task has been taken and delivered."""
        return self.exhausted and self.order.empty and not self._expansions

    @property
    def batch_size(self) -> int:
        """The largest batch that memory is known to hold."""
        size = self._batch_size
        return min(size, *(ladder.rung for ladder in self._ladders)) if self._ladders else size

    def add(self, task: Task) -> None:
        """Take one task from the source."""
        self._taken += 1
        self.backlog.push(self.order.add(task))

    def admit(self) -> None:
        """Make tasks of the parts of documents, as far as there is room."""
        for node in self.order.parts():
            self._taken += 1
            self.backlog.push(node)

    def expand(self, node: Node, expanded: Expanded) -> None:
        """A task was a document."""
        self._expanded += 1
        self.order.expand(node, expanded)
        if self._expansions is not None:
            self._expansions.append((node.task, expanded))

    def finish(self, node: Node, outcome: Outcome) -> None:
        """A task has its one outcome."""
        if isinstance(outcome, Done):
            self._done += 1
        elif outcome.failure.category is Category.CANCELLED:
            self._cancelled_tasks += 1
        else:
            self._failed += 1
        self.order.hold(node, outcome)

    def deliver(self, limit: int | None) -> list[Event]:
        """Expansions that the consumer has not been told of, and at most `limit` outcomes."""
        delivery: list[Event] = []
        if self._expansions:
            delivery += self._expansions
            self._expansions.clear()
        delivery += self.order.deliver(limit)
        return delivery

    def give_back(self, node: Node) -> None:
        """A worker no longer holds a task, through no fault of the task."""
        if self.drained:
            self._end_unbegun(node, self.drained)
        else:
            self.backlog.give_back(node)

    def drain(self, reason: str) -> None:
        """Whatever is not with a worker ends as cancelled; what is given back from now on does too."""
        self.exhausted = True
        self.drained = reason
        for node in self.order.abandon():
            if node.lease is None:
                self._end_unbegun(node, reason)
        self.backlog.clear()

    def cancel(self, reason: str) -> None:
        """Whatever is not finished ends as cancelled; workers that are busy with some of it no longer know what for."""
        self.cancelled = self.exhausted = True
        for node in self.order.abandon():
            if node.lease is not None:
                node.lease.node = None
                node.lease = None
                self.assigned -= 1
            self._end_unbegun(node, reason)
        self.backlog.clear()

    def _end_unbegun(self, node: Node, reason: str) -> None:
        self.finish(node, Failed(Failure(Category.CANCELLED, reason, attempts=node.attempts)))

    def take(self, most: int, *, lanes: int, near: Document | None, share: float, first: bool) -> list[Node]:
        """Tasks for the next batch, as of `Backlog.take`."""
        order = self.order
        if order.ordered and 2 * order.held >= order.window:
            # Half of the window is finished and waits for what comes before it.
            near = None
        ending = self.exhausted and order.untaken == 0
        return self.backlog.take(most, lanes=lanes, ending=ending, few=2 * lanes, near=near, share=share, first=first)

    def left(self) -> float:
        """How many tasks are left to assign; infinite while nobody knows.

        A source that has not filled the window counts as ended: it is slow, and what is there is to be shared out.
        """
        if not self.exhausted and self.order.wants() == 0:
            return math.inf
        return len(self.backlog) + self.order.untaken

    def climb(self, ladder: Ladder) -> None:
        """A batch did not fit into memory; its halves are tried."""
        self._ladders.add(ladder)

    def descend(self, ladder: Ladder) -> None:
        """All tasks of a batch that did not fit have ended: remember the size that did, unless a task was at fault."""
        self._ladders.discard(ladder)
        if not ladder.guilty:
            self._batch_size = min(self._batch_size, ladder.rung)

    def counts(self) -> RunCounts:
        """The books as they stand."""
        order = self.order
        return RunCounts(
            taken=self._taken,
            expanded=self._expanded,
            done=self._done,
            failed=self._failed,
            cancelled=self._cancelled_tasks,
            delivered=order.delivered,
            queued=order.leaves - order.held - self.assigned,
            assigned=self.assigned,
            held=order.held,
            documents=order.documents,
            untaken=order.untaken,
        )
