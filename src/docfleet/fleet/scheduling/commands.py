"""What the scheduler tells its driver to do, and the snapshots it gives of itself.

A *slot* is a place to compute, numbered as in the sequence the scheduler was made with. A *worker* is one life of a
slot: a process, an actor, a thread. Every start gets a worker number of its own, never used again, so that a message
from a worker that was given up cannot be taken for one of its successor. A *ticket* numbers one task handed to one
worker once, and is never used again either.
"""

from __future__ import annotations

from dataclasses import dataclass

from docfleet.fleet.tasks import Key, Task


@dataclass(frozen=True, slots=True)
class Start:
    """Start a worker. Answer `worker_ready`, `worker_unable` or `worker_died`."""

    slot: int
    worker: int


@dataclass(frozen=True, slots=True)
class Assign:
    """Send a batch to a worker: read its tasks one by one, compute them together, write them one by one.

    A worker takes its batches in the order in which they were assigned, and reads the next while it computes one.
    """

    worker: int
    run: int
    tickets: tuple[int, ...]
    """One number per task: what the worker's messages about it carry."""
    tasks: tuple[Task, ...]


@dataclass(frozen=True, slots=True)
class Recall:
    """Ask a worker to give back what it has not begun to compute. Answer `recalled` with those it gave up, or ()."""

    worker: int
    tickets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker the hard way: it is past a deadline, or frozen. Answer `worker_died` as for any death."""

    worker: int
    tickets: tuple[int, ...]
    """What took too long; all that it holds, if it is frozen."""
    frozen: bool = False
    """It has begun with none of these, and says nothing."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Let a worker go: it holds nothing, and its replacement is ready. No answer; later events of it are ignored."""

    worker: int


@dataclass(frozen=True, slots=True)
class Retired:
    """To know, and to tell: a slot is not used any more. A worker that still holds something finishes it first."""

    slot: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunFailed:
    """No slot is left that could go on with this run. What was not finished has been cancelled."""

    run: int
    reason: str
    """Why each slot was given up, for a person."""


Command = Start | Assign | Recall | Kill | Stop | Retired | RunFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCounts:
    """The books of a run, balanced at every moment:

    `taken == expanded + done + failed + cancelled + queued + assigned` and
    `done + failed + cancelled == delivered + held`.
    """

    taken: int
    """Tasks that came in: those added, and the parts of documents made so far."""
    expanded: int
    """Tasks that turned out to be documents."""
    done: int
    failed: int
    cancelled: int
    delivered: int
    queued: int
    """Waiting for a worker, suspects included."""
    assigned: int
    """With a worker."""
    held: int
    """Finished and not delivered yet."""
    documents: int
    """Expanded tasks whose parts are not all delivered."""
    untaken: int
    """Parts of documents that no task was made of yet; after `cancel` or `drain`, those that none ever will."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotCounts:
    """What a slot has done since the scheduler was made, and does now."""

    name: str
    state: str
    """`starting`, `ready` or `retired`."""
    reason: str
    """Why it was retired; empty while it was not."""
    starts: int
    deaths: int
    tasks: int
    """Attempts that ended in it otherwise than by its death, expansions among them."""
    pages: int
    """Tasks that came to their outcome by one of these, good or bad."""
    batches: int
    """Batches assigned to it."""
    computing: tuple[Key, ...]
    """Tasks that are computed there now."""

    @property
    def restarts(self) -> int:
        """Workers that were started after the first."""
        return max(0, self.starts - 1)
