"""The executor that runs a Worker in one process per slot.

      with ProcessExecutor(spec, slots_of("gpu:0,1"), batch_size=4, timeout=60) as executor:
          for task, outcome in executor.run(tasks): ...

`run` is a generator, and `start` gives the same run as a handle (`docfleet.fleet.handles`). The source of tasks is
advanced in the consumer's thread, when the consumer asks for the next outcome and there is room in the window:
generators are not safe in threads, and people write generators that use what belongs to their thread. The fleet works
on meanwhile, whatever the consumer does: it is full up to the window. A slow source costs its own time only; outcomes
that are ready come first.

What is left when the `with` block is left, in whatever way: nothing. An executor that is forgotten is closed by the
garbage collector or at the end of the program; one that is inherited through fork() says so.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

from docfleet.errors import ClosedError, StartError, UsageError
from docfleet.fleet.crew import Patience
from docfleet.fleet.devices import Slot
from docfleet.fleet.handles import CLOSED
from docfleet.fleet.process_loop import ProcessLoop
from docfleet.fleet.process_run import ProcessRun
from docfleet.fleet.statistics import SlotStatistics
from docfleet.fleet.tasks import Expanded, Outcome, Task
from docfleet.fleet.wire import check_plain
from docfleet.fleet.worker import WorkerSpec


class ProcessExecutor:
    """One worker process per slot, started at once. Several runs may be interleaved, from several threads too."""

    def __init__(
        self,
        spec: WorkerSpec,
        slots: Sequence[Slot],
        *,
        batch_size: int = 1,
        timeout: float | None = None,
        max_attempts: int = 3,
        memory_limit: int | None = None,
        patience: Patience | None = None,
    ) -> None:
        """Start the workers; whether they can start is known in the first run.

        Args:
            spec: the worker to build on each slot; its options are plain values.
            slots: where; at least one.
            batch_size: most tasks that a worker computes together.
            timeout: seconds that a task may be read, computed or written before its worker is killed.
            max_attempts: deaths of its worker, alone in it, after which a task has failed.
            memory_limit: resident bytes past which a worker is replaced between batches, for slots without their own.
            patience: how long to wait for workers that start or leave.

        Raises UsageError for a number out of range, TypeError for options that cannot travel, and StartError in a
        process that is itself a worker.
        """
        if not slots:
            raise UsageError("there is no slot to run on")
        for name, number in (("batch_size", batch_size), ("max_attempts", max_attempts)):
            if number < 1:
                raise UsageError(f"{name} is {number}: it must be at least 1")
        if timeout is not None and not timeout > 0:
            raise UsageError(f"timeout is {timeout} s: it must be more than 0, or None for no limit")
        check_plain(dict(spec.options), "options")
        _refuse_in_worker(spec)
        self._options = {"batch_size": batch_size, "timeout": timeout, "max_attempts": max_attempts}
        limited = [replace(slot, memory_limit=slot.memory_limit or memory_limit) for slot in slots]
        self._loop = ProcessLoop(spec, limited, patience=patience or Patience())
        self._process = os.getpid()
        self._loop.thread.start()
        # Also at the end of the program, while the supervising thread still runs. Must not refer to this object.
        self._finalizer = weakref.finalize(self, _shut_down, self._loop, self._process)

    def run(
        self, tasks: Iterable[Task], *, ordered: bool = True, window: int | None = None
    ) -> Iterator[tuple[Task, Outcome]]:
        """Run tasks, whose keys ascend; yields each task with its outcome, in the order of keys or as they finish.

        Nothing is taken from `tasks` before the first outcome is asked for, and never more than `window` tasks beyond
        those delivered (by default enough to keep every slot busy). An exception of the source is raised after the
        outcomes of what it had yielded. Closing the generator cancels what is left of the run. Payloads must not be
        changed before their outcome is there.

        Raises StartError, with the reason of each, when no slot can go on; whatever was not finished then has been
        yielded as cancelled. Raises ClosedError once the executor is closed, and after a fork.
        """
        self._check_process()
        _check_window(window)
        return self._outcomes(tasks, ordered, window)

    def _outcomes(self, tasks: Iterable[Task], ordered: bool, window: int | None) -> Iterator[tuple[Task, Outcome]]:
        with self.start(tasks, ordered=ordered, window=window) as run:
            while not run.over:
                for task, outcome in run.advance():
                    # A child forked between two of them must not yield what its parent yields too.
                    self._check_process()
                    if not isinstance(outcome, Expanded):
                        yield task, outcome

    def start(self, tasks: Iterable[Task | None], *, ordered: bool = True, window: int | None = None) -> ProcessRun:
        """Begin a run that is advanced step by step: `run` for callers that have other things to do as well.

        Nothing is taken from `tasks` yet; for what None among them means, see `docfleet.fleet.handles`. Raises
        UsageError, and ClosedError.
        """
        self._check_process()
        _check_window(window)
        options = {**self._options, "ordered": ordered, "window": window}
        return ProcessRun(self._loop, tasks, check=self._check_process, options=options)

    def statistics(self) -> list[SlotStatistics]:
        """What each slot has done so far, in the order of the slots."""
        self._check_process()
        return self._loop.statistics()

    def close(self) -> None:
        """End the workers after the step that each is busy with, bounded by `patience.leave`. Idempotent.

        Runs that are not finished raise ClosedError when they are asked for more. A second Ctrl-C ends the wait.
        """
        self._finalizer()

    def kill(self) -> None:
        """End every worker at once, without waiting for the steps under way, nor for their deaths: `close` does that.

        May be called in a signal handler, and while `close` waits, which then returns soon.
        """
        if os.getpid() == self._process:
            self._loop.stop(at_once=True)

    def __enter__(self) -> Self:
        self._check_process()
        if not self._finalizer.alive:
            raise ClosedError(CLOSED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise ClosedError(
                "this executor belongs to another process, from which this one was forked: make one here, or pass "
                "inputs and results between the processes instead"
            )


def _check_window(window: int | None) -> None:
    if window is not None and window < 1:
        raise UsageError(f"window is {window}: it must be at least 1, or None for what the slots need")


def _shut_down(loop: ProcessLoop, process: int) -> None:
    """Runs in any thread, at any time: also in the garbage collector of the supervising thread itself."""
    if os.getpid() != process:
        return
    loop.stop()
    if threading.current_thread() is loop.thread:
        return
    try:
        loop.thread.join()
    except BaseException:
        loop.stop(at_once=True)
        loop.thread.join()
        raise


def _refuse_in_worker(spec: WorkerSpec) -> None:
    """A worker's module that is a script without a guard would start a fleet in every worker, without end."""
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    if main is not None and main.name == "docfleet.fleet.worker_main":
        module = spec.target.partition(":")[0]
        raise StartError(
            f"a worker process cannot start workers: put `if __name__ == '__main__':` around what {module} and the "
            "modules that it imports do with pipelines"
        )
