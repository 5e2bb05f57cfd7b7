"""The public side of the package's pipelines: the same calls as the package's, over the fleet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from docfleet.documents.sources import Source, iter_sources
from docfleet.errors import UsageError
from docfleet.fleet.tasks import Task
from docfleet.fleet.worker import WorkerSpec
from docfleet.integrations.paddleocr.description import ASKED
from docfleet.integrations.paddleocr.options import PackageOptions
from docfleet.integrations.paddleocr.plan import PackagePlan
from docfleet.integrations.paddleocr.result import PackageResult
from docfleet.pipelines.base import Pipeline, Prepared
from docfleet.pipelines.executors import choose_slots
from docfleet.pipelines.failures import PageFailure
from docfleet.pipelines.worker import reading_options
from docfleet.weights import Progress

_WORKER = "docfleet.integrations.paddleocr.worker:build"


class PackagePipeline(Pipeline[PackageOptions, PackagePlan, PackageResult]):
    """One class of the installed PaddleOCR, an instance of it in a process for every slot.

    Made by `docfleet.load_pipeline`. Raises StartError, with the package's own reason, at the first call if the package
    cannot make it.
    """

    options_type: ClassVar[type[PackageOptions]] = PackageOptions
    result_type: ClassVar[type[PackageResult]] = PackageResult
    stages: ClassVar[str] = "docfleet.integrations.paddleocr.worker:PackageStages"

    @classmethod
    def prepare(cls, options: PackageOptions, *, progress: Progress | None = None) -> Prepared:
        """Check options and choose slots. The package fetches its own weights, in the workers.

        Raises UsageError, DeviceError.
        """
        options.check()
        slots = choose_slots(options)
        plan = PackagePlan.of(options)
        spec = WorkerSpec(_WORKER, {"plan": plan.for_worker(), **reading_options(options)})
        return Prepared(spec=spec, slots=slots, plan=plan)

    @classmethod
    def resolve(cls, options: PackageOptions, *, device_type: str, progress: Progress) -> PackagePlan:
        """The plan of options."""
        return PackagePlan.of(options)

    def predict(self, input: Any, **settings: Any) -> list[PackageResult | PageFailure]:  # noqa: A002
        """Process every page of `input`, results in order; `settings` are the package's.

        `input` is what our own pipelines take; for classes that are asked about an image also
        `{"image": path or array, "query": ...}`, or a list or iterator of these.

        Raises PartialFailure, with all good results in `.results`, if any page failed (unless `on_error="return"`), and
        UsageError at once for a setting that there is not.
        """
        results: list[PackageResult | PageFailure] = self._predict(input, settings)
        return results

    def predict_iter(self, input: Any, **settings: Any) -> Iterator[PackageResult | PageFailure]:  # noqa: A002
        """Like `predict`, but lazily."""
        return self._predict_iter(input, settings)

    def visual_predict(self, input: Any, **settings: Any) -> list[PackageResult | PageFailure]:  # noqa: A002
        """The package's name of `predict` where it is the first of several steps (PPChatOCRv4Doc, PPDocTranslation)."""
        return self.predict(input, **settings)

    def visual_predict_iter(self, input: Any, **settings: Any) -> Iterator[PackageResult | PageFailure]:  # noqa: A002
        """Like `visual_predict`, but lazily."""
        return self.predict_iter(input, **settings)

    def _predict_iter(self, given: Any, settings: Mapping[str, Any]) -> Iterator[PackageResult | PageFailure]:
        if self._plan.package_class.name not in ASKED:
            return super()._predict_iter(given, self._plan.settings_for(settings))
        return self._deliver(
            Task((number,), {"source": source.to_payload(), "settings": self._plan.settings_for(settings, asked)})
            for number, (source, asked) in enumerate(_asked(given))
        )


def _asked(given: Any) -> Iterator[tuple[Source, Mapping[str, Any]]]:
    """Each source of the input, and what is asked about it."""
    if isinstance(given, Mapping):
        asked = {name: value for name, value in given.items() if name != "image"}
        if "image" not in given:
            yield Source(error="there is no 'image' among what is asked: pass {'image': ..., 'query': ...}"), asked
            return
        try:
            sources = iter_sources(given["image"])
        except UsageError as error:
            yield Source(error=str(error)), asked
            return
        yield from ((source, asked) for source in sources)
    elif isinstance(given, Sequence | Iterator) and not isinstance(given, str | bytes):
        for each in given:
            yield from _asked(each)
    else:
        yield from ((source, {}) for source in iter_sources(given))
