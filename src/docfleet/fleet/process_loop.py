"""The thread that runs a fleet of worker processes: it carries messages between them and the scheduler.

      consumer threads                 | supervising thread                          | worker processes
      open_run, feed  --+              |                 +-- Start ------------------> python -m ...worker_main
                        +-- scheduler -|- commands -->   +-- Assign, Recall, Stop ---> socket
      take <------------+   (lock)     |                 +-- Kill -------------------> SIGKILL
             ^                         |
             +---- a bell -------------|- events <----- one wait for sockets, output, deaths, the wake-up pipe

Everything about processes belongs to the supervising thread, which starts them: on Linux a worker dies with the thread
that started it, and this one lives as long as the executor. The scheduler is shared under one lock, which is never held
while anything is read, written or waited for.

Nothing here blocks on a worker, and nothing waits for a page. What waits is bounded: by the scheduler's window and
credits, and for workers that start or leave, by time.

Where pages are small, waking each other up is most of the work. So whatever has arrived is dealt with in one turn, and
nobody is woken in vain: a consumer only for what it can have, the supervising thread only for what it is to send.
"""

from __future__ import annotations

import logging
import os
import selectors
import threading
import time
from collections import deque
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

from docfleet.errors import ClosedError, DocfleetError
from docfleet.fleet.crew import Crew, Patience
from docfleet.fleet.devices import Slot
from docfleet.fleet.handles import CLOSED
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Command, RunFailed
from docfleet.fleet.statistics import SlotStatistics
from docfleet.fleet.tasks import Event, Task
from docfleet.fleet.worker import WorkerSpec

_LOG = logging.getLogger(__name__)


class Turn(NamedTuple):
    """What a consumer gets when it asks."""

    delivery: list[Event]
    wants: int
    """How many tasks may be fed now."""
    over: bool
    """Whether the source is exhausted and everything is delivered."""
    failure: str | None
    """Why the run cannot go on."""


class _RunState:
    """What a run's consumer waits for. Guarded by the lock."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self.bell: SimpleQueue[None] = SimpleQueue()
        """Gets something put into it for each that waits, when there is something to take.

        Not a condition: those who wait at one are woken inside its lock, and make a lock of their own each time.
        """
        self.waiting = 0
        """How many wait at the bell: one, if the run is used as it should be."""


class ProcessLoop:
    """The supervising thread and its scheduler. Start its `thread` once, `stop` it once."""

    def __init__(self, spec: WorkerSpec, slots: Sequence[Slot], *, patience: Patience) -> None:
        # Guards the scheduler, the run states, the commands that are fetched, and the way this thread ended. Held for
        # as long as it takes to hear a few events or to hand out a few tasks.
        self._lock = threading.Lock()
        scheduler = self._scheduler = Scheduler(slots, silence=patience.silence)
        self._runs: dict[int, _RunState] = {}
        self._commands: list[Command] = []
        self._broken: BaseException | None = None
        self._ended = False
        # Set or appended to by any thread without the lock: the garbage collector may do so in the middle of anything.
        self._dropped: deque[int] = deque()
        self._stopping = False
        self._killing = False
        self._wake_up = _WakeUp()
        # The supervising thread's own.
        self._selector = selectors.DefaultSelector()
        self._crew = Crew(spec, slots, scheduler=scheduler, selector=self._selector, patience=patience)
        self._bells: list[SimpleQueue[None]] = []
        self._farewell_said = False
        self.thread = threading.Thread(target=self._run, name="docfleet-fleet", daemon=True)

    # For consumers, from any thread.

    def open_run(self, **options: Any) -> int:
        """As `Scheduler.open_run`. Raises ClosedError."""
        with self._lock:
            self._check()
            run = self._scheduler.open_run(**options)
            self._runs[run] = _RunState()
            # Without a usable slot it has failed already, and its consumer must not find it over before it knows why.
            self._fetch_commands()
        self._wake_up.signal()
        return run

    def feed(self, run: int, tasks: Sequence[Task], *, exhausted: bool) -> None:
        """Give a run its next tasks. Raises ValueError for keys that do not ascend."""
        with self._lock:
            self._check()
            for task in tasks:
                self._scheduler.add(run, task)
            if exhausted:
                self._scheduler.exhausted(run)
            work = self._fetch_commands()
        if work:
            self._wake_up.signal()

    def take(self, run: int, limit: int, *, until: float | None = None) -> Turn:
        """Wait until something can be delivered or is wanted, or the run is over, or it is `until` by the clock of
        `time.monotonic`. Raises ClosedError.
        """
        while True:
            with self._lock:
                self._check()
                scheduler, state = self._scheduler, self._runs[run]
                turn = Turn(scheduler.deliver(run, limit), scheduler.wants(run), scheduler.is_over(run), state.failure)
                left = None if until is None else until - time.monotonic()
                if turn.delivery or turn.wants or turn.over or (left is not None and left <= 0):
                    # There may be room for parts of documents. If more is wanted, `feed` is next, and sees to it.
                    work = bool(turn.delivery) and not turn.wants and self._fetch_commands()
                    break
                state.waiting += 1
            try:
                state.bell.get(timeout=None if left is None else min(left, threading.TIMEOUT_MAX))
            except Empty:
                with self._lock:
                    state.waiting = max(0, state.waiting - 1)
        if work:
            self._wake_up.signal()
        return turn

    def drain(self, run: int, reason: str) -> None:
        """As `Scheduler.drain`. Raises ClosedError."""
        with self._lock:
            self._check()
            self._scheduler.drain(run, reason)
        self._wake_up.signal()

    def drop_run(self, run: int) -> None:
        """Cancel what is left of a run. Takes no lock, so that a finalizer may call it."""
        self._dropped.append(run)
        self._wake_up.signal()

    def statistics(self) -> list[SlotStatistics]:
        """A snapshot, slot by slot."""
        with self._lock:
            counts = self._scheduler.slots()
        statistics = []
        for index, each in enumerate(counts):
            stages, resident = self._crew.snapshot(index)
            statistics.append(SlotStatistics(counts=each, stages=stages, resident=resident))
        return statistics

    def stop(self, *, at_once: bool = False) -> None:
        """End every worker and the thread: after the steps under way, or at once. Takes no lock. Idempotent."""
        self._killing = self._killing or at_once
        self._stopping = True
        self._wake_up.signal()

    def _check(self) -> None:
        if self._broken is not None:
            raise DocfleetError(f"the fleet broke down: {self._broken!r}. This is a bug") from self._broken
        if self._stopping or self._ended:
            raise ClosedError(CLOSED)

    # The supervising thread.

    def _run(self) -> None:
        try:
            self._selector.register(self._wake_up, selectors.EVENT_READ, None)
            while not self._stopping or len(self._crew):
                self._turn()
        except BaseException as error:  # noqa: BLE001 - raised again in every consumer
            _LOG.exception("the supervising thread failed")
            with self._lock:
                self._broken = error
        finally:
            self._crew.bury_all()
            self._selector.close()
            with self._lock:
                self._ended = True
                self._find_waiting()
            self._ring()
            self._wake_up.close()

    def _turn(self) -> None:
        crew = self._crew
        now = time.monotonic()
        if self._stopping:
            self._say_farewell(now)
        crew.look_after(now)
        commands, deadline = self._consult(now)
        for command in commands:
            crew.obey(command, now)
        crew.send(now)
        if crew.events:
            # What went wrong with a command is news to the scheduler.
            return
        self._ring()
        for key, mask in self._selector.select(crew.timeout(deadline)):
            if key.data is None:
                self._wake_up.clear()
            else:
                crew.handle(key.data, mask)
        crew.relog()

    def _consult(self, now: float) -> tuple[list[Command], float | None]:
        """Tell the scheduler what has happened, and fetch what to do."""
        crew, scheduler = self._crew, self._scheduler
        events, crew.events = crew.events, []
        news, crew.news = crew.news, False
        with self._lock:
            while self._dropped:
                run = self._dropped.popleft()
                if self._runs.pop(run, None) is not None:
                    scheduler.close_run(run)
            for event, arguments in events:
                event(*arguments)
                if event is crew.computing:
                    # Whoever computes is given something to read meanwhile. A worker with quick pages tells of several
                    # at a time when all are computed: if asked in the end only, it would be given them one by one.
                    self._fetch_commands()
            scheduler.tick(now)
            if self._stopping:
                self._find_waiting()
                return [], None
            self._fetch_commands()
            commands, self._commands = self._commands, []
            if news:
                self._find_waiting()
            return commands, scheduler.next_deadline()

    def _find_waiting(self) -> None:
        """Note the consumers that wait, for `_ring`. To be called with the lock held."""
        for state in self._runs.values():
            self._bells += [state.bell] * state.waiting
            state.waiting = 0

    def _ring(self) -> None:
        """Wake those consumers: when this thread is about to wait itself, so that not both want the interpreter."""
        while self._bells:
            self._bells.pop().put(None)

    def _fetch_commands(self) -> bool:
        """With the lock held; whether there are any. A run's failure is noted before anybody can find the run over."""
        for command in self._scheduler.commands():
            if not isinstance(command, RunFailed):
                self._commands.append(command)
            elif command.run in self._runs:
                self._runs[command.run].failure = command.reason
        return bool(self._commands)

    def _say_farewell(self, now: float) -> None:
        if not self._farewell_said:
            self._farewell_said = True
            self._crew.dismiss_all(now)
        if self._killing:
            self._crew.kill_all()


class _WakeUp:
    """A pipe that makes the supervising thread look up. Any thread may signal, at any time, also after the close."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._reading, False)
        os.set_blocking(self._writing, False)
        self._signalled = False
        self._closed = False
        self._process = os.getpid()
        # So that a late signal is not written to whatever has got the descriptor next. Reentrant: the garbage collector
        # may signal in the middle of a signal.
        self._closing = threading.RLock()

    def fileno(self) -> int:
        return self._reading

    def signal(self) -> None:
        if self._signalled or os.getpid() != self._process:
            return  # A forked process shares the pipe, and has nothing to say in it.
        with self._closing:
            if not self._closed:
                self._signalled = True
                os.write(self._writing, b"\0")

    def clear(self) -> None:
        """To be called before looking at what was signalled: a signal that comes later is then not lost."""
        os.read(self._reading, 4096)
        self._signalled = False

    def close(self) -> None:
        """Idempotent."""
        with self._closing:
            if not self._closed:
                self._closed = True
                os.close(self._reading)
                os.close(self._writing)
