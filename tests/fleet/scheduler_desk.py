"""A scheduler on the table, with workers that start at once and do only what the test says."""

from __future__ import annotations

from collections.abc import Iterable
from signal import SIGSEGV
from typing import Any

from docfleet.fleet.devices import Slot
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Assign, Command, RunCounts, Start
from docfleet.fleet.tasks import Done, Expanded, Failed, Failure, Key, Outcome, Task


def keys(assign: Assign) -> list[Key]:
    """Which tasks a batch has."""
    return [task.key for task in assign.tasks]


class Desk:
    """One run on some slots."""

    def __init__(
        self,
        slots: int = 1,
        *,
        read_ahead: int = 0,
        concurrency: int = 1,
        silence: float = 1e9,
        ready: bool = True,
        **options: Any,
    ) -> None:
        places = [Slot("gpu", index, concurrency=concurrency) for index in range(slots)]
        self.scheduler = Scheduler(places, read_ahead=read_ahead, silence=silence)
        self.scheduler.tick(0.0)
        self.run = self.scheduler.open_run(**options)
        self.added = 0
        self.now = 0.0
        self.worker_of: dict[int, int] = {}
        """Slot to the worker that was started last."""
        if ready:
            self.start()

    def start(self) -> None:
        """Fetch the commands, and let every worker be ready that is to be started."""
        for command in self.scheduler.commands():
            assert isinstance(command, Start)
            self.worker_of[command.slot] = command.worker
            self.scheduler.worker_ready(command.worker)

    def add(self, count: int, *, sizes: Iterable[float] | None = None, more: bool = False) -> None:
        """Add so many tasks; the source ends with them unless there is more."""
        for _, size in zip(range(count), sizes if sizes is not None else [None] * count, strict=True):
            self.scheduler.add(self.run, Task((self.added,), f"input {self.added}", size=size))
            self.added += 1
        if not more:
            self.scheduler.exhausted(self.run)

    def commands(self) -> list[Command]:
        return self.scheduler.commands()

    def assigns(self) -> list[Assign]:
        """Fetch the commands; there is nothing but batches."""
        commands = self.scheduler.commands()
        assert all(isinstance(command, Assign) for command in commands), commands
        return commands  # type: ignore[return-value]

    def assign(self) -> Assign:
        """Fetch the commands; there is nothing but one batch."""
        [assign] = self.assigns()
        return assign

    def wait(self, until: float) -> None:
        """Time passes, and the scheduler is told as often as it asks for."""
        while (due := self.scheduler.next_deadline()) is not None and due < until:
            self.scheduler.tick(due)
        self.now = until
        self.scheduler.tick(until)

    def read(self, *assigns: Assign) -> None:
        for assign in assigns:
            for ticket in assign.tickets:
                self.scheduler.reading(assign.worker, ticket, self.now)
                self.scheduler.read(assign.worker, ticket)

    def compute(self, assign: Assign) -> None:
        """Read all, and begin to compute."""
        self.read(assign)
        self.scheduler.computing(assign.worker, assign.tickets, self.now)

    def ahead(self) -> list[Assign]:
        """One batch that is being computed, and those that are read ahead of it, of the only worker."""
        first = self.assign()
        self.compute(first)
        return [first, *self.assigns()]

    def finish(self, *assigns: Assign, value: Any = None) -> None:
        """Read, compute and write all of these batches; every task is done."""
        for assign in assigns:
            self.compute(assign)
            self.scheduler.writing(assign.worker, assign.tickets, self.now)
            for ticket in assign.tickets:
                self.scheduler.finished(assign.worker, ticket, Done(value))

    def expand(self, assign: Assign, parts: int, sizes: list[float] | None = None) -> None:
        """The only task of a batch is a document."""
        [ticket] = assign.tickets
        self.scheduler.reading(assign.worker, ticket, self.now)
        self.scheduler.finished(assign.worker, ticket, Expanded(range(parts), sizes))

    def die(self, assign: Assign, **how: Any) -> int:
        """A worker dies and its replacement starts; the replacement."""
        self.scheduler.worker_died(assign.worker, **({"signal": SIGSEGV} | how))
        [start] = [command for command in self.scheduler.commands() if isinstance(command, Start)]
        self.scheduler.worker_ready(start.worker)
        return start.worker

    def warm(self, batch_size: int) -> Assign:
        """Finish batches until the only worker gets a full one, and holds nothing else."""
        while len((assign := self.assign()).tasks) < batch_size:
            self.finish(assign)
        return assign

    def finish_all(self, most: int = 10_000) -> list[tuple[Key, Outcome]]:
        """Go on without trouble until the run is over; what is delivered meanwhile."""
        delivered = []
        for _ in range(most):
            for command in self.scheduler.commands():
                if isinstance(command, Start):
                    self.scheduler.worker_ready(command.worker)
                elif isinstance(command, Assign):
                    self.finish(command)
            delivered += self.deliver()
            if self.scheduler.is_over(self.run):
                return delivered
        raise AssertionError("it does not end")

    def deliver(self, limit: int | None = None) -> list[tuple[Key, Outcome]]:
        return [(task.key, outcome) for task, outcome in self.scheduler.deliver(self.run, limit)]

    def delivered_keys(self) -> list[Key]:
        return [key for key, _ in self.deliver()]

    def failure(self) -> Failure:
        """Of the one outcome that is there."""
        [(_, outcome)] = self.deliver()
        assert isinstance(outcome, Failed)
        return outcome.failure

    @property
    def counts(self) -> RunCounts:
        return self.scheduler.counts(self.run)
