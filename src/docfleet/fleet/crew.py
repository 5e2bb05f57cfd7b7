"""The worker processes of a fleet, in the hands of the supervising thread.

      commands --obey--> Start: a process   Assign, Recall, Stop: a message   Kill: a signal
      events   <------   what workers say, that they died, that they are late, that they grew

Each worker lives through phases:

      GREETING --Hello--> BUILDING --Ready--> READY --Stop, Kill, death--> gone
         |  too late         |  too late, CannotStart       |
         +-------------------+------------------------------+--> DISMISSED: its death is no news

Whatever a worker does, nothing here waits for it: not for its hello, not for room in its socket, not even for its death
after a SIGKILL, which a driver can hold up for ever.
"""

from __future__ import annotations

import logging
import math
import selectors
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any, assert_never

from docfleet.errors import StartError
from docfleet.fleet import messages, wire
from docfleet.fleet.board import Lookout, Stage
from docfleet.fleet.devices import Slot
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Assign, Command, Kill, Recall, Retired, RunFailed, Start, Stop
from docfleet.fleet.statistics import Stages, sum_of
from docfleet.fleet.supervision import OomWatch, WorkerProcess, relog, working_folder
from docfleet.fleet.tasks import Failed, Task, failure_of
from docfleet.fleet.worker import WorkerSpec

_LOG = logging.getLogger(__name__)

_SAMPLE_S = 1.0
_QUICK = 16
"""A worker is quick from half of this score on. A blank page among others does not make it so, nor does it stop being
so when one step was merely interrupted."""
_READS_PER_TURN = 8
"""Of one worker's socket, before the others have their turn."""

Event = tuple[Callable[..., None], tuple[Any, ...]]
"""A method of the scheduler and its arguments, to be called with the lock held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait for a worker, in seconds."""

    hello: float = 60.0
    """For a fresh interpreter to say hello: a tenth of a second, or many on a slow network file system."""
    start: float = 1800.0
    """For the instance to be built: weights may have to be fetched."""
    leave: float = 5.0
    """For the step under way when it is told to stop; then it is killed."""
    silence: float = 10.0
    """For a word from a worker that has work of a run with a timeout and has begun none of it, or the timeout where
    that is longer; then it is taken for frozen, and killed."""


class _Phase(Enum):
    GREETING = auto()
    """Started; has not said hello."""
    BUILDING = auto()
    READY = auto()
    DISMISSED = auto()
    """Its death will be no news: told to stop, killed for being late, or unable to start."""


@dataclass(slots=True, eq=False)
class _Life:
    """One worker process and what the supervising thread knows about it."""

    number: int
    slot_index: int
    process: WorkerProcess
    phase: _Phase
    lookout: Lookout
    deadline: float = math.inf
    """When its phase must be over."""
    writing: bool = False
    """Whether the selector waits for room in its socket."""
    listening: bool = True
    """Whether the selector waits for its messages."""
    quick: int = 0
    """One more for each task of which no step was worth a message, half for each that was; `_QUICK` at most."""
    held: int = 0
    """Tasks that it has been given and has not answered for."""
    stages: Stages = field(default_factory=dict)


class Crew:
    """All worker processes. Used by the supervising thread alone, but for `snapshot`.

    The scheduler is not touched here: what there is to tell it is put into `events`.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        slots: Sequence[Slot],
        *,
        scheduler: Scheduler,
        selector: selectors.BaseSelector,
        patience: Patience,
    ) -> None:
        self.events: list[Event] = []
        self.news = False
        """Whether any of the events is more than an announcement: then a consumer may have got something."""
        self.computing = scheduler.computing
        """The event after which a worker may be given more."""
        self._spec = spec
        self._slots = list(slots)
        self._scheduler = scheduler
        self._selector = selector
        self._patience = patience
        # Remembered, so that a worker that is replaced later starts where the first one did.
        self._cwd = working_folder()
        self._lives: dict[int, _Life] = {}
        # Those with something in the outbox that nobody has tried to send yet.
        self._addressed: dict[_Life, None] = {}
        self._past_stages: dict[int, Stages] = {}
        self._logs: list[tuple[messages.Log, str]] = []
        self._oom = OomWatch()
        self._sampled = time.monotonic()
        self._limited = any(slot.memory_limit is not None for slot in slots)
        # Nothing needs to be done about any life before this time, so that not every turn has to go through them all.
        self._due = -math.inf

    def __len__(self) -> int:
        return len(self._lives)

    def handle(self, data: Any, mask: int) -> None:
        """React to what the selector has found; `data` is what was registered with it."""
        life, handler = data
        # Its death may have been seen to in this very round.
        if life.number in self._lives:
            handler(life, mask)

    def relog(self) -> None:
        """Log what workers have logged. Apart, because somebody else's handlers run in it."""
        logs, self._logs = self._logs, []
        for message, slot in logs:
            relog(message, slot)

    def snapshot(self, slot_index: int) -> tuple[Stages, int]:
        """How a slot's workers have spent their time, and the resident bytes of the present one. From any thread."""
        stages, resident = dict(self._past_stages.get(slot_index, {})), 0
        for life in list(self._lives.values()):
            if life.slot_index == slot_index:
                stages, resident = sum_of(stages, life.stages), life.process.reported_resident
        return stages, resident

    def dismiss_all(self, now: float) -> None:
        """Tell every worker to leave."""
        for life in self._lives.values():
            if life.phase is not _Phase.DISMISSED:
                self._dismiss(life, now)

    def kill_all(self) -> None:
        """Without waiting for their deaths."""
        for life in self._lives.values():
            life.process.kill()

    def bury_all(self) -> None:
        """Kill what is left and release what was held for it; for when the supervising thread itself fails."""
        self.kill_all()
        for life in self._lives.values():
            life.process.death(self._oom)
        self._lives.clear()

    def _tell(self, event: Callable[..., None], *arguments: Any) -> None:
        self.events.append((event, arguments))
        self.news = True

    def timeout(self, deadline: float | None) -> float | None:
        """Seconds until something is due, the scheduler's `deadline` included; None if nothing is."""
        due = self._due if deadline is None else min(self._due, deadline)
        return None if due == math.inf else max(0.0, due - time.monotonic())

    # Commands.

    def obey(self, command: Command, now: float) -> None:
        match command:
            case Assign(worker, _, tickets, tasks):
                self._assign(worker, tickets, tasks)
            case Start(slot, worker):
                self._start(slot, worker, now)
            case Recall(worker, tickets):
                self._send(worker, messages.Recall(list(tickets)))
            case Kill(worker, _, frozen):
                life = self._lives.get(worker)
                if life is not None:
                    what = "stands still between two pages" if frozen else "takes too long"
                    _LOG.warning("%s %s: worker %d is replaced", life.process.slot.name, what, life.process.pid)
                    life.process.kill()
                    self._allow(life, now + self._patience.leave)
            case Stop(worker):
                if worker in self._lives:
                    self._dismiss(self._lives[worker], now)
            case Retired(slot, reason):
                _LOG.warning("%s is not used any more: %s", self._slots[slot].name, reason)
            case RunFailed():
                pass  # Seen to by _fetch_commands.
            case _:
                assert_never(command)

    def _start(self, slot_index: int, number: int, now: float) -> None:
        try:
            process = WorkerProcess.start(self._spec, self._slots[slot_index], cwd=self._cwd)
        except StartError as error:
            self._tell(self._scheduler.worker_unable, number, str(error))
            return
        life = _Life(number, slot_index, process, _Phase.GREETING, Lookout(process.board))
        self._lives[number] = life
        self._allow(life, now + self._patience.hello)
        self._selector.register(process.channel, selectors.EVENT_READ, (life, self._on_channel))
        self._selector.register(process.output, selectors.EVENT_READ, (life, self._on_output))
        self._selector.register(process.sentinel, selectors.EVENT_READ, (life, self._on_death))
        self._flush(life)

    def _assign(self, number: int, tickets: Sequence[int], tasks: Sequence[Task]) -> None:
        """Send a batch; a task that cannot travel fails alone."""
        assigned = []
        for ticket, task in zip(tickets, tasks, strict=True):
            try:
                assigned.append(messages.task_message(ticket, task))
            except TypeError as error:
                self._tell(self._scheduler.finished, number, ticket, Failed(failure_of(error)))
        try:
            if assigned:
                self._send(number, messages.Assign(assigned), tasks=len(assigned))
        except TypeError as error:
            for message in assigned:
                self._tell(self._scheduler.finished, number, message.ticket, Failed(failure_of(error)))

    def _send(self, number: int, message: messages.ToWorker, *, tasks: int = 0) -> None:
        """Put a message into a worker's outbox; `tasks` is how many it brings."""
        life = self._lives.get(number)
        # A worker that has died in between is news that the scheduler gets before long.
        if life is not None and life.listening:
            life.process.channel.post([message])
            life.held += tasks
            self._addressed[life] = None

    def send(self, now: float) -> None:
        """Send what is in the outboxes: several batches of a worker go together."""
        for life in self._addressed:
            if life.listening:
                self._flush(life)
                self._mind(life, now)
        self._addressed.clear()

    def _flush(self, life: _Life) -> None:
        try:
            done = life.process.channel.flush()
        except OSError:
            return  # It is dying; its sentinel tells.
        if done == life.writing:
            life.writing = not done
            events = selectors.EVENT_READ | (0 if done else selectors.EVENT_WRITE)
            self._selector.modify(life.process.channel, events, (life, self._on_channel))

    def _dismiss(self, life: _Life, now: float) -> None:
        """Let a worker go, and see that it does."""
        ready = life.phase is _Phase.READY
        life.phase = _Phase.DISMISSED
        if ready:
            self._send(life.number, messages.Stop())
        else:
            life.process.kill()
        self._allow(life, now + self._patience.leave)

    def _allow(self, life: _Life, deadline: float) -> None:
        """Give a life until then to get on."""
        life.deadline = deadline
        self._due = min(self._due, deadline)

    def _mind(self, life: _Life, now: float) -> None:
        """Something has been said to a worker, or by it: look at its board if nothing is said for a while."""
        life.lookout.heard(now, working=life.held > 0)
        if life.lookout.due < self._due:
            self._due = life.lookout.due

    # Events.

    def _on_channel(self, life: _Life, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._flush(life)
        if mask & selectors.EVENT_READ:
            self._listen(life)

    def _listen(self, life: _Life, *, to_the_end: bool = False) -> bool:
        """Take in what a worker says, some of it; a worker that makes no sense, or hangs up, is ended.

        True if there may be more.
        """
        channel = life.process.channel
        try:
            for _ in range(_READS_PER_TURN):
                received = channel.receive()
                now = time.monotonic()
                for message in received:
                    self._hear(life, message, now)
                if channel.drained and not to_the_end:
                    break
            self._mind(life, now)
            return True
        except BlockingIOError:
            pass
        except (EOFError, OSError):
            self._deafen(life)
            life.process.end()
        except wire.WireError as error:
            _LOG.error("%s: worker %d breaks the protocol: %s", life.process.slot.name, life.process.pid, error)
            life.process.fault = f"it broke the protocol: {error}"
            self._deafen(life)
            life.process.kill()
        return False

    def _deafen(self, life: _Life) -> None:
        if life.listening:
            life.listening = False
            self._selector.unregister(life.process.channel)

    def _hear(self, life: _Life, message: messages.ToParent, now: float) -> None:
        scheduler, number = self._scheduler, life.number
        match message:
            case messages.Finished(ticket):
                life.held -= 1
                if message.untold:
                    self._quicken(life)
                    self.events.append((self.computing, (number, (ticket,), now)))
                self._tell(scheduler.finished, number, ticket, message.attempt())
            case messages.Computing(tickets):
                self._slow_down(life)
                self.events.append((self.computing, (number, tickets, now)))
            case messages.Reading(ticket):
                self.events.append((scheduler.reading, (number, ticket, now)))
            case messages.Read(ticket):
                self.events.append((scheduler.read, (number, ticket)))
            case messages.Writing(tickets):
                self.events.append((scheduler.writing, (number, tickets, now)))
            case messages.BatchMemory(tickets):
                life.held -= len(tickets)
                self._tell(scheduler.out_of_memory, number, tickets)
            case messages.Recalled(tickets):
                life.held -= len(tickets)
                self._tell(scheduler.recalled, number, tickets)
            case messages.Log():
                self._logs.append((message, life.process.slot.name))
            case messages.Sample(resident, stages):
                life.process.reported_resident = resident
                life.stages = stages
            case messages.Fault(detail):
                life.process.fault = detail
            case messages.Hello() | messages.Ready() | messages.CannotStart():
                self._hear_of_start(life, message, now)
            case _:
                assert_never(message)

    def _quicken(self, life: _Life) -> None:
        if life.quick < _QUICK:
            life.quick += 1
            if life.quick == _QUICK // 2:
                self.events.append((self._scheduler.quick, (life.number, True)))

    def _slow_down(self, life: _Life) -> None:
        if _QUICK // 2 <= life.quick < _QUICK:
            self.events.append((self._scheduler.quick, (life.number, False)))
        life.quick //= 2

    def _hear_of_start(
        self, life: _Life, message: messages.Hello | messages.Ready | messages.CannotStart, now: float
    ) -> None:
        name = life.process.slot.name
        if life.phase is _Phase.DISMISSED:
            return
        match message:
            case messages.Hello(_, protocol) if life.phase is _Phase.GREETING:
                if protocol != messages.PROTOCOL:
                    raise wire.WireError(f"it speaks protocol {protocol}, not {messages.PROTOCOL}: another docfleet?")
                life.phase = _Phase.BUILDING
                self._allow(life, now + self._patience.start)
            case messages.Ready() if life.phase is _Phase.BUILDING:
                life.phase = _Phase.READY
                life.deadline = math.inf
                self._tell(self._scheduler.worker_ready, life.number)
                _LOG.debug("%s: worker %d is ready", name, life.process.pid)
            case messages.CannotStart(reason, detail):
                life.phase = _Phase.DISMISSED
                self._allow(life, now + self._patience.leave)
                self._tell(self._scheduler.worker_unable, life.number, reason)
                _LOG.debug("%s cannot start: %s", name, detail)
            case _:
                raise wire.WireError(f"{type(message).__name__} out of turn")

    def _on_output(self, life: _Life, _mask: int) -> None:
        if not life.process.output.read():
            self._selector.unregister(life.process.output)

    def _on_death(self, life: _Life, _mask: int) -> None:
        """The process has ended: everything that it said is there to be read, and its board as it left it."""
        while life.listening and self._listen(life, to_the_end=True):
            pass
        self._forget(life)
        steps = life.lookout.last_look()
        death = life.process.death(self._oom)
        if life.phase is _Phase.DISMISSED:
            return
        self._tell_steps(life, steps, time.monotonic())
        _LOG.warning("%s: worker %d %s", life.process.slot.name, life.process.pid, death.cause)
        died = partial(
            self._scheduler.worker_died,
            signal=death.signal,
            exitcode=death.exit_code,
            memory=death.memory,
            detail=death.detail,
        )
        self._tell(died, life.number)

    def _forget(self, life: _Life) -> None:
        self._deafen(life)
        for source in (life.process.output, life.process.sentinel):
            if source.fileno() in self._selector.get_map():
                self._selector.unregister(source)
        del self._lives[life.number]
        self._past_stages[life.slot_index] = sum_of(self._past_stages.get(life.slot_index, {}), life.stages)

    # Time.

    def look_after(self, now: float) -> None:
        """Whatever is due: late starters, late leavers, silent workers, samples."""
        if now >= self._due:
            self._due = math.inf
            for life in list(self._lives.values()):
                if life.deadline <= now:
                    self._lose_patience(life, now)
                if life.lookout.due <= now:
                    self._tell_steps(life, life.lookout.look(now), now)
                self._due = min(self._due, life.deadline, life.lookout.due)
        if now - self._sampled >= _SAMPLE_S:
            self._sampled = now
            self._oom.tick()
            for life in self._lives.values():
                self._weigh(life)
        if self._limited:
            self._due = min(self._due, self._sampled + _SAMPLE_S)

    def _tell_steps(self, life: _Life, steps: Sequence[tuple[Stage, int]], now: float) -> None:
        """Steps that a worker has announced on its board."""
        for stage, ticket in steps:
            match stage:
                case Stage.READ:
                    self.events.append((self._scheduler.reading, (life.number, ticket, now)))
                case Stage.COMPUTE:
                    self._slow_down(life)
                    self.events.append((self.computing, (life.number, [ticket], now)))
                case Stage.WRITE:
                    self.events.append((self._scheduler.writing, (life.number, [ticket], now)))

    def _lose_patience(self, life: _Life, now: float) -> None:
        """It is late with its hello, with its start, with leaving; or it outlives SIGKILL."""
        self._allow(life, now + self._patience.leave)
        if life.process.killed:
            self._abandon(life)
            return
        life.process.kill()
        if life.phase is not _Phase.DISMISSED:
            seconds = self._patience.hello if life.phase is _Phase.GREETING else self._patience.start
            step = "say hello" if life.phase is _Phase.GREETING else "get ready"
            life.phase = _Phase.DISMISSED
            self._tell(self._scheduler.worker_unable, life.number, f"the worker did not {step} within {seconds:g} s")

    def _abandon(self, life: _Life) -> None:
        """A process that even SIGKILL does not end hangs in a driver. Waiting for it would hang us too."""
        _LOG.error(
            "%s: process %d does not end though it was killed; its device may need a reset",
            life.process.slot.name,
            life.process.pid,
        )
        self._forget(life)
        life.process.close()
        if life.phase is not _Phase.DISMISSED:
            died = partial(self._scheduler.worker_died, detail="it could not even be killed")
            self._tell(died, life.number)

    def _weigh(self, life: _Life) -> None:
        """Have a worker replaced that has grown past its limit."""
        limit = life.process.slot.memory_limit
        if limit is None or life.phase is not _Phase.READY:
            return
        resident = life.process.resident()
        if resident:
            life.process.reported_resident = resident
        if resident > limit:
            _LOG.info("%s: %d MB resident, more than %d: it is replaced", life.process.slot.name,
                      resident >> 20, limit >> 20)  # fmt: skip
            self._tell(self._scheduler.recycle, life.number)
