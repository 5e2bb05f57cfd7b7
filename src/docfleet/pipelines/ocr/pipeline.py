"""`PaddleOCR`: finds the lines of text on pages and reads them."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator
from typing import Any, ClassVar

from docfleet.pipelines.base import Network, Pipeline
from docfleet.pipelines.failures import PageFailure
from docfleet.pipelines.ocr.options import OCRCall, OCROptions, OCRSettings
from docfleet.pipelines.ocr.plan import OCRPlan, resolve, wanted_models
from docfleet.pipelines.options import accepts
from docfleet.results.ocr import OCRResult
from docfleet.weights import Progress


class PaddleOCR(Pipeline[OCROptions, OCRPlan, OCRResult]):
    """Text detection, line orientation and recognition, with PaddleOCR's parameters and results.

        with PaddleOCR(device="cpu") as ocr:
            for page in ocr.predict_iter("scans/"):
                page.save_to_json("output")

    Raises UsageError for options that make no sense, WeightsError, EngineError and DeviceError if it cannot start.
    """

    options_type: ClassVar[type[OCROptions]] = OCROptions
    result_type: ClassVar[type[OCRResult]] = OCRResult
    stages: ClassVar[str] = "docfleet.pipelines.ocr.stages:OCRStages"

    @accepts(OCROptions)
    def __init__(self, options: OCROptions) -> None:
        super().__init__(options)

    @classmethod
    def networks(cls, options: OCROptions) -> list[Network]:
        """Detection and recognition, and the orientation of lines unless the options leave that out."""
        return [Network(wanted.name, wanted.folder) for wanted in wanted_models(options)]

    @classmethod
    def resolve(cls, options: OCROptions, *, device_type: str, progress: Progress) -> OCRPlan:
        """Choose models, engine and precision; fetches weights that are not in the store."""
        return resolve(options, device_type=device_type, progress=progress)

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
