"""A driver and workers for the scheduler, without processes and without time.

A `Fleet` carries out commands, lets workers read, compute, write, die and hang one step at a time in an order drawn
from a seed, and checks every promise as it goes. What a task does to its worker is written in its payload: a `Fate`, or
a tuple of such for a document.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any

from docfleet.fleet.devices import Slot
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Assign, Kill, Recall, RunFailed, Start, Stop
from docfleet.fleet.scheduling.slots import QUICK_AHEAD
from docfleet.fleet.tasks import Category, Done, Expanded, Failed, Failure, Key, Task
from tests.fleet.scheduler_promises import check_books, check_nobody_starves, check_outcomes
from tests.fleet.scheduler_scenarios import TIMEOUT, Fate, Health, Plan, Scenario, depth_of, fate_of


@dataclass
class Holding:
    """A batch in a worker: its tickets, and what is being done to each."""

    run: int
    tasks: dict[int, Task]
    doing: dict[int, str] = field(default_factory=dict)
    deadline: dict[int, float] = field(default_factory=dict)
    kept: bool = False
    """Nothing of it was given back when it was asked for."""

    def begin(self, tickets: list[int], what: str, now: float) -> None:
        for ticket in tickets:
            self.doing[ticket] = what
            self.deadline[ticket] = now + TIMEOUT * len(tickets)


class FakeWorker:
    def __init__(self, number: int, slot: int, read_ahead: int) -> None:
        self.number = number
        self.slot = slot
        self.ready = False
        self.quick = False
        self.ahead = read_ahead
        """Batches that it may hold beyond those it computes, at most: it may have been quick and be so no longer."""
        self.batches: list[Holding] = []
        self.recalls: deque[tuple[int, ...]] = deque()
        self.frozen = False
        self.late = False
        """Past a deadline or frozen, as the scheduler knows."""
        self.killed = False
        """And the command to kill it has been given."""

    def active(self) -> list[tuple[Holding, int]]:
        """What a death would be blamed on."""
        return [
            (batch, ticket)
            for batch in self.batches
            for ticket, doing in batch.doing.items()
            if doing in ("reading", "computing", "writing")
        ]


class Fleet:
    """Driver, source, consumer and workers."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self.rng = random.Random(scenario.seed)
        slots = [Slot("cpu", instance=i, concurrency=scenario.concurrency) for i in range(len(scenario.healths))]
        self.scheduler = Scheduler(slots, read_ahead=scenario.read_ahead)
        self.workers: dict[int, FakeWorker] = {}
        self.now = 0.0
        self.steps = 0
        self.accidents = scenario.accidents
        self.recycles = scenario.recycles
        self.freezes = scenario.freezes
        self.pauses = scenario.pauses
        self.plans: dict[int, Plan] = {}
        self.depths: dict[int, int] = {}
        self.sources: dict[int, deque[Task]] = {}
        self.delivered: dict[int, list[tuple[Key, Any]]] = {}
        self.failed: dict[int, str] = {}
        self.documents: dict[int, list[Key]] = {}
        """Those that the consumer was told of; of runs that tell."""
        self.cancelled: set[int] = set()
        self.drained: set[int] = set()
        self.begun: set[tuple[int, Key]] = set()
        """What was computed or written when its run was drained, and has to be finished."""
        self.alone: Counter[tuple[int, Key]] = Counter()
        """Deaths with this task alone under suspicion, as seen from outside."""
        self.hung: Counter[tuple[int, Key]] = Counter()
        self.company: dict[tuple[int, Key], int] = {}
        """Suspects, and how many they were together."""
        for plan in scenario.plans:
            expansions = self.rng.random() < 0.5
            run = self.scheduler.open_run(
                batch_size=plan.batch_size,
                ordered=plan.ordered,
                window=plan.window,
                timeout=TIMEOUT,
                max_attempts=plan.max_attempts,
                expansions=expansions,
            )
            self.plans[run] = plan
            if expansions:
                self.documents[run] = []
            self.sources[run] = deque(
                Task((i,), fate, size=self.rng.choice([None, 1.0, 5.0]) if plan.sized else None)
                for i, fate in enumerate(plan.roots)
            )
            self.delivered[run] = []
            self.depths[run] = max(map(depth_of, plan.roots), default=0)

    # The driver.

    def run(self) -> None:
        open_runs = set(self.plans)
        idle = 0
        while open_runs:
            self.steps += 1
            assert self.steps < 50_000, "it does not end"
            idle = 0 if self.step() else idle + 1
            if idle > 3 * len(self.workers):
                # Nothing moves but the clock: whatever is being done now hangs.
                if not any(self.moves_of(worker) for worker in self.workers.values()):
                    self.let_time_pass()
                idle = 0
            for run, plan in self.plans.items():
                if plan.cancel_after == self.steps and run in open_runs:
                    self.scheduler.cancel(run)
                    self.cancelled.add(run)
                if plan.drain_after == self.steps and run in open_runs:
                    self.drain(run)
            if self.rng.random() < 0.8:
                self.carry_out()
            for run in list(open_runs):
                check_books(self, run)
                if self.scheduler.is_over(run):
                    open_runs.remove(run)
                    self.carry_out()
                    check_outcomes(self, run)

    def step(self) -> bool:
        """Something happens; False if nobody had anything to do."""
        rng = self.rng
        if not self.workers or rng.random() < 0.2:
            rng.choice((self.feed, self.deliver))()
            return False
        if self.accidents and rng.random() < 0.02:
            self.accident()
        if self.recycles and rng.random() < 0.02:
            self.recycle()
        if self.freezes and rng.random() < 0.1:
            self.freeze()
        if self.workers and rng.random() < 0.02:
            self.change_pace()
        if self.pauses and rng.random() < 0.02:
            self.pause()
        worker = rng.choice(list(self.workers.values())) if self.workers else None
        moves = self.moves_of(worker) if worker is not None else []
        if moves:
            rng.choice(moves)(worker)
        return bool(moves)

    def feed(self) -> None:
        run = self.rng.choice(list(self.sources))
        source = self.sources[run]
        for _ in range(self.rng.randint(0, self.scheduler.wants(run))):
            if source:
                self.scheduler.add(run, source.popleft())
        if not source:
            self.scheduler.exhausted(run)

    def deliver(self) -> None:
        run = self.rng.choice(list(self.delivered))
        if self.rng.random() < self.scenario.patience:
            return
        for task, outcome in self.scheduler.deliver(run, self.rng.choice([None, 1, 3])):
            if isinstance(outcome, Expanded):
                assert not any(key[: len(task.key)] == task.key for key, _ in self.delivered[run]), "before its parts"
                self.documents[run].append(task.key)
            else:
                self.delivered[run].append((task.key, outcome))

    def drain(self, run: int) -> None:
        self.scheduler.drain(run)
        if run not in self.cancelled and run not in self.failed:
            self.drained.add(run)
            for worker in self.workers.values():
                self.begun |= {
                    (run, batch.tasks[ticket].key)
                    for batch, ticket in worker.active()
                    if batch.run == run and batch.doing[ticket] != "reading"
                }

    def let_time_pass(self) -> None:
        """Until somebody is late."""
        late = sum(worker.late for worker in self.workers.values())
        while sum(worker.late for worker in self.workers.values()) == late:
            deadline = self.scheduler.next_deadline()
            if deadline is None:
                return
            self.now = max(self.now, deadline)
            self.tick()

    def tick(self) -> None:
        self.scheduler.tick(self.now)
        for worker in self.workers.values():
            due = any(batch.deadline[ticket] <= self.now for batch, ticket in worker.active())
            late = self.scheduler._workers[worker.number].killed
            if late and not worker.late:
                assert due or worker.frozen, "nobody is ended who is in time"
            worker.late = late

    def pause(self) -> None:
        """Everything stops: the driver does not come by, and what workers do takes so much longer."""
        self.pauses -= 1
        self.now += 500.0
        for worker in self.workers.values():
            for batch in worker.batches:
                batch.deadline = {ticket: deadline + 500.0 for ticket, deadline in batch.deadline.items()}
        # A second pause at once would count.
        self.tick()
        self.tick()

    def change_pace(self) -> None:
        """The tasks of a worker become quick, or slow."""
        worker = self.rng.choice(list(self.workers.values()))
        worker.quick = not worker.quick
        worker.ahead = max(worker.ahead, QUICK_AHEAD)
        self.scheduler.quick(worker.number, worker.quick)

    def freeze(self) -> None:
        """A worker stops dead that holds work and does nothing with it."""
        idle = [w for w in self.workers.values() if w.batches and not w.active() and not w.late and not w.frozen]
        if idle:
            self.freezes -= 1
            self.rng.choice(idle).frozen = True

    def carry_out(self) -> None:
        commands = self.scheduler.commands()
        for command in commands:
            match command:
                case Start(slot, worker):
                    assert worker not in self.workers
                    self.workers[worker] = FakeWorker(worker, slot, self.scenario.read_ahead)
                case Assign(worker, run, tickets, tasks):
                    self.assign(self.workers[worker], run, tickets, tasks)
                case Recall(worker, tickets):
                    assert tickets
                    self.workers[worker].recalls.append(tickets)
                case Kill(worker, tickets):
                    assert tickets
                    self.workers[worker].killed = True
                case Stop(worker):
                    assert not self.workers.pop(worker).batches
                case RunFailed(run, reason):
                    self.failed[run] = reason
                    self.sources[run].clear()
        check_nobody_starves(self)

    # Workers.

    def assign(self, worker: FakeWorker, run: int, tickets: tuple[int, ...], tasks: tuple[Task, ...]) -> None:
        assert worker.ready
        assert not worker.killed
        plan = self.plans[run]
        assert run not in self.cancelled | self.drained
        assert not worker.late
        assert 1 <= len(tasks) <= plan.batch_size
        suspects = [(run, task.key) for task in tasks if (run, task.key) in self.company]
        if suspects:
            assert len(suspects) == len(tasks), "suspects are not mixed with others"
            assert not worker.batches, "suspects run in a worker that holds nothing else"
            for suspect in suspects:
                assert len(tasks) <= self.company[suspect]
        for other in worker.batches:
            assert not any((other.run, task.key) in self.company for task in other.tasks.values()), "nothing joins them"
        worker.batches.append(Holding(run, dict(zip(tickets, tasks, strict=True)), dict.fromkeys(tickets, "sent")))
        concurrency = self.scenario.concurrency
        computing = [b for b in worker.batches if any(doing != "writing" for doing in b.doing.values())]
        assert len(computing) <= concurrency + worker.ahead
        assert len(worker.batches) <= 2 * concurrency + worker.ahead

    def moves_of(self, worker: FakeWorker) -> list[Any]:
        """What a worker could do next."""
        if not worker.ready:
            return [self.start]
        if worker.killed:
            return [self.die]
        if worker.frozen:
            return []
        moves: list[Any] = []
        if worker.recalls:
            moves.append(self.answer)
        doing = [(batch, ticket, what) for batch in worker.batches for ticket, what in batch.doing.items()]
        reading = [ticket for _, ticket, what in doing if what == "reading"]
        if any(what == "sent" for _, _, what in doing) and len(reading) < self.scenario.concurrency:
            moves.append(self.begin_reading)
        if any(fate_of(b.tasks[t]) is not Fate.HANGS_READING for b, t, what in doing if what == "reading"):
            moves.append(self.end_reading)
        computing = [batch for batch in worker.batches if "computing" in batch.doing.values()]
        if len(computing) < self.scenario.concurrency and self.computable(worker):
            moves.append(self.begin_computing)
        if any(self.ends_computing(batch) for batch in computing):
            moves.append(self.end_computing)
        if any(fate_of(b.tasks[t]) is not Fate.HANGS_WRITING for b, t, what in doing if what == "writing"):
            moves.append(self.end_writing)
        return moves

    def computable(self, worker: FakeWorker) -> list[Holding]:
        return [b for b in worker.batches if b.doing and all(what == "read" for what in b.doing.values())]

    def ends_computing(self, batch: Holding) -> bool:
        return all(
            fate_of(batch.tasks[t]) is not Fate.HANGS_COMPUTING for t, d in batch.doing.items() if d == "computing"
        )

    def start(self, worker: FakeWorker) -> None:
        health = self.scenario.healths[worker.slot]
        if health is Health.UNABLE:
            del self.workers[worker.number]
            self.scheduler.worker_unable(worker.number, "no such device")
        elif health is Health.STILLBORN:
            del self.workers[worker.number]
            self.scheduler.worker_died(worker.number, signal=6)
        else:
            worker.ready = True
            self.scheduler.worker_ready(worker.number)

    def answer(self, worker: FakeWorker) -> None:
        asked = worker.recalls.popleft()
        given = []
        for batch in list(worker.batches):
            batch.kept = batch.kept or any(ticket in batch.doing for ticket in asked)
            for ticket in [t for t in asked if batch.doing.get(t) in ("sent", "reading", "read")]:
                if self.rng.random() < 0.9:
                    given.append(ticket)
                    batch.kept = False
                    self.drop(worker, batch, ticket)
        self.scheduler.recalled(worker.number, given)

    def begin_reading(self, worker: FakeWorker) -> None:
        batch, ticket = next((b, t) for b in worker.batches for t, what in b.doing.items() if what == "sent")
        batch.begin([ticket], "reading", self.now)
        self.scheduler.reading(worker.number, ticket, self.now)

    def end_reading(self, worker: FakeWorker) -> None:
        batch, ticket = next(
            (b, t)
            for b in worker.batches
            for t, what in b.doing.items()
            if what == "reading" and fate_of(b.tasks[t]) is not Fate.HANGS_READING
        )
        fate = fate_of(batch.tasks[ticket])
        if fate is Fate.KILLS_READING:
            self.die(worker)
        elif isinstance(fate, tuple):
            self.finish(worker, batch, ticket, Expanded(fate))
        else:
            batch.doing[ticket] = "read"
            self.scheduler.read(worker.number, ticket)

    def begin_computing(self, worker: FakeWorker) -> None:
        batch = self.computable(worker)[0]
        batch.begin(list(batch.doing), "computing", self.now)
        for other in worker.batches:
            other.kept = False
        self.scheduler.computing(worker.number, list(batch.doing), self.now)

    def end_computing(self, worker: FakeWorker) -> None:
        batch = next(b for b in worker.batches if "computing" in b.doing.values() and self.ends_computing(b))
        tickets = [ticket for ticket, what in batch.doing.items() if what == "computing"]
        fates = [fate_of(batch.tasks[ticket]) for ticket in tickets]
        limit = self.scenario.memory_limit
        if Fate.KILLS_COMPUTING in fates or self.scenario.healths[worker.slot] is Health.BROKEN:
            self.die(worker)
        elif len(tickets) > 1 and (Fate.TOO_BIG in fates or (limit is not None and len(tickets) > limit)):
            for ticket in tickets:
                key = (batch.run, batch.tasks[ticket].key)
                self.company[key] = (len(tickets) + 1) // 2
                self.begun.discard(key)
                self.drop(worker, batch, ticket)
            self.scheduler.out_of_memory(worker.number, tickets)
        else:
            good = []
            for ticket, fate in zip(tickets, fates, strict=True):
                if fate is Fate.FAILS:
                    self.finish(worker, batch, ticket, Failed(Failure(Category.PIPELINE, "no")))
                elif fate is Fate.TOO_BIG:
                    self.company[batch.run, batch.tasks[ticket].key] = 1
                    self.begun.discard((batch.run, batch.tasks[ticket].key))
                    self.finish(worker, batch, ticket, Failed(Failure(Category.MEMORY, "no")))
                else:
                    good.append(ticket)
            batch.begin(good, "writing", self.now)
            self.scheduler.writing(worker.number, good, self.now)

    def end_writing(self, worker: FakeWorker) -> None:
        batch, ticket = self.rng.choice(
            [
                (b, t)
                for b in worker.batches
                for t, what in b.doing.items()
                if what == "writing" and fate_of(b.tasks[t]) is not Fate.HANGS_WRITING
            ]
        )
        if fate_of(batch.tasks[ticket]) is Fate.KILLS_WRITING:
            self.die(worker)
        else:
            self.finish(worker, batch, ticket, Done(batch.tasks[ticket].key))

    def finish(self, worker: FakeWorker, batch: Holding, ticket: int, outcome: Any) -> None:
        if not isinstance(outcome, Failed):
            self.company.pop((batch.run, batch.tasks[ticket].key), None)
        self.drop(worker, batch, ticket)
        self.scheduler.finished(worker.number, ticket, outcome)

    def drop(self, worker: FakeWorker, batch: Holding, ticket: int) -> None:
        del batch.doing[ticket]
        if not batch.doing:
            worker.batches.remove(batch)

    def die(self, worker: FakeWorker, **how: Any) -> None:
        active = worker.active()
        self.begun -= {(batch.run, batch.tasks[ticket].key) for batch, ticket in active}
        overdue = {ticket for batch, ticket in active if worker.late and batch.deadline[ticket] <= self.now}
        if not worker.late or overdue:
            groups = Counter((id(batch), batch.doing[ticket]) for batch, ticket in active)
            for batch, ticket in active:
                key = (batch.run, batch.tasks[ticket].key)
                self.company[key] = groups[id(batch), batch.doing[ticket]]
                if len(active) == 1:
                    self.alone[key] += 1
                self.hung[key] += ticket in overdue
        del self.workers[worker.number]
        self.scheduler.worker_died(worker.number, signal=11, **how)

    def accident(self) -> None:
        ready = [worker for worker in self.workers.values() if worker.ready]
        if ready:
            self.accidents -= 1
            self.die(self.rng.choice(ready), memory=self.rng.random() < 0.3)

    def recycle(self) -> None:
        if self.workers:
            self.recycles -= 1
            self.scheduler.recycle(self.rng.choice(list(self.workers)), drain=self.rng.random() < 0.5)
