"""What the scheduler knows of slots, of the workers in them, and of what each worker holds.

      Slot gpu:1#0
        worker 7    batch  waiting      [ticket 41 READING] [42]            the next one is read while ...
                    batch  computing    [38 COMPUTING] [39 COMPUTING]       ... this one is computed ...
                    batch  writing      [37 WRITING]                        ... and the last one written
        spare 9     starting: takes over from 7 when it is ready

A *step* is what a worker does to some tickets at a time: reading one, computing a few together, writing them. The
tickets of steps are what a death can be blamed on; a ticket outside of any step waits, and is innocent.

Credit. A worker holds at most `concurrency + read_ahead` batches that are not being written, and at most `concurrency`
more that are. It is *hungry* with fewer than `concurrency` of the first kind; with more it gets further ones only while
it computes. On trial its credit is one batch (of one task: see dispatch). While its tasks are quick it is larger: so
that worker and driver deal with several at a time, instead of waking each other up for each.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from enum import Enum, IntEnum, auto
from typing import TYPE_CHECKING

from docfleet.fleet import devices
from docfleet.fleet.scheduling.commands import SlotCounts
from docfleet.fleet.scheduling.order import Document, Node
from docfleet.fleet.tasks import Key

if TYPE_CHECKING:
    from docfleet.fleet.scheduling.runs import Run
    from docfleet.fleet.scheduling.suspicion import Ladder


QUICK_AHEAD = 8
"""Batches that a worker with quick tasks may hold beyond those it computes. With more, little is gained; and when one
of them takes long after all, the others wait behind it until somebody is hungry and they are recalled."""


class Kind(Enum):
    """What is being done."""

    READING = "reading"
    COMPUTING = "computing"
    WRITING = "writing"


class Step:
    """Some tickets that are being read, computed or written together in one worker."""

    __slots__ = ("deadline", "kind", "left", "overdue", "size", "worker")

    def __init__(self, worker: Worker, kind: Kind, size: int, deadline: float | None) -> None:
        self.worker = worker
        self.kind = kind
        self.size = size
        self.left = size
        """How many of them are still in it."""
        self.deadline = deadline
        self.overdue = False


class Lease:
    """One task with one worker."""

    __slots__ = ("batch", "node", "step", "ticket")

    def __init__(self, ticket: int, node: Node, batch: Batch) -> None:
        self.ticket = ticket
        self.node: Node | None = node
        """None once the run was cancelled: the worker is busy with it, nobody waits for it."""
        self.batch = batch
        self.step: Step | None = None

    @property
    def uncomputed(self) -> bool:
        """Whether the worker may still give it back."""
        return self.step is None or self.step.kind is Kind.READING

    @property
    def written(self) -> bool:
        """Whether it has been computed and is being written."""
        return self.step is not None and self.step.kind is Kind.WRITING


class Batch:
    """Tasks assigned together."""

    __slots__ = ("active", "alone", "kept", "ladder", "leases", "left", "quarantined", "run", "worker")

    def __init__(self, worker: Worker, run: Run, *, quarantined: bool, alone: bool, ladder: Ladder | None) -> None:
        self.worker = worker
        self.run = run
        self.leases: list[Lease] = []
        self.left = 0
        """Leases that have not ended."""
        self.active = 0
        """Leases that have not ended and are not being written."""
        self.quarantined = quarantined
        """Nothing else is in its worker while it is."""
        self.alone = alone
        """One task, quarantined: what happens to the worker now is its doing."""
        self.ladder = ladder
        self.kept = False
        """The worker did not give it back when asked; no use asking again before it computes the next."""


class Worker:
    """One life of a slot."""

    __slots__ = (
        "appetite", "batches", "credit", "feeding", "frozen", "gone", "heard", "irreplaceable", "killed", "leases",
        "leaving", "load", "look", "misses", "near", "near_run", "noted", "number", "open", "quarantined", "ready",
        "recalls", "reserved", "slot", "waiting",
    )  # fmt: skip

    def __init__(self, number: int, slot: Slot) -> None:
        self.number = number
        self.slot = slot
        self.ready = False
        self.feeding = True
        """Whether it may get more work."""
        self.irreplaceable = False
        """Its replacement could not start beside it; trying again and again would not help."""
        self.leaving = False
        """To be stopped when it holds nothing."""
        self.killed = False
        """It is past a deadline, or frozen; its death is on the way."""
        self.frozen = False
        """It was silent with work to do, and in no step."""
        self.gone = False
        self.reserved = False
        """Gets nothing until it is empty, and then suspects."""
        self.quarantined = False
        """Holds suspects, and nothing else."""
        self.credit = slot.credit
        """Batches that it may hold and that are not just being written."""
        self.leases: dict[int, Lease] = {}
        self.open = 0
        """Batches that it holds."""
        self.load = 0
        """Batches that it holds and that are not just being written."""
        self.waiting: dict[Batch, None] = {}
        """Batches of which nothing has been computed yet, oldest first."""
        self.recalls: deque[tuple[Batch, tuple[int, ...]] | None] = deque()
        """Recalls that it has not answered, with what was asked for; None for those of a run that was ended."""
        self.batches = 0
        self.near: Document | None = None
        """The document that it has open."""
        self.near_run: Run | None = None
        self.appetite = Appetite.NONE
        self.heard = 0
        """Signs of life."""
        # For `silence`: when to look at it, what it had heard then, and how often in a row that was nothing new.
        self.look = math.inf
        self.noted = 0
        self.misses = 0

    def computing(self) -> Iterator[Key]:
        """The tasks that it computes, but for those that nobody waits for any more."""
        for lease in self.leases.values():
            if lease.node is not None and lease.step is not None and lease.step.kind is Kind.COMPUTING:
                yield lease.node.task.key

    @property
    def to_be_tried(self) -> bool:
        """Whether it should be given something that nobody suspects before it is given suspects."""
        return self.slot.on_trial and self.batches == 0


class Appetite(IntEnum):
    """What a worker would do with another batch."""

    NONE = 0
    HUNGRY = auto()
    """Compute it."""
    EAGER = auto()
    """Read it while it computes."""
    GREEDY = auto()
    """Read it too, while it computes."""


class Slot:
    """A place to compute, through all its workers."""

    def __init__(self, index: int, slot: devices.Slot, read_ahead: int) -> None:
        self.index = index
        self.name = slot.name
        self.concurrency = slot.concurrency
        self.credit = slot.concurrency + read_ahead
        self.share = min(1 / 3, self.concurrency / self.credit)
        """Of what is left of a run, which a batch may be: all that a worker holds is to be no more than its part."""
        self.worker: Worker | None = None
        self.spare: Worker | None = None
        """Warms up to replace the worker."""
        self.retired = False
        self.reason = ""
        self.starts = 0
        self.deaths = 0
        self.tasks = 0
        self.pages = 0
        self.batches = 0
        self.proven = False
        """It has finished something, ever."""
        self.on_trial = False
        """It died and has not finished anything since."""
        self.false_starts = 0
        """Deaths before ready, in a row."""
        self.idle_deaths = 0
        """Deaths that no task can be blamed for, since it last finished something."""
        self.task_deaths = 0
        """Deaths with suspects, since it last finished something."""
        self.blamed = 0
        """Tasks that ended a worker here and were then finished elsewhere, since it last finished something."""

    def counts(self, computing: tuple[Key, ...]) -> SlotCounts:
        """What it has done so far, and computes now."""
        ready = self.worker is not None and self.worker.ready
        return SlotCounts(
            name=self.name,
            state="retired" if self.retired else "ready" if ready else "starting",
            reason=self.reason,
            starts=self.starts,
            deaths=self.deaths,
            tasks=self.tasks,
            pages=self.pages,
            batches=self.batches,
            computing=computing,
        )

    def acquit(self) -> None:
        """It has finished something: what it died of before was not its own fault."""
        self.proven = True
        self.on_trial = False
        self.false_starts = self.idle_deaths = self.task_deaths = self.blamed = 0
