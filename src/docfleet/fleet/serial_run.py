"""One run of the serial twin, as its caller holds it.

      advance() --> one step after another, until something has come of it or the time is up
                    read | read | ... a batch is full: compute, write | write | ...

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


class SerialRun:
    """See `docfleet.fleet.handles.RunHandle`."""

    def __init__(self, executor: SerialExecutor, tasks: Iterable[Task], *, batch_size: int) -> None:
        self._executor = executor
        self._batch_size = batch_size
        self._drained = ""
        self._trouble: Exception | None = None
        self._over = False
        # Read and not computed yet.
        self._batch: list[tuple[Task, Any, Failed | None]] = []
        self._steps = self._all_steps(tasks)

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
                event = next(self._steps)
            except StopIteration:
                self._over = True
                if self._trouble is not None:
                    raise self._trouble from None
                break
            if event is not None:
                return [event]
            if end is not None and time.monotonic() >= end:
                break
        return []

    def drain(self, reason: str) -> None:
        """As of `RunHandle`."""
        self._drained = self._drained or reason or "the run was ended early"

    def close(self) -> None:
        """As of `RunHandle`."""
        self._over = True
        self._steps.close()
        self._batch.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _all_steps(self, tasks: Iterable[Task]) -> Generator[Event | None, None, None]:
        """Step by step: what has come of it; None if nothing yet."""
        # The source, and the parts of the documents that are open, the innermost last.
        sources = [iter(tasks)]
        good = 0
        while not self._drained and (task := self._next(sources)) is not None:
            item, ended = self._executor.read(task)
            if isinstance(ended, Expanded):
                sources.append(_parts(task, ended))
                yield task, ended
                continue
            self._batch.append((task, item, ended))
            good += ended is None
            # A failure waits only for good pages before it; with none pending it is delivered at once.
            if good == self._batch_size or not good:
                yield from self._finish()
                good = 0
            else:
                yield None
        if not self._drained:
            yield from self._finish()
        batch, self._batch = self._batch, []
        for task, _, failed in batch:
            yield task, failed or Failed(Failure(Category.CANCELLED, self._drained))

    def _next(self, sources: list[Iterator[Task]]) -> Task | None:
        while sources:
            try:
                return next(sources[-1])
            except StopIteration:
                sources.pop()
            except Exception as error:  # noqa: BLE001 - raised by `advance`, after what came before it
                self._trouble = error
                sources.clear()
        return None

    def _finish(self) -> Iterator[Event]:
        """Compute the items of the batch and write each; failures keep their place between them."""
        batch, self._batch = self._batch, []
        good = [(task, item) for task, item, failed in batch if failed is None]
        values = iter(self._executor.compute([task for task, _ in good], [item for _, item in good]))
        for task, _, failed in batch:
            yield task, failed or self._executor.write(task, next(values))


def _parts(task: Task, expanded: Expanded) -> Iterator[Task]:
    return (expanded.child(task, index) for index in range(len(expanded.parts)))
