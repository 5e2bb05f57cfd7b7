"""`PaddleOCR`: finds the lines of text on pages and reads them."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

from docfleet.fleet.worker import WorkerSpec
from docfleet.pipelines.base import Pipeline
from docfleet.pipelines.failures import PageFailure
from docfleet.pipelines.ocr.options import OCRCall, OCROptions, OCRSettings
from docfleet.pipelines.ocr.plan import resolve
from docfleet.pipelines.options import accepts
from docfleet.pipelines.worker import worker_spec
from docfleet.results.ocr import OCRResult
from docfleet.weights import Progress


class PaddleOCR(Pipeline[OCROptions, OCRResult]):
    """Text detection, line orientation and recognition, with PaddleOCR's parameters and results.

        with PaddleOCR(device="cpu") as ocr:
            for page in ocr.predict_iter("scans/"):
                page.save_to_json("output")

    Raises UsageError for options that make no sense, WeightsError, EngineError and DeviceError if it cannot start.
    """

    result_type: ClassVar[type[OCRResult]] = OCRResult

    @accepts(OCROptions)
    def __init__(self, options: OCROptions) -> None:
        super().__init__(options)

    def _worker_spec(self, options: OCROptions, device_type: str, progress: Progress) -> WorkerSpec:
        self._plan = resolve(options, device_type=device_type, progress=progress)
        return worker_spec("docfleet.pipelines.ocr.stages:OCRStages", self._plan.to_plain(), options)

    @accepts(OCRCall)
    def predict(self, call: OCRCall) -> list[OCRResult | PageFailure]:
        """Read every page of `call.input` and return the results in order.

        Raises PartialFailure, with all good results in `.results`, if any page failed (unless `on_error="return"`,
        which puts a PageFailure in its place), and UsageError at once for an input or a setting that makes no sense.
        """
        return self._predict(call.input, self._settings(call))

    @accepts(OCRCall)
    def predict_iter(self, call: OCRCall) -> Iterator[OCRResult | PageFailure]:
        """Like `predict`, but lazily: a page is read when the next result is asked for."""
        return self._predict_iter(call.input, self._settings(call))

    def ocr(self, img: Any, **settings: Any) -> list[OCRResult | PageFailure]:
        """The name of `predict` in PaddleOCR 2.x."""
        warnings.warn("ocr() is now called predict()", DeprecationWarning, stacklevel=2)
        return self.predict(img, **settings)

    def _settings(self, settings: OCRSettings) -> dict[str, Any]:
        return dataclasses.asdict(self._plan.settings_for(settings))
