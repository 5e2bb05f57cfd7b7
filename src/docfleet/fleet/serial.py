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
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from docfleet.errors import ClosedError
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Expanded, Failed, Outcome, Task
from docfleet.fleet.worker import Worker, WorkerSpec, compute_all, read_one, write_one


class SerialExecutor:
    """One instance in this process. Runs may be interleaved, from several threads too: each step is exclusive."""

    def __init__(self, spec: WorkerSpec, slot: Slot, *, batch_size: int = 1) -> None:
        self._worker: Worker | None = spec.build(slot)
        self._slot = slot
        self._batch_size = batch_size
        self._process = os.getpid()
        # Held during one step at a time, never while the caller has control: two interleaved runs cannot deadlock.
        self._step = threading.Lock()
        if hasattr(os, "register_at_fork"):
            reference = weakref.ref(self)
            os.register_at_fork(after_in_child=lambda: _keep_for_ever(reference()))

    def run(self, tasks: Iterable[Task], *, ordered: bool = True) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks lazily; yields each finished task with its outcome, in the order of the input.

        They finish in that order, so `ordered` changes nothing here.
        """
        batch: list[tuple[Task, Any, Failed | None]] = []
        good = 0
        for task, item, failed in self._read(tasks):
            batch.append((task, item, failed))
            good += failed is None
            # A failure waits only for good pages before it; with none pending it is delivered at once.
            if good == self._batch_size or not good:
                yield from self._finish(batch)
                batch, good = [], 0
        yield from self._finish(batch)

    def _read(self, tasks: Iterable[Task]) -> Iterator[tuple[Task, Any, Failed | None]]:
        """Read each task; an expanded one is replaced by its parts."""
        for task in tasks:
            with self._step:
                item, ended = read_one(self._open(), task)
            if isinstance(ended, Expanded):
                yield from self._read(ended.child(task, index) for index in range(len(ended.parts)))
            else:
                yield task, item, ended

    def _finish(self, batch: list[tuple[Task, Any, Failed | None]]) -> Iterator[tuple[Task, Outcome]]:
        """Compute the items of a batch and write each; failures keep their place between them."""
        with self._step:
            values = iter(self._compute([item for _, item, failed in batch if failed is None]))
        for task, _, failed in batch:
            with self._step:
                outcome = failed or write_one(self._open(), task, next(values))
            if isinstance(outcome, Failed):
                outcome = Failed(replace(outcome.failure, slot=self._slot.name))
            yield task, outcome

    def _compute(self, items: list[Any]) -> list[Any]:
        """Values of items; a batch that does not fit into memory is tried in halves."""
        if not items:
            return []
        try:
            return compute_all(self._open(), items)
        except MemoryError:
            half = len(items) // 2
            return self._compute(items[:half]) + self._compute(items[half:])

    def _open(self) -> Worker:
        """The worker, if it may be used here and now."""
        if self._process != os.getpid():
            raise ClosedError("this pipeline was made before fork(); make a new one in the child process")
        if self._worker is None:
            raise ClosedError("this pipeline is closed")
        return self._worker

    def close(self) -> None:
        """Release the instance; closing twice is harmless.

        In a forked child nothing is released; see `_keep_for_ever`.
        """
        if self._process != os.getpid():
            return
        with self._step:
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _keep_for_ever(executor: SerialExecutor | None) -> None:
    """Keep the worker from being taken down in a forked child, not even when the child ends.

    Its lock may be held there for ever, and engines wait for threads that did not survive the fork. One reference that
    nobody gives back is what it takes. (ONNX Runtime hangs even so in a child that ends by `exit`, in a handler of its
    own; children of multiprocessing end without running those.)
    """
    if executor is not None and executor._worker is not None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(executor._worker))
