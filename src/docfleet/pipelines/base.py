"""The public side of a pipeline: inputs in, results out, whatever runs in between.

      options --prepare--> slots, plan, WorkerSpec --> executor
      input --iter_sources--> Source --Task--> executor --(task, outcome)--> result, or PageFailure

A subclass says what its options resolve to (a plan), which stages run it, and which result type their records become.
Everything else, order, failures, closing, is here once. A batch job runs the same `Prepared` with a worker that writes
the files itself (`docfleet.batch.publisher`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Generic, NoReturn, Protocol, Self, TypeVar

from docfleet.documents.sources import Source, iter_sources
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Failed, Task
from docfleet.fleet.worker import WorkerSpec
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.executors import choose_slots, executor_for, start_executor
from docfleet.pipelines.failures import REMEMBERED, PageFailure, PartialFailure
from docfleet.pipelines.worker import worker_spec
from docfleet.results.base import BaseResult
from docfleet.weights import NullProgress, Progress


class Plan(Protocol):
    """What options resolve to: plain values that decide a page's result, beside the page."""

    def to_plain(self) -> dict[str, Any]:
        """As plain values; a class in the worker makes the networks from them."""

    def default_settings(self) -> dict[str, Any]:
        """The settings of a call that sets nothing, as plain values."""


R = TypeVar("R", bound=BaseResult)
Options = TypeVar("Options", bound=CommonOptions)
P = TypeVar("P", bound=Plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Everything that running a pipeline takes, with nothing left to decide and nothing started."""

    spec: WorkerSpec
    slots: Sequence[Slot]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Network:
    """A network that is asked for."""

    name: str
    folder: str | None
    """The folder that the user named; None for one of the store, by its name."""


class Pipeline(ABC, Generic[Options, P, R]):
    """A pipeline of networks over pages, on one or many instances. A context manager; `close()` ends them.

    Usable from several threads. Not usable after `fork()`: make a new one in the child process.
    """

    options_type: ClassVar[type[CommonOptions]]
    result_type: ClassVar[type[BaseResult]]
    stages: ClassVar[str]
    """`module:attr` of the `Stages` that run a plan."""

    def __init__(self, options: Options, *, progress: Progress | None = None) -> None:
        prepared = self.prepare(options, progress=progress)
        self._plan: P = prepared.plan  # type: ignore[assignment]
        self._on_error = options.on_error or "raise"
        self._ordered = options.ordered is not False
        kind = executor_for(options, prepared.slots)
        self._executor = start_executor(kind, prepared.spec, prepared.slots, options)

    @classmethod
    def from_options(cls, options: Options, *, progress: Progress | None = None) -> Self:
        """Make the pipeline from its options object; `progress` is told of weights that have to be fetched."""
        pipeline = cls.__new__(cls)
        Pipeline.__init__(pipeline, options, progress=progress)
        return pipeline

    @classmethod
    def prepare(cls, options: Options, *, progress: Progress | None = None) -> Prepared:
        """Check options and decide what they leave open, without starting anything; fetches missing weights.

        Raises UsageError, DeviceError, WeightsError, EngineError.
        """
        options.check()
        slots = choose_slots(options)
        plan = cls.resolve(options, device_type=slots[0].device_type, progress=progress or NullProgress())
        return Prepared(spec=worker_spec(cls.stages, plan.to_plain(), options), slots=slots, plan=plan)

    @classmethod
    def networks(cls, options: Options) -> list[Network]:
        """The networks that options ask for, found by nobody yet; none where they cannot be told beforehand."""
        return []

    @classmethod
    @abstractmethod
    def resolve(cls, options: Options, *, device_type: str, progress: Progress) -> P:
        """The plan that options stand for: names of models are verified files, `auto` is decided."""

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
