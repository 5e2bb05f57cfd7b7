"""Who gets what next: batches to workers, suspects to empty workers, work taken back from those who hoard it.

    hungry    workers that could compute a batch now: served first, in the order in which they became so
    eager     workers that compute, and could read a batch meanwhile
    greedy    workers that could read one more than that; not served when little is left
    hoarders  workers that hold a batch they will not compute next, while nothing waits in any backlog: when somebody is
              hungry, half of their last batch is recalled

Runs take turns batch by batch. A fresh worker gets 1, 2, 4, ... tasks, so that it computes while it reads its first
full batch. A worker on trial (its slot died and has not finished anything since) gets one task at a time and reads
nothing ahead: it must show that it works at what nobody suspects, before it is given suspects again.

Suspects wait for a worker that holds nothing, in another slot than those that died around them, unless no other is
left. If no worker is empty, one is *reserved*: it gets nothing more until it is.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

from docfleet.fleet.scheduling.clock import Clock
from docfleet.fleet.scheduling.commands import Assign, Command, Recall
from docfleet.fleet.scheduling.deadlines import Deadlines
from docfleet.fleet.scheduling.order import Node, State
from docfleet.fleet.scheduling.runs import Run
from docfleet.fleet.scheduling.silence import Silence
from docfleet.fleet.scheduling.slots import QUICK_AHEAD, Appetite, Batch, Kind, Lease, Slot, Step, Worker
from docfleet.fleet.scheduling.suspicion import Group

_RAMP = 6
"""Batches after which a fresh worker gets whatever the run allows."""


class Dispatch:
    """The one place where tasks move to workers and back."""

    def __init__(self, out: list[Command], *, clock: Clock, silence: float) -> None:
        self._out = out
        self.lanes = 0
        """Batches that all usable slots together can compute at a time."""
        self.usable: set[int] = set()
        """Indices of the slots that are not retired."""
        self.deadlines = Deadlines()
        self.silence = Silence(silence, clock)
        self._workers: dict[Worker, None] = {}
        self._by_appetite: list[dict[Worker, None]] = [{} for _ in Appetite]
        self._hungry = self._by_appetite[Appetite.HUNGRY]
        self._eager = self._by_appetite[Appetite.EAGER]
        self._greedy = self._by_appetite[Appetite.GREEDY]
        self._hoarders: dict[Worker, None] = {}
        self._recalls = 0
        """Recalls on behalf of the hungry that are not answered."""
        self._reserved: Worker | None = None
        self._suspects: deque[Group] = deque()
        self._ring: deque[Run] = deque()
        self._ticket = 0

    # Runs and workers come and go.

    def enter(self, run: Run) -> None:
        """Give a run its turns."""
        self._ring.append(run)

    def leave(self, run: Run) -> None:
        """Give a run no more turns; its suspects are forgotten."""
        if run in self._ring:
            self._ring.remove(run)
        if self._suspects:
            self._suspects = deque(group for group in self._suspects if group.run is not run)

    def suspect(self, group: Group) -> None:
        """Put a group in quarantine; of a drained run nothing is begun again."""
        if group.run.drained:
            for node in group.nodes:
                group.run.give_back(node)
            return
        for node in group.nodes:
            node.state = State.SUSPECT
        self._suspects.append(group)

    def drop(self, worker: Worker) -> None:
        """Forget a worker that is gone."""
        worker.gone = True
        for places in (self._workers, self._hoarders, self._by_appetite[worker.appetite]):
            places.pop(worker, None)
        self._recalls -= sum(recall is not None for recall in worker.recalls)
        if self._reserved is worker:
            self._reserved = None

    def place(self, worker: Worker) -> None:
        """Put a worker where it belongs, after anything about it has changed."""
        slot = worker.slot
        load = worker.load
        if not (worker.ready and worker.feeding) or worker.killed or worker.reserved or worker.quarantined:
            appetite = Appetite.NONE
        elif slot.on_trial:
            appetite = Appetite.NONE if worker.open else Appetite.HUNGRY
        elif load >= worker.credit or worker.open >= worker.credit + slot.concurrency:
            appetite = Appetite.NONE
        elif load < slot.concurrency:
            appetite = Appetite.HUNGRY
        elif load == len(worker.waiting):
            # It computes nothing yet, and would read what it gets now only after what it has.
            appetite = Appetite.NONE
        else:
            appetite = Appetite.EAGER if load == slot.concurrency else Appetite.GREEDY
        if appetite is not worker.appetite:
            self._by_appetite[worker.appetite].pop(worker, None)
            worker.appetite = appetite
            self._by_appetite[appetite][worker] = None
        if load > slot.concurrency and not (worker.recalls or worker.killed) and _recallable(worker) is not None:
            self._hoarders[worker] = None
        elif worker in self._hoarders:
            del self._hoarders[worker]

    def quicken(self, worker: Worker, quick: bool) -> None:
        """Let a worker whose tasks are quick hold more of them, or no longer."""
        slot = worker.slot
        worker.credit = max(slot.credit, slot.concurrency + QUICK_AHEAD) if quick else slot.credit
        self.place(worker)

    def welcome(self, worker: Worker) -> None:
        """Begin to give work to a worker that is ready."""
        self._workers[worker] = None
        self.place(worker)

    # Leases: their steps, and their end.

    def begin_reading(self, worker: Worker, ticket: int, now: float) -> None:
        """A worker begins to read something that it holds."""
        lease = worker.leases.get(ticket)
        if lease is not None and lease.step is None:
            timeout = lease.batch.run.timeout
            step = lease.step = Step(worker, Kind.READING, 1, None if timeout is None else now + timeout)
            if timeout is not None:
                self.deadlines.push(step)

    def begin(self, worker: Worker, tickets: Iterable[int], kind: Kind, now: float) -> None:
        """A worker begins to compute or to write some of one batch."""
        held = worker.leases
        leases = [lease for ticket in tickets if (lease := held.get(ticket)) is not None and not lease.written]
        if not leases:
            return
        batch = leases[0].batch
        timeout = batch.run.timeout
        step = Step(worker, kind, len(leases), None if timeout is None else now + timeout * len(leases))
        if timeout is not None:
            self.deadlines.push(step)
        for lease in leases:
            if lease.step is not None:
                self.rest(lease)
            lease.step = step
        worker.waiting.pop(batch, None)
        if kind is Kind.WRITING:
            self._relieve(batch, len(leases))
        else:
            # To the end of the line of hoarders: who has computed the longest goes on the longest, more often than not.
            self._hoarders.pop(worker, None)
            for waiting in worker.waiting:
                waiting.kept = False
            self.place(worker)

    def rest(self, lease: Lease) -> None:
        """Take a lease out of its step, on the way to another or to none."""
        step = lease.step
        if step is not None:
            lease.step = None
            step.left -= 1
            if step.left == 0 and step.deadline is not None and not step.overdue:
                self.deadlines.ended()

    def end(self, lease: Lease) -> None:
        """A lease is over; its worker no longer counts it among its own."""
        batch = lease.batch
        if not lease.written:
            self._relieve(batch, 1)
        self.rest(lease)
        if lease.node is not None:
            lease.node.lease = None
            lease.node = None
            batch.run.assigned -= 1
        batch.left -= 1
        if batch.left == 0:
            worker = batch.worker
            worker.open -= 1
            worker.waiting.pop(batch, None)
            # Leases and batch point at each other; without this they would wait for the garbage collector.
            batch.leases.clear()
            if batch.ladder is not None:
                batch.ladder.became(0)
            worker.quarantined = False
            self.place(worker)

    def _relieve(self, batch: Batch, count: int) -> None:
        """Some leases of a batch need to be computed no more."""
        batch.active -= count
        if batch.active == 0:
            batch.worker.load -= 1
            self.place(batch.worker)

    def recalled(self, worker: Worker, tickets: Iterable[int]) -> None:
        """A worker has answered its oldest recall."""
        leases = [lease for ticket in tickets if (lease := worker.leases.pop(ticket, None)) is not None]
        recall = worker.recalls.popleft() if worker.recalls else None
        if recall is not None:
            self._recalls -= 1
            batch, asked = recall
            # What has ended in the meantime was not kept: the rest of its batch may still be given back.
            batch.kept = not leases and any(ticket in worker.leases for ticket in asked)
        for lease in leases:
            node, run = lease.node, lease.batch.run
            self.end(lease)
            if node is not None:
                run.give_back(node)
        self.place(worker)

    def abandon(self, run: Run) -> None:
        """Let the workers drop what they have not begun to compute for a run that was cancelled or drained."""
        for worker in self._workers:
            tickets = tuple(t for t, lease in worker.leases.items() if lease.batch.run is run and lease.uncomputed)
            if tickets and not worker.killed:
                worker.recalls.append(None)
                self._out.append(Recall(worker.number, tickets))
                self.place(worker)

    # Handing out.

    def hand_out(self) -> None:
        """Give every worker what it has room for."""
        if self._suspects:
            self._isolate()
        elif self._reserved is not None:
            self._release()
        ring = self._ring
        fruitless = 0
        while fruitless < len(ring) and (self._hungry or self._eager or self._greedy):
            run = ring[0]
            ring.rotate(-1)
            left = run.left()
            worker = next(iter(self._hungry)) if self._hungry else next(reversed(self._eager or self._greedy))
            if not run.backlog or (worker.appetite is Appetite.GREEDY and left < 2 * self.lanes):
                fruitless += 1
                continue
            fruitless = 0
            near = worker.near if worker.near_run is run else None
            size = self._batch_size(worker, run, left)
            nodes = run.take(size, lanes=self.lanes, near=near, share=worker.slot.share, first=worker.batches == 0)
            self._assign(worker, run, nodes)
        while len(self._hungry) > self._recalls and self._hoarders:
            self._recall_from(next(iter(self._hoarders)))

    def _batch_size(self, worker: Worker, run: Run, left: float) -> int:
        """How many tasks a worker gets.

        Guided self-scheduling (Polychronopoulos and Kuck, 1987), with half of their batches: once what is left of a run
        is known and less than two rounds, each batch takes one part in `2 * lanes` of it.
        """
        if worker.slot.on_trial:
            return 1
        size = run.batch_size
        if left < 2 * self.lanes * size:
            size = math.ceil(left / (2 * self.lanes))
        if len(self._hungry) > 1:
            size = min(size, math.ceil(len(run.backlog) / len(self._hungry)))
        return min(size, 1 << worker.batches) if worker.batches < _RAMP else size

    def _assign(self, worker: Worker, run: Run, nodes: list[Node], group: Group | None = None) -> None:
        batch = Batch(
            worker,
            run,
            quarantined=group is not None,
            alone=group is not None and len(nodes) == 1,
            ladder=group.ladder if group is not None else None,
        )
        first = self._ticket + 1
        for node in nodes:
            self._ticket += 1
            lease = Lease(self._ticket, node, batch)
            node.state = State.ASSIGNED
            node.lease = worker.leases[self._ticket] = lease
            batch.leases.append(lease)
        batch.left = batch.active = len(nodes)
        run.assigned += len(nodes)
        worker.open += 1
        worker.load += 1
        worker.batches += 1
        worker.waiting[batch] = None
        worker.quarantined = batch.quarantined
        worker.slot.batches += 1
        if run.timeout is not None:
            self.silence.watch(worker, run.timeout)
        if nodes[-1].parent is not None:
            worker.near, worker.near_run = nodes[-1].parent, run
        # To the end of the line, should its appetite be the same.
        self._by_appetite[worker.appetite].pop(worker, None)
        worker.appetite = Appetite.NONE
        self.place(worker)
        tickets = tuple(range(first, self._ticket + 1))
        self._out.append(Assign(worker.number, run.number, tickets, tuple([node.task for node in nodes])))

    def _recall_from(self, worker: Worker) -> None:
        """Take back the later half of the last batch that a worker has not begun to compute."""
        batch = _recallable(worker)
        assert batch is not None
        tickets = [lease.ticket for lease in batch.leases if lease.ticket in worker.leases]
        asked = tuple(tickets[len(tickets) // 2 :])
        worker.recalls.append((batch, asked))
        self._recalls += 1
        self._out.append(Recall(worker.number, asked))
        self.place(worker)

    # Quarantine.

    def _isolate(self) -> None:
        """Give groups of suspects to empty workers; see to it that there will be one."""
        if self._reserved is not None and not (self._reserved.feeding and self._suits(self._reserved.slot)):
            self._release()
        untried = any(run.backlog for run in self._ring)
        for worker in [worker for worker in (self._reserved, *self._hungry) if worker is not None and worker.open == 0]:
            if untried and worker.to_be_tried:
                continue
            group = next((group for group in self._suspects if self._may_take(worker.slot, group)), None)
            if group is None:
                continue
            self._suspects.remove(group)
            if worker is self._reserved:
                self._release()
            self._assign(worker, group.run, group.nodes, group)
        if self._suspects and self._reserved is None:
            candidates = [
                worker
                for worker in self._workers
                if worker.feeding
                and not (worker.killed or worker.quarantined or (untried and worker.to_be_tried))
                and self._suits(worker.slot)
            ]
            if candidates:
                self._reserved = min(candidates, key=lambda worker: (worker.slot.on_trial, worker.load))
                self._reserved.reserved = True
                self.place(self._reserved)

    def _release(self) -> None:
        if self._reserved is not None:
            worker, self._reserved = self._reserved, None
            worker.reserved = False
            self.place(worker)

    def _suits(self, slot: Slot) -> bool:
        return any(self._may_take(slot, group) for group in self._suspects)

    def _may_take(self, slot: Slot, group: Group) -> bool:
        return slot.index not in group.avoid or self.usable <= group.avoid


def _recallable(worker: Worker) -> Batch | None:
    """The last batch that a worker has not begun to compute and would give back, for all that is known."""
    for batch in reversed(worker.waiting):
        if not batch.kept:
            return batch
    return None
