"""The serial twin: the same worker code, run in the caller's thread.

      tasks --read_one--> items --batch--> compute_all --> values --write_one--> (task, outcome), in order

No processes, quick to start, easy to debug. An exception of the worker becomes the same Failure as in a process. What
it cannot promise: a page that crashes or hangs the interpreter takes the caller with it, and there are no deadlines.
It leaves the caller's CPU affinity, environment and library settings alone.
"""

from __future__ import annotations

import ctypes
import os
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import TracebackType
from typing import Any, Literal, Self

from docfleet.errors import ClosedError
from docfleet.fleet.devices import Slot
from docfleet.fleet.handles import CLOSED
from docfleet.fleet.hardware import resident_bytes
from docfleet.fleet.scheduling.commands import SlotCounts
from docfleet.fleet.serial_run import SerialRun
from docfleet.fleet.statistics import SlotStatistics, StageClock
from docfleet.fleet.tasks import Expanded, Failed, Key, Outcome, Task
from docfleet.fleet.worker import Worker, WorkerSpec, compute_all, read_one, write_one


class SerialExecutor:
    """One instance in this process. Runs may be interleaved, from several threads too: each step is exclusive."""

    def __init__(self, spec: WorkerSpec, slot: Slot, *, batch_size: int = 1) -> None:
        self._worker: Worker | None = spec.build(slot)
        self._slot = slot
        self._batch_size = batch_size
        self._process = os.getpid()
        self._killed = False
        # Held during one step at a time, never while the caller has control: two interleaved runs cannot deadlock.
        self._step = threading.Lock()
        self._clocks = {"read": StageClock(), "compute": StageClock(), "write": StageClock()}
        self._computing: tuple[Key, ...] = ()
        self._tasks = self._pages = self._batches = 0
        if hasattr(os, "register_at_fork"):
            reference = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _keep_for_ever(reference()))

    def run(
        self, tasks: Iterable[Task], *, ordered: bool = True, window: int | None = None
    ) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks lazily; yields each finished task with its outcome, in the order of the input.

        They finish in that order, and no more are taken than make a batch: `ordered` and `window` change nothing here.
        """
        with self.start(tasks, ordered=ordered, window=window) as run:
            while not run.over:
                for task, outcome in run.advance():
                    if not isinstance(outcome, Expanded):
                        yield task, outcome

    def start(self, tasks: Iterable[Task | None], *, ordered: bool = True, window: int | None = None) -> SerialRun:
        """Begin a run that is advanced step by step: `run` for callers that have other things to do as well.

        Nothing is taken from `tasks` yet; for what None among them means, see `docfleet.fleet.handles`. Raises
        ClosedError.
        """
        self.check()
        return SerialRun(self, tasks, batch_size=self._batch_size)

    # The steps of runs. Each raises ClosedError if the worker may not be used here and now.

    def read(self, task: Task) -> tuple[Any, Expanded | Failed | None]:
        """As `read_one`."""
        with self._in("read") as worker:
            item, ended = read_one(worker, task)
            self._tasks += ended is not None
            self._pages += isinstance(ended, Failed)
            return item, self._signed(ended) if isinstance(ended, Failed) else ended

    def compute(self, tasks: Sequence[Task], items: Sequence[Any]) -> list[Any]:
        """One value per item; a batch that does not fit into memory is tried in halves."""
        if not items:
            return []
        with self._in("compute") as worker:
            self._computing = tuple(task.key for task in tasks)
            self._batches += 1
            try:
                return _compute(worker, items)
            finally:
                self._computing = ()

    def write(self, task: Task, value: Any) -> Outcome:
        """As `write_one`."""
        with self._in("write") as worker:
            outcome = write_one(worker, task, value)
            self._tasks += 1
            self._pages += 1
            return self._signed(outcome) if isinstance(outcome, Failed) else outcome

    def check(self) -> Worker:
        """The worker, if it may be used here and now."""
        if self._process != os.getpid():
            raise ClosedError("this pipeline was made before fork(); make a new one in the child process")
        if self._worker is None or self._killed:
            raise ClosedError(CLOSED)
        return self._worker

    @contextmanager
    def _in(self, stage: Literal["read", "compute", "write"]) -> Iterator[Worker]:
        with self._step:
            worker = self.check()
            self._clocks[stage].switch("busy")
            try:
                yield worker
            finally:
                self._clocks[stage].switch("starved")

    def _signed(self, failed: Failed) -> Failed:
        return Failed(replace(failed.failure, slot=self._slot.name))

    # What every executor has.

    def statistics(self) -> list[SlotStatistics]:
        """What the one slot has done so far. From any thread."""
        counts = SlotCounts(
            name=self._slot.name,
            state="retired" if self._worker is None else "ready",
            reason="" if self._worker is not None else CLOSED,
            starts=1,
            deaths=0,
            tasks=self._tasks,
            pages=self._pages,
            batches=self._batches,
            computing=self._computing,
        )
        stages = {name: clock.seconds() for name, clock in self._clocks.items()}
        return [SlotStatistics(counts=counts, stages=stages, resident=resident_bytes())]

    def close(self) -> None:
        """Release the instance, after the step that another thread may be in; closing twice is harmless.

        In a forked child nothing is released; see `_keep_for_ever`.
        """
        if self._process != os.getpid():
            return
        with self._step:
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.close()

    def kill(self) -> None:
        """Let no further step begin; `close` is still to be called. May be called in a signal handler."""
        self._killed = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _compute(worker: Worker, items: Sequence[Any]) -> list[Any]:
    try:
        return compute_all(worker, items)
    except MemoryError:
        half = len(items) // 2
        return _compute(worker, items[:half]) + _compute(worker, items[half:])


def _keep_for_ever(executor: SerialExecutor | None) -> None:
    """Keep the worker from being taken down in a forked child, not even when the child ends.

    Its lock may be held there for ever, and engines wait for threads that did not survive the fork. One reference that
    nobody gives back is what it takes. (ONNX Runtime hangs even so in a child that ends by `exit`, in a handler of its
    own; children of multiprocessing end without running those.)
    """
    if executor is not None and executor._worker is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(executor._worker))
