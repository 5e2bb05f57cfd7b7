"""The public side of a pipeline: inputs in, results out, whatever runs in between.

      input --iter_sources--> Source --Task--> executor --(task, outcome)--> result, or PageFailure

A subclass says what its options resolve to (`WorkerSpec`) and which result type its records become. Everything else,
order, failures, closing, is here once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar

from docfleet.documents.sources import Source, iter_sources
from docfleet.fleet.tasks import Failed, Task
from docfleet.fleet.worker import WorkerSpec
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.executors import choose_slots, executor_for, start_executor
from docfleet.pipelines.failures import REMEMBERED, PageFailure, PartialFailure
from docfleet.results.base import BaseResult
from docfleet.weights import NullProgress, Progress

R = TypeVar("R", bound=BaseResult)


Options = TypeVar("Options", bound=CommonOptions)


class Pipeline(ABC, Generic[Options, R]):
    """A pipeline of networks over pages, on one or many instances. A context manager; `close()` ends them.

    Usable from several threads. Not usable after `fork()`: make a new one in the child process.
    """

    result_type: ClassVar[type[BaseResult]]

    def __init__(self, options: Options, *, progress: Progress | None = None) -> None:
        options.check()
        self._on_error = options.on_error or "raise"
        self._ordered = options.ordered is not False
        slots = choose_slots(options)
        kind = executor_for(options, slots)
        spec = self._worker_spec(options, slots[0].device_type, progress or NullProgress())
        self._executor = start_executor(kind, spec, slots, options)

    @classmethod
    def from_options(cls, options: Options, *, progress: Progress | None = None) -> Self:
        """Make the pipeline from its options object; `progress` is told of weights that have to be fetched."""
        pipeline = cls.__new__(cls)
        Pipeline.__init__(pipeline, options, progress=progress)
        return pipeline

    @abstractmethod
    def _worker_spec(self, options: Options, device_type: str, progress: Progress) -> WorkerSpec:
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
        for task, outcome in self._executor.run(tasks, ordered=self._ordered):
            path = Source.from_payload(task.payload["source"]).input_path
            if not isinstance(outcome, Failed):
                yield self.result_type.from_record({"input_path": path, **outcome.value})  # type: ignore[misc]
                continue
            failure = PageFailure(index=task.key[0], input_path=path, page_index=task.part, failure=outcome.failure)
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

    def __reduce__(self) -> NoReturn:
        raise TypeError("a pipeline cannot be pickled or copied: make one in each process that needs one")

    def close(self) -> None:
        """Release everything the pipeline holds; it cannot be used afterwards. Closing twice is harmless."""
        self._executor.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
