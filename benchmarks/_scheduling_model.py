"""The real scheduler on simulated workers, in simulated time.

      Assign --> reader: page after page, READ x its compute time --> computer: whole batches, in turn --> finished

A worker reads ahead while it computes, as a worker process does. Opening a document takes as long as reading an average
page. Messages, writing and starting take no time. A page that is recalled while it is being read is read to its end, in
vain, and read again where it goes.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from _scheduling_work import READ, Document, mean_time
from docfleet.fleet.devices import Slot
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Assign, Recall, Start
from docfleet.fleet.tasks import Done, Expanded, Task


@dataclass(frozen=True, slots=True)
class Result:
    """What a simulated run came to."""

    makespan: float
    used_until_empty: float
    """Share of all slots' time that was spent computing, until nothing waited for a worker any more."""
    longest_batch: float
    read_twice: int


@dataclass(eq=False, slots=True)
class _Batch:
    times: dict[int, float]
    unread: set[int]
    started: bool = False


@dataclass(eq=False, slots=True)
class _Worker:
    batches: deque[_Batch] = field(default_factory=deque)
    to_read: deque[tuple[_Batch, int]] = field(default_factory=deque)
    reading: bool = False
    computing_until: float | None = None
    computed: float = 0.0


class Simulation:
    """One run of documents over slots."""

    def __init__(
        self,
        documents: Sequence[Document],
        slots: int,
        *,
        batch_size: int,
        ordered: bool = True,
        window: int | None = None,
        read_ahead: int | None = None,
    ) -> None:
        self._scheduler = (
            Scheduler([Slot("gpu", i) for i in range(slots)])
            if read_ahead is None
            else Scheduler([Slot("gpu", i) for i in range(slots)], read_ahead=read_ahead)
        )
        self._run = self._scheduler.open_run(batch_size=batch_size, ordered=ordered, window=window)
        self._documents = documents
        self._mean = mean_time(documents)
        self._now = 0.0
        self._events: list[tuple[float, int, _Worker, int, _Batch, int | None]] = []
        self._count = 0
        self._workers: dict[int, _Worker] = {}
        self._longest_batch = 0.0
        self._read_twice = 0
        self._used: float | None = None

    def run(self) -> Result:
        """Until everything is delivered."""
        scheduler, run = self._scheduler, self._run
        source = iter(
            Task((i,), i, size=d.hints[0] if d.hints is not None and len(d.times) == 1 else None)
            for i, d in enumerate(self._documents)
        )
        more = True
        self._carry_out()
        while not scheduler.is_over(run):
            while more and (room := scheduler.wants(run)):
                taken = 0
                for task in islice(source, room):
                    scheduler.add(run, task)
                    taken += 1
                if taken < room:
                    more = False
                    scheduler.exhausted(run)
            self._carry_out()
            if self._used is None and not more:
                counts = scheduler.counts(run)
                if counts.queued == counts.untaken == 0:
                    self._used = self._computed() / (self._now * len(self._workers))
            if self._events:
                self._next()
            scheduler.deliver(run)
        scheduler.close_run(run)
        return Result(self._now, self._used or 0.0, self._longest_batch, self._read_twice)

    def _computed(self) -> float:
        return sum(
            worker.computed - max(0.0, (worker.computing_until or 0.0) - self._now) for worker in self._workers.values()
        )

    def _carry_out(self) -> None:
        for command in self._scheduler.commands():
            match command:
                case Start(_, number):
                    self._workers[number] = _Worker()
                    self._scheduler.worker_ready(number)
                case Assign(number, _, tickets, tasks):
                    self._assign(number, tickets, tasks)
                case Recall(number, tickets):
                    self._recall(number, tickets)
                case _:
                    raise AssertionError(command)

    def _assign(self, number: int, tickets: tuple[int, ...], tasks: tuple[Task, ...]) -> None:
        worker = self._workers[number]
        times = {}
        for ticket, task in zip(tickets, tasks, strict=True):
            pages = self._documents[task.payload].times
            # A document of several pages has to be opened first, which tells how many they are.
            opened = len(pages) == 1 or task.part is not None
            times[ticket] = pages[task.part or 0] if opened else -float(task.payload) - 1
        batch = _Batch(times, set(times))
        worker.batches.append(batch)
        worker.to_read.extend((batch, ticket) for ticket in tickets)
        self._read(number, worker)

    def _recall(self, number: int, tickets: tuple[int, ...]) -> None:
        worker = self._workers[number]
        given = []
        for batch in list(worker.batches):
            if batch.started:
                continue
            for ticket in tickets:
                if batch.times.pop(ticket, None) is not None:
                    given.append(ticket)
                    self._read_twice += ticket not in batch.unread
                    batch.unread.discard(ticket)
            if not batch.times:
                worker.batches.remove(batch)
        self._scheduler.recalled(number, given)
        self._compute(number, worker)

    def _at(self, time: float, number: int, worker: _Worker, batch: _Batch, ticket: int | None) -> None:
        self._count += 1
        heapq.heappush(self._events, (time, self._count, worker, number, batch, ticket))

    def _next(self) -> None:
        self._now, _, worker, number, batch, ticket = heapq.heappop(self._events)
        if ticket is None:
            self._computed_batch(number, worker, batch)
        else:
            self._has_read(number, worker, batch, ticket)

    def _read(self, number: int, worker: _Worker) -> None:
        while not worker.reading and worker.to_read:
            batch, ticket = worker.to_read.popleft()
            if ticket in batch.times:
                worker.reading = True
                self._scheduler.reading(number, ticket, self._now)
                time = batch.times[ticket]
                self._at(self._now + READ * (time if time > 0 else self._mean), number, worker, batch, ticket)

    def _has_read(self, number: int, worker: _Worker, batch: _Batch, ticket: int) -> None:
        worker.reading = False
        if ticket in batch.unread:
            batch.unread.discard(ticket)
            time = batch.times[ticket]
            if time > 0:
                self._scheduler.read(number, ticket)
            else:
                del batch.times[ticket]
                if not batch.times:
                    worker.batches.remove(batch)
                document = self._documents[int(-time) - 1]
                self._scheduler.finished(number, ticket, Expanded(range(len(document.times)), document.hints))
        self._compute(number, worker)
        self._read(number, worker)

    def _compute(self, number: int, worker: _Worker) -> None:
        if worker.computing_until is None and worker.batches and not worker.batches[0].unread:
            batch = worker.batches[0]
            batch.started = True
            time = sum(batch.times.values())
            self._longest_batch = max(self._longest_batch, time)
            worker.computed += time
            worker.computing_until = self._now + time
            self._scheduler.computing(number, tuple(batch.times), self._now)
            self._at(worker.computing_until, number, worker, batch, None)

    def _computed_batch(self, number: int, worker: _Worker, batch: _Batch) -> None:
        worker.computing_until = None
        worker.batches.popleft()
        self._scheduler.writing(number, tuple(batch.times), self._now)
        for ticket in batch.times:
            self._scheduler.finished(number, ticket, Done(None))
        self._compute(number, worker)
