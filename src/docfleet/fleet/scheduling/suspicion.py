"""Whom a worker's end is blamed on.

A death says that one of the tasks being read, computed or written at that moment may have done it, and nothing about
those that waited. So

      reading {5}   computing {1, 2, 3, 4}   waiting {6, 7}        dies
      |             |                        |
      [5]           [1, 2]  [3, 4]           back to the front of the queue

each step's tasks go to quarantine by themselves, halved: a quarantined group runs in a worker that holds nothing else,
if possible in another slot than the one that died. The group that kills again is halved again, until the one that kills
is alone. Only then is the death counted against it:

  * a worker that died with one task under suspicion: one attempt of it; after `max_attempts`, Failed(crash), or
    Failed(memory) if the last death was for memory;
  * a worker past a deadline with one task under suspicion: one attempt; Failed(timeout) if it had hung before, in
    whatever company, or after `max_attempts`. A hang costs its full timeout every time, so two are enough; one is not,
    because a device that hangs on everything would then fail every page it is given, and because a step that is merely
    starved by another (native code that keeps the interpreter lock) looks just the same;
  * a MemoryError reported by a living worker for a task that was alone in it: Failed(memory) at once.

A slot can be at fault as well. Tasks that ended a worker alone and are then finished by another slot are evidence
against the slot: see `lifecycle`.

Memory. A batch that does not fit is halved likewise, and a *ladder* remembers how far down it went. If all its tasks
end well, the size that worked is the run's largest from then on; if one of them does not even fit alone, the task was
the reason and nothing is learned. One size for the run, not one per slot or per size of page: slots of one fleet are
mostly alike, and too small a batch costs little.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docfleet.fleet.scheduling.slots import Batch, Kind, Step, Worker
from docfleet.fleet.tasks import Category, Failure, signal_name

if TYPE_CHECKING:
    from docfleet.fleet.scheduling.order import Node
    from docfleet.fleet.scheduling.runs import Run

HANGS = 2
"""A task that hung so often, the last time alone, has failed."""


class Ladder:
    """A batch that did not fit into memory, and the smaller ones it became."""

    __slots__ = ("_open", "guilty", "run", "rung")

    def __init__(self, run: Run) -> None:
        self.run = run
        self.rung = sys.maxsize
        """Half of the smallest batch that failed: that much is worth a try."""
        self.guilty = False
        """One task did not fit alone."""
        self._open = 1
        run.climb(self)

    def failed(self, size: int) -> None:
        """A batch of this size did not fit."""
        self.rung = min(self.rung, max(1, size // 2))

    def became(self, groups: int) -> None:
        """One of its groups ended, or was split into several."""
        self._open += groups - 1
        if self._open == 0:
            self.run.descend(self)


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Suspects that are run together."""

    run: Run
    nodes: list[Node]
    avoid: frozenset[int] = frozenset()
    """Indices of the slots that died around them: a slot that is itself at fault must not convict them."""
    ladder: Ladder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a worker ended."""

    signal: int | None = None
    exitcode: int | None = None
    memory: bool = False
    """The system ended it for memory, or it was over its budget when it was killed."""
    detail: str = ""
    """Native stack or last words, for the log."""

    def words(self) -> str:
        """For a person."""
        if self.memory:
            return "out of memory"
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)}"
        return "died" if self.exitcode is None else f"exited with status {self.exitcode}"


@dataclass(slots=True)
class Verdict:
    """What becomes of the tasks that a dead worker held."""

    innocent: list[tuple[Run, Node]] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    condemned: list[tuple[Run, Node, Failure]] = field(default_factory=list)
    suspects: int = 0
    """How many were under suspicion, those of cancelled runs included."""


def halves(nodes: list[Node]) -> list[list[Node]]:
    """Two parts of nearly equal size, or the one node."""
    middle = (len(nodes) + 1) // 2
    return [part for part in (nodes[:middle], nodes[middle:]) if part]


def judge(worker: Worker, death: Death) -> Verdict:
    """Sort what a dead worker held. Its leases end here; states and books are the caller's."""
    verdict = Verdict()
    leases = worker.leases.values()
    # What was overdue may have finished between the command and the kill; then nobody is left to suspect.
    spared = worker.killed and not any(lease.step is not None and lease.step.overdue for lease in leases)
    steps: dict[Step, tuple[Batch, list[Node]]] = {}
    groups: dict[Batch, list[list[Node]]] = {}
    for lease in leases:
        node, batch = lease.node, lease.batch
        step = None if spared else lease.step
        verdict.suspects += step is not None
        if node is None:
            continue
        node.lease = lease.node = None
        if step is not None:
            steps.setdefault(step, (batch, []))[1].append(node)
        elif batch.quarantined:
            # Still under its earlier suspicion, but no more than that.
            groups.setdefault(batch, [[]])[0].append(node)
        else:
            verdict.innocent.append((batch.run, node))
    for step, (batch, nodes) in steps.items():
        parts = groups.setdefault(batch, [])
        if death.memory and step.kind is Kind.COMPUTING and step.size > 1:
            batch.ladder = batch.ladder or Ladder(batch.run)
            batch.ladder.failed(step.size)
        for node in nodes:
            node.hangs += step.overdue
        if verdict.suspects == 1:
            failure = _attempt(nodes[0], batch.run, step, death)
            if failure is None:
                parts.append(nodes)
            else:
                verdict.condemned.append((batch.run, nodes[0], failure))
                if batch.ladder is not None and failure.category is Category.MEMORY:
                    batch.ladder.guilty = True
        elif worker.killed and not step.overdue:
            parts.append(nodes)
        else:
            parts.extend(halves(nodes))
    for batch, parts in groups.items():
        for nodes in parts:
            avoid = frozenset((worker.slot.index,)).union(*(node.killed_in for node in nodes))
            verdict.groups.append(Group(batch.run, nodes, avoid, batch.ladder))
        if batch.ladder is not None:
            batch.ladder.became(len(parts))
    return verdict


def _attempt(node: Node, run: Run, step: Step, death: Death) -> Failure | None:
    """Count the end of a worker against the one task under suspicion; its failure if that was the last time."""
    node.attempts += 1
    slot = step.worker.slot
    node.killed_in |= {slot.index}
    last = node.attempts >= run.max_attempts
    if step.overdue:
        if not last and node.hangs < HANGS:
            return None
        category = Category.TIMEOUT
        message = (
            f"{step.kind.value} it took longer than {run.timeout:g} s with nothing else in its worker; "
            "a larger timeout would give it more"
        )
    elif not last:
        return None
    else:
        category = Category.MEMORY if death.memory else Category.CRASH
        times = f"{node.attempts} times, the last time" if node.attempts > 1 else "once"
        message = f"its worker died with nothing else in it {times}: {death.words()}"
    # That a hanging worker was killed in the end is our doing, and says nothing.
    signal = None if step.overdue else death.signal
    return Failure(category, message, death.detail, node.attempts, slot.name, signal)
