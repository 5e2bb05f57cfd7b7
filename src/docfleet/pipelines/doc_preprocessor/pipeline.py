"""`DocPreprocessor`: turns pages upright and makes them flat."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, ClassVar

from docfleet.pipelines.base import Pipeline
from docfleet.pipelines.doc_preprocessor.options import (
    DocPreprocessorCall,
    DocPreprocessorOptions,
    PreprocessingSettings,
)
from docfleet.pipelines.doc_preprocessor.plan import DocPreprocessorPlan, resolve
from docfleet.pipelines.failures import PageFailure
from docfleet.pipelines.options import accepts
from docfleet.results.doc_preprocessor import DocPreprocessorResult
from docfleet.weights import Progress


class DocPreprocessor(Pipeline[DocPreprocessorOptions, DocPreprocessorPlan, DocPreprocessorResult]):
    """Page orientation and unwarping, with PaddleOCR's parameters and results.

        with DocPreprocessor(device="cpu", instances_per_device=2) as preprocessor:
            for page in preprocessor.predict_iter("photos/"):
                page.save_to_page("output")

    Raises UsageError for options that make no sense, WeightsError, EngineError and DeviceError if it cannot start.
    """

    options_type: ClassVar[type[DocPreprocessorOptions]] = DocPreprocessorOptions
    result_type: ClassVar[type[DocPreprocessorResult]] = DocPreprocessorResult
    stages: ClassVar[str] = "docfleet.pipelines.doc_preprocessor.stages:DocPreprocessorStages"

    @accepts(DocPreprocessorOptions)
    def __init__(self, options: DocPreprocessorOptions) -> None:
        super().__init__(options)

    @classmethod
    def resolve(cls, options: DocPreprocessorOptions, *, device_type: str, progress: Progress) -> DocPreprocessorPlan:
        """Choose models, engine and precision; fetches weights that are not in the store."""
        return resolve(options, device_type=device_type, progress=progress)

    @accepts(DocPreprocessorCall)
    def predict(self, call: DocPreprocessorCall) -> list[DocPreprocessorResult | PageFailure]:
        """Preprocess every page of `call.input` and return the results in order.

        Raises PartialFailure, with all good results in `.results`, if any page failed (unless `on_error="return"`,
        which puts a PageFailure in its place), and UsageError at once for an input or a setting that makes no sense.
        """
        return self._predict(call.input, self._settings(call))

    @accepts(DocPreprocessorCall)
    def predict_iter(self, call: DocPreprocessorCall) -> Iterator[DocPreprocessorResult | PageFailure]:
        """Like `predict`, but lazily: a page is read when the next result is asked for."""
        return self._predict_iter(call.input, self._settings(call))

    def _settings(self, settings: PreprocessingSettings) -> dict[str, Any]:
        return dataclasses.asdict(self._plan.settings_for(settings))
