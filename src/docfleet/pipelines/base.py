"""The public side of a pipeline: inputs in, results out, whatever runs in between.

      input --iter_sources--> Source --Task--> executor --(task, outcome)--> result, or PageFailure

A subclass says what its options resolve to (`WorkerSpec`) and which result type its records become. Everything else,
order, failures, closing, is here once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from docfleet.documents.sources import Source, iter_sources
from docfleet.errors import UsageError
from docfleet.fleet.devices import Slot
from docfleet.fleet.serial import SerialExecutor
from docfleet.fleet.slots import slots_of
from docfleet.fleet.tasks import Failed, Task
from docfleet.fleet.worker import WorkerSpec
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.failures import REMEMBERED, PageFailure, PartialFailure
from docfleet.results.base import BaseResult

R = TypeVar("R", bound=BaseResult)


Options = TypeVar("Options", bound=CommonOptions)


class Pipeline(ABC, Generic[Options, R]):
    """A pipeline of networks over pages. A context manager; `close()` releases its instances.

    Usable from several threads. Not usable after `fork()`: make a new one in the child process.
    """

    result_type: ClassVar[type[BaseResult]]

    def __init__(self, options: Options) -> None:
        options.check()
        self._on_error = options.on_error or "raise"
        slot = one_slot(options)
        self._executor = SerialExecutor(
            self._worker_spec(options, slot.device_type), slot, batch_size=options.batch_size or 1
        )

    @abstractmethod
    def _worker_spec(self, options: Options, device_type: str) -> WorkerSpec:
        """The worker that does the pages; its options are resolved: names of models are paths, `auto` is decided."""

    def _predict_iter(self, given: Any, settings: Mapping[str, Any]) -> Iterator[R | PageFailure]:
        """Run one call. `settings` are plain values that go with every page of it."""
        sources = iter_sources(given)
        return self._deliver(
            Task((number,), {"source": source.to_payload(), "settings": dict(settings)})
            for number, source in enumerate(sources)
        )

    def _deliver(self, tasks: Iterable[Task]) -> Iterator[R | PageFailure]:
        failures: list[PageFailure] = []
        failed = 0
        for task, outcome in self._executor.run(tasks):
            path = Source.from_payload(task.payload["source"]).input_path
            if not isinstance(outcome, Failed):
                yield self.result_type.from_record({"input_path": path, **outcome.value})  # type: ignore[misc]
                continue
            failure = PageFailure(path, task.part, outcome.failure)
            if self._on_error == "return":
                yield failure
                continue
            failed += 1
            if len(failures) < REMEMBERED:
                failures.append(failure)
        if failed:
            raise PartialFailure(failures, failed)

    def _predict(self, given: Any, settings: Mapping[str, Any]) -> list[R | PageFailure]:
        results: list[R | PageFailure] = []
        try:
            for result in self._predict_iter(given, settings):
                results.append(result)  # noqa: PERF402 - one by one, so that an error leaves what came before it
        except PartialFailure as error:
            raise PartialFailure(error.failures, error.failed, results) from None
        return results

    def close(self) -> None:
        """Release everything the pipeline holds; it cannot be used afterwards. Closing twice is harmless."""
        self._executor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def one_slot(options: CommonOptions) -> Slot:
    """The slot of the serial twin. Raises DeviceError, and UsageError for a device string of several devices."""
    slots = slots_of(options.device or "auto", threads=options.cpu_threads)
    if len(slots) > 1 and options.device not in (None, "auto"):
        raise UsageError(f"device {options.device!r} names several devices; this version of docfleet runs one")
    return slots[0]
