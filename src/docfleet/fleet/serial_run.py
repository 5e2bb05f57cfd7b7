"""One run of the serial twin, as its caller holds it.

      advance() --> one step after another, until something has come of it, the time is up, or the source has given None
                    read | read | ... a batch is full, or None: compute, write | write | ...

A step that is under way is not interrupted: `timeout` is looked at between steps.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from docfleet.fleet.tasks import Category, Event, Expanded, Failed, Failure, Task

if TYPE_CHECKING:
    from docfleet.fleet.serial import SerialExecutor

_MOST = 256
"""Tasks in a batch, those included that could not be read: they are not to pile up behind one good page."""


class SerialRun:
    """See `docfleet.fleet.handles.RunHandle`."""

    def __init__(self, executor: SerialExecutor, tasks: Iterable[Task | None], *, batch_size: int) -> None:
        self._executor = executor
        self._batch_size = batch_size
        # The source, and the parts of the documents that are open, the innermost last.
        self._sources: list[Iterator[Task | None]] = [iter(tasks)]
        # Read and not computed yet.
        self._batch: list[tuple[Task, Any, Failed | None]] = []
        self._good = 0
        self._drained = ""
        self._trouble: Exception | None = None
        self._over = False
        self._steps = self._all_steps()

    @property
    def over(self) -> bool:
        """Whether everything has been handed over, and nothing is left to raise."""
        return self._over

    def advance(self, timeout: float | None = None) -> list[Event]:
        """As of `RunHandle`."""
        end = None if timeout is None else time.monotonic() + timeout
        while not self._over:
            self._executor.check()
            try:
                events = next(self._steps)
            except StopIteration:
                self._over = True
                if self._trouble is not None:
                    raise self._trouble from None
                break
            if events is not None:
                return events
            if end is not None and time.monotonic() >= end:
                break
        return []

    def drain(self, reason: str) -> None:
        """As of `RunHandle`."""
        self._drained = self._drained or reason or "the run was ended early"
        self._sources.clear()

    def close(self) -> None:
        """As of `RunHandle`."""
        self._over = True
        self._steps.close()
        self._sources.clear()
        self._batch.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all_steps(self) -> Generator[list[Event] | None, None, None]:
        """Step by step: what `advance` is to return after it; None to go on with the next."""
        while self._sources:
            try:
                task = next(self._sources[-1])
            except StopIteration:
                self._sources.pop()
                continue
            except Exception as error:  # noqa: BLE001 - raised by `advance`, after what came before it
                self._trouble = error
                break
            if task is None:
                yield from self._finish()
                yield []
                continue
            item, ended = self._executor.read(task)
            if isinstance(ended, Expanded):
                self._sources.append(_parts(task, ended))
                yield [(task, ended)]
                continue
            self._batch.append((task, item, ended))
            self._good += ended is None
            # A failure waits only for good pages before it; with none pending it is delivered at once.
            if self._good in (0, self._batch_size) or len(self._batch) == _MOST:
                yield from self._finish()
            else:
                yield None
        if not self._drained:
            yield from self._finish()
        batch, self._batch = self._batch, []
        for task, _, failed in batch:
            yield [(task, failed or Failed(Failure(Category.CANCELLED, self._drained)))]

    def _finish(self) -> Iterator[list[Event]]:
        """Compute the items of the batch and write each; failures keep their place between them."""
        batch, self._batch, self._good = self._batch, [], 0
        good = [(task, item) for task, item, failed in batch if failed is None]
        values = iter(self._executor.compute([task for task, _ in good], [item for _, item in good]))
        for task, _, failed in batch:
            yield [(task, failed or self._executor.write(task, next(values)))]


def _parts(task: Task, expanded: Expanded) -> Iterator[Task]:
    return (expanded.child(task, index) for index in range(len(expanded.parts)))
