"""The scheduler of the fleet: a state machine without I/O, clock, threads or randomness. Events in, commands out.

      driver                      scheduler                                                       workers (one per slot)
      iterator --add(task)------> backlog ------------------Assign(worker, tickets, tasks)------> reading(ticket)
        ^                          (4,) thesis.pdf                                                read(ticket)
        |  wants(run)              (5,) photo.jpg   <-------finished(ticket, Expanded(300))-----  computing(tickets)
        +------------------------  (4, 0) page 0                                                  writing(tickets)
      consumer <--deliver(run)---  held: (4, 1) Done <------finished(ticket, Done | Failed)-----  finished(ticket, ...)

A task is in exactly one place: the source, the backlog, quarantine, with one worker, held, delivered; or it turned out
to be a document, and its parts are the tasks. The parts of this machine, one file each in `docfleet.fleet.scheduling`:

    commands    what comes out, and the books              order       input order, documents, the window, delivery
    runs        one call: options, books                   backlog     which task goes next: longest first
    slots       workers, batches, tickets, credit          dispatch    who gets it: pull, read-ahead, recall, quarantine
    deadlines   when a step is overdue                     suspicion   whom a death is blamed on; memory
    silence     when a worker is frozen                    lifecycle   starting, replacing, giving up
    clock       which time counts                          (this file) events

The driver's loop:

    scheduler = Scheduler(slots)
    run = scheduler.open_run(batch_size=4, timeout=60.0)
    while not scheduler.is_over(run):
        for task in islice(tasks, scheduler.wants(run)): scheduler.add(run, task)     # or exhausted(run) at its end
        for command in scheduler.commands(): ...                                      # carry it out
        for message in wait(until=scheduler.next_deadline()): ...                     # feed it in as an event
        scheduler.tick(now)
        for task, outcome in scheduler.deliver(run, limit): ...                       # as the consumer asks
    scheduler.close_run(run)

Feed the source first and fetch commands afterwards: a source that left room in the window is taken for a slow one, and
what is there is then spread thinly. Events may come in any number between two calls of `commands`. Those of a worker
that is not known (any more), and of tickets that it does not hold (any more), are ignored. Times are seconds on any
clock that never goes back; they matter to deadlines only, so only ticks and the events that start a step carry one.

Guarantees, for every sequence of events:

 1. Every task added ends in exactly one outcome, or expands; `RunCounts` balances at every moment.
 2. An ordered run delivers in the order of keys, children in the place of their parent.
 3. Bounded: with W the window, at most W * (1 + d) tasks that are not delivered, d being how many documents lie
    within each other at the head (0 or 1, unless documents contain documents), and W documents beside them; see
    `order`. A worker holds at most `concurrency + read_ahead` batches that are not computed, and `concurrency` that are
    being written; 8 instead of `read_ahead`, if that is less, while it is said to be quick.
 4. No worker that may compute holds nothing while a task waits in a backlog; where none waits, half of what another
    worker will not compute next is recalled for it. (A worker may not if it is reserved for suspects, or leaves.)
 5. A task that ends its worker is found and fails, and no other task fails because of it. A slot that ends its workers
    whatever they do costs no task, as long as there are fewer of such slots than `max_attempts`, and others.
 6. If every worker either answers or dies in the end, every run ends. One with a timeout ends even if those that hold
    its tasks do neither.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from docfleet.fleet import devices
from docfleet.fleet.scheduling.clock import Clock
from docfleet.fleet.scheduling.commands import Command, Kill, Recall, RunCounts, RunFailed, SlotCounts, Stop
from docfleet.fleet.scheduling.dispatch import Dispatch
from docfleet.fleet.scheduling.lifecycle import Lifecycle
from docfleet.fleet.scheduling.order import Node
from docfleet.fleet.scheduling.runs import Run
from docfleet.fleet.scheduling.slots import Batch, Kind, Slot, Step, Worker
from docfleet.fleet.scheduling.suspicion import Death, Group, Ladder, halves, judge
from docfleet.fleet.tasks import Category, Done, Event, Expanded, Failed, Failure, Key, Outcome, Task


class Scheduler:
    """One fleet of slots, any number of runs at a time."""

    def __init__(self, slots: Sequence[devices.Slot], *, read_ahead: int = 2, silence: float = 10.0) -> None:
        """Begin with a `Start` command for every slot.

        Args:
            slots: the places to compute; `Start.slot` is an index into it. At least one.
            read_ahead: batches that a worker holds beyond those it computes, so that it reads while it computes. One is
                enough where batches are large; with single pages of unequal length two keep it from waiting.
            silence: seconds without a word after which a worker is taken for frozen that holds work of a run with a
                timeout, and has none of it under way; the timeout where that is longer.

        Raises ValueError for no slots or a number out of range.
        """
        if not slots:
            raise ValueError("a scheduler needs at least one slot")
        if read_ahead < 0:
            raise ValueError(f"read_ahead is a number of batches, not {read_ahead}")
        if not silence > 0:
            raise ValueError(f"silence is a number of seconds above 0, not {silence}")
        self._out: list[Command] = []
        self._clock = Clock()
        self._dispatch = Dispatch(self._out, clock=self._clock, silence=silence)
        self._lifecycle = Lifecycle(
            slots, read_ahead=read_ahead, out=self._out, dispatch=self._dispatch, none_left=self._fail_runs
        )
        self._workers = self._lifecycle.workers
        self._runs: dict[int, Run] = {}
        self._opened = 0

    # What the driver asks for.

    def commands(self) -> list[Command]:
        """What is to be done now, in this order. Each command is given once."""
        for run in self._runs.values():
            if run.order.untaken:
                run.admit()
        self._dispatch.hand_out()
        commands = self._out.copy()
        self._out.clear()
        return commands

    def next_deadline(self) -> float | None:
        """When to call `tick` at the latest, before long in any case; None where nothing has a deadline."""
        first, look = self._dispatch.deadlines.next(), self._dispatch.silence.next()
        if first is None or (look is not None and look < first):
            first = look
        return None if first is None else self._clock.deadline(first)

    def slots(self) -> list[SlotCounts]:
        """What each slot has done so far, and computes now."""
        computing: dict[Slot, list[Key]] = {slot: [] for slot in self._lifecycle.slots}
        for worker in self._workers.values():
            computing[worker.slot] += worker.computing()
        return [slot.counts(tuple(keys)) for slot, keys in computing.items()]

    # Runs.

    def open_run(
        self,
        *,
        batch_size: int = 1,
        ordered: bool = True,
        window: int | None = None,
        timeout: float | None = None,
        max_attempts: int = 3,
        expansions: bool = False,
    ) -> int:
        """Begin a run; gives its number.

        Args:
            batch_size: most tasks to compute together.
            ordered: deliver in order of keys; otherwise as they finish.
            window: most tasks taken and not delivered (see guarantee 3). None for
                `max(64, lanes * (64 + 4 * batch_size))`, `lanes` being how many batches all slots can compute at a
                time. An ordered run stops when a task at the head takes longer than the others need to fill the window:
                some 64 average tasks, which the longest of 10,000 exceeds once in a hundred times if the times are
                lognormal with sigma 1. More holds more results in memory meanwhile; unordered runs do not stop.
            timeout: seconds a task may be read, computed or written; a batch of n has n times as much.
            max_attempts: deaths of its worker, alone in it, after which a task has failed.
            expansions: tell of documents too, in `deliver`.

        Raises ValueError for a number out of range.
        """
        if batch_size < 1 or max_attempts < 1 or (window is not None and window < 1):
            raise ValueError("batch_size, window and max_attempts are at least 1")
        if timeout is not None and not timeout > 0:
            raise ValueError(f"timeout is a number of seconds above 0, not {timeout}")
        if window is None:
            window = max(64, self._dispatch.lanes * (64 + 4 * batch_size))
        self._opened += 1
        run = self._runs[self._opened] = Run(
            self._opened,
            batch_size=batch_size,
            ordered=ordered,
            window=window,
            timeout=timeout,
            max_attempts=max_attempts,
            expansions=expansions,
        )
        self._dispatch.enter(run)
        if not self._dispatch.usable:
            self._fail_runs()
        return run.number

    def wants(self, run: int) -> int:
        """How many more tasks the run takes now."""
        state = self._runs[run]
        return 0 if state.exhausted else state.order.wants()

    def add(self, run: int, task: Task) -> None:
        """Take a task from the source, whose key follows that of the last. Ignored after `cancel` and `drain`.

        Raises ValueError for a key out of order, and after `exhausted`.
        """
        state = self._runs[run]
        if state.cancelled or state.drained:
            return
        if state.exhausted:
            raise ValueError(f"run {run} was said to be exhausted")
        state.add(task)

    def exhausted(self, run: int) -> None:
        """The source has no more tasks."""
        self._runs[run].exhausted = True

    def deliver(self, run: int, limit: int | None = None) -> list[Event]:
        """Take finished tasks out of the window, at most `limit`: in order, or as they finished.

        Before them come the documents that tasks have turned out to be meanwhile, if the run tells of those. They come
        as they are found, in ordered runs too: each once, and before any of its parts.
        """
        return self._runs[run].deliver(limit)

    def is_over(self, run: int) -> bool:
        """Whether the source is exhausted and everything is delivered."""
        return self._runs[run].over

    def counts(self, run: int) -> RunCounts:
        """The books of a run."""
        return self._runs[run].counts()

    def cancel(self, run: int, reason: str = "the run was cancelled") -> None:
        """End a run: whatever is not finished becomes Failed(cancelled) and can be delivered, the rest is not taken.

        What workers are computing for it is dropped when it comes back; what they have not begun is recalled. A
        deadline still ends a worker that hangs on it.
        """
        state = self._runs[run]
        if state.cancelled:
            return
        self._dispatch.leave(state)
        state.cancel(reason)
        self._dispatch.abandon(state)

    def drain(self, run: int, reason: str = "the run was ended early") -> None:
        """End a run in good order: what has begun to be computed or written is finished, and nothing else is begun.

        What waits, suspects included, becomes Failed(cancelled) and can be delivered, and so does what workers give
        back: they are asked for all that they have not begun to compute, and what they do not give back they finish.
        So do the tasks of a worker that dies from now on, unless that was their last attempt. Parts of documents that
        are no tasks yet never become any. Ignored after `cancel`, which still may follow.
        """
        state = self._runs[run]
        if state.cancelled or state.drained:
            return
        self._dispatch.leave(state)
        state.drain(reason or "the run was ended early")
        self._dispatch.abandon(state)

    def close_run(self, run: int) -> RunCounts:
        """Forget a run, cancelling what is left of it; its final books."""
        self.cancel(run)
        state = self._runs.pop(run)
        return state.counts()

    # Events: the life of workers.

    def worker_ready(self, worker: int) -> None:
        """A worker has started and said hello."""
        state = self._workers.get(worker)
        if state is not None:
            self._lifecycle.ready(state)

    def worker_unable(self, worker: int, reason: str) -> None:
        """A worker says that it cannot start: its slot is not tried again."""
        state = self._workers.get(worker)
        if state is not None:
            self._lifecycle.unable(state, reason)

    def worker_died(
        self,
        worker: int,
        *,
        signal: int | None = None,
        exitcode: int | None = None,
        memory: bool = False,
        detail: str = "",
    ) -> None:
        """A worker has ended, by itself or because of `Kill`. All messages that it sent have been fed in before.

        Args:
            memory: it was ended by the system for memory, or over its budget when it was killed.
            detail: native stack or last words, for the log.
        """
        # What it was to be told, and was not told yet, reaches nobody.
        self._out[:] = [c for c in self._out if not (isinstance(c, Recall | Kill | Stop) and c.worker == worker)]
        state = self._workers.get(worker)
        if state is None:
            return
        death = Death(signal=signal, exitcode=exitcode, memory=memory, detail=detail)
        verdict = judge(state, death)
        patience = 1
        for lease in state.leases.values():
            self._dispatch.rest(lease)
            run = lease.batch.run
            patience = max(patience, 3 * (run.max_attempts + run.batch_size.bit_length()))
        for run, node in verdict.innocent:
            run.assigned -= 1
            run.give_back(node)
        for group in verdict.groups:
            group.run.assigned -= len(group.nodes)
            self._dispatch.suspect(group)
        for run, node, failure in verdict.condemned:
            run.assigned -= 1
            run.finish(node, Failed(failure))
        self._lifecycle.died(state, death, suspects=verdict.suspects, patience=patience)

    def recycle(self, worker: int, *, drain: bool = True) -> None:
        """Replace a worker, because its memory grew past the limit: the new one starts before the old one leaves.

        Args:
            drain: give the old one no more work from now on; otherwise only once the new one is ready.
        """
        state = self._workers.get(worker)
        if state is not None:
            self._lifecycle.recycle(state, drain=drain)

    def quick(self, worker: int, quick: bool) -> None:
        """The tasks of a worker take less time than it takes to hand them out, or do no longer: its credit follows."""
        state = self._workers.get(worker)
        if state is not None:
            self._dispatch.quicken(state, quick)

    # Events: the work.

    def reading(self, worker: int, ticket: int, now: float) -> None:
        """A worker begins to read a task."""
        state = self._hear(worker)
        if state is not None:
            self._dispatch.begin_reading(state, ticket, self._clock.read(now))

    def read(self, worker: int, ticket: int) -> None:
        """A task has been read, and waits to be computed."""
        state = self._hear(worker)
        lease = state.leases.get(ticket) if state is not None else None
        if lease is not None and lease.step is not None and lease.step.kind is Kind.READING:
            self._dispatch.rest(lease)

    def computing(self, worker: int, tickets: Iterable[int], now: float) -> None:
        """A worker begins to compute tasks of one batch together."""
        state = self._hear(worker)
        if state is not None:
            self._dispatch.begin(state, tickets, Kind.COMPUTING, self._clock.read(now))

    def writing(self, worker: int, tickets: Iterable[int], now: float) -> None:
        """Tasks of one batch have been computed, and are written one after another. Announce them together."""
        state = self._hear(worker)
        if state is not None:
            self._dispatch.begin(state, tickets, Kind.WRITING, self._clock.read(now))

    def finished(self, worker: int, ticket: int, outcome: Outcome | Expanded) -> None:
        """An attempt at a task has ended."""
        state = self._hear(worker)
        lease = state.leases.pop(ticket, None) if state is not None else None
        if state is None or lease is None:
            return
        slot, batch, node = state.slot, lease.batch, lease.node
        slot.tasks += 1
        if batch.ladder is not None and batch.alone and _lacked_memory(outcome):
            batch.ladder.guilty = True
        self._dispatch.end(lease)
        if isinstance(outcome, Done) and (slot.on_trial or not slot.proven or slot.blamed):
            slot.acquit()
            self._dispatch.place(state)
        if node is not None:
            self._settle(state, batch, node, outcome)
        self._emptied(state)

    def out_of_memory(self, worker: int, tickets: Iterable[int]) -> None:
        """Computing these tasks of one batch together ran out of memory; the worker lives and has let go of them."""
        state = self._hear(worker)
        if state is None:
            return
        leases = [lease for ticket in tickets if (lease := state.leases.pop(ticket, None)) is not None]
        if not leases:
            return
        batch = leases[0].batch
        nodes = [lease.node for lease in leases if lease.node is not None]
        ladder, batch.ladder = batch.ladder or Ladder(batch.run), None
        ladder.failed(len(leases))
        parts = halves(nodes)
        ladder.became(len(parts))
        for lease in leases:
            self._dispatch.end(lease)
        self._emptied(state)
        for part in parts:
            self._dispatch.suspect(Group(batch.run, part, ladder=ladder))

    def recalled(self, worker: int, tickets: Iterable[int]) -> None:
        """The answer to a `Recall`: the tasks that the worker has given up, in no step of it any more. May be none."""
        state = self._hear(worker)
        if state is not None:
            self._dispatch.recalled(state, tickets)
            self._emptied(state)

    def tick(self, now: float) -> None:
        """Time has passed: workers past a deadline are killed, and those that have frozen.

        But for the first time after a pause (see `clock`): then the driver has to listen once more before.
        """
        now = self._clock.read(now)
        if not self._clock.fair():
            return
        overdue: dict[Worker, set[Step]] = {}
        for step in self._dispatch.deadlines.due(now):
            overdue.setdefault(step.worker, set()).add(step)
        for worker, steps in overdue.items():
            if worker.killed:
                continue
            worker.killed = True
            tickets = tuple(ticket for ticket, lease in worker.leases.items() if lease.step in steps)
            self._out.append(Kill(worker.number, tickets))
            self._dispatch.place(worker)
        for worker in self._dispatch.silence.due(now):
            worker.killed = worker.frozen = True
            self._out.append(Kill(worker.number, tuple(worker.leases), frozen=True))
            self._dispatch.place(worker)

    # What events come down to.

    def _hear(self, worker: int) -> Worker | None:
        """Note a sign of life."""
        state = self._workers.get(worker)
        if state is not None:
            state.heard += 1
        return state

    def _settle(self, worker: Worker, batch: Batch, node: Node, outcome: Outcome | Expanded) -> None:
        """Decide what the end of an attempt means for the task."""
        run, slot = batch.run, worker.slot
        if isinstance(outcome, Done):
            if node.killed_in:
                for index in node.killed_in - {slot.index}:
                    self._lifecycle.blame(self._lifecycle.slots[index])
            slot.pages += 1
            run.finish(node, outcome)
            return
        if isinstance(outcome, Expanded):
            if outcome.sizes is not None and len(outcome.sizes) != len(outcome.parts):
                message = f"the worker gave {len(outcome.sizes)} sizes for {len(outcome.parts)} parts"
                outcome = Failed(Failure(Category.PIPELINE, message))
            elif run.drained:
                run.give_back(node)
                return
            else:
                run.expand(node, outcome)
                worker.near, worker.near_run = node.document, run
                return
        if _lacked_memory(outcome) and not batch.alone:
            # What else the worker held may have been the reason: once more with nothing beside it.
            self._dispatch.suspect(Group(run, [node]))
            return
        slot.pages += 1
        failure = outcome.failure
        failure = replace(failure, attempts=node.attempts + 1, slot=failure.slot or slot.name)
        run.finish(node, Failed(failure))

    def _emptied(self, worker: Worker) -> None:
        if worker.leaving and worker.open == 0:
            self._lifecycle.emptied(worker)

    def _fail_runs(self) -> None:
        """No slot is left."""
        reason = self._lifecycle.reason()
        for run in self._runs.values():
            if not run.cancelled and not run.over:
                self.cancel(run.number, f"no slot is left: {reason}")
                self._out.append(RunFailed(run.number, reason))


def _lacked_memory(outcome: Outcome | Expanded) -> bool:
    return isinstance(outcome, Failed) and outcome.failure.category is Category.MEMORY
