"""What a `PaddleOCR` will run, with nothing left to decide: models are verified folders, `auto` is an engine.

OCROptions --resolve (parent, once)--> OCRPlan --as plain values--> every instance of the pipeline
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from docfleet.errors import UsageError
from docfleet.models.detection import DetectionParams
from docfleet.pipelines.doc_preprocessor import plan as preprocessing
from docfleet.pipelines.doc_preprocessor.plan import PreprocessingPlan, Steps
from docfleet.pipelines.networks import ModelRef, Wanted, find, resolve_computing
from docfleet.pipelines.ocr.languages import ocr_models
from docfleet.pipelines.ocr.options import OCROptions, OCRSettings
from docfleet.weights import Progress

log = logging.getLogger(__name__)

TEXTLINE_ORIENTATION = "PP-OCR_mobile_v2.0_textline_cls"


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedSettings:
    """Every setting of `OCRSettings`, with the reference's defaults filled in."""

    use_doc_orientation_classify: bool = True
    use_doc_unwarping: bool = True
    use_textline_orientation: bool = True
    text_det_limit_side_len: int = 64
    text_det_limit_type: Literal["min", "max"] = "min"
    text_det_thresh: float = 0.3
    text_det_box_thresh: float = 0.6
    text_det_unclip_ratio: float = 1.5
    text_rec_score_thresh: float = 0.0
    return_word_box: bool = False

    @property
    def preprocessing(self) -> Steps:
        """Which steps of preprocessing run."""
        return Steps(
            use_doc_orientation_classify=self.use_doc_orientation_classify, use_doc_unwarping=self.use_doc_unwarping
        )

    @property
    def detection(self) -> dict[str, Any]:
        """The settings of text detection, by the names of `DetectionParams`."""
        return {
            "limit_side_len": self.text_det_limit_side_len,
            "limit_type": self.text_det_limit_type,
            "thresh": self.text_det_thresh,
            "box_thresh": self.text_det_box_thresh,
            "unclip_ratio": self.text_det_unclip_ratio,
        }

    def updated(self, settings: OCRSettings) -> Self:
        """These settings with those of `settings` that are given."""
        given = {field.name: getattr(settings, field.name) for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class OCRPlan:
    """Everything that decides a page's result, beside the page."""

    preprocessing: PreprocessingPlan
    detection: ModelRef
    recognition: ModelRef
    textline_orientation: ModelRef | None
    """None where the pipeline was made without the step."""
    engine: str
    precision: str
    recognition_batch_size: int | None
    textline_orientation_batch_size: int | None
    detection_input_shape: tuple[int, int, int] | None
    recognition_input_shape: tuple[int, int, int] | None
    settings: ResolvedSettings

    def settings_for(self, settings: OCRSettings) -> ResolvedSettings:
        """The settings of one call. Raises UsageError for a step that the pipeline was made without."""
        self.preprocessing.check(settings)
        if settings.use_textline_orientation and self.textline_orientation is None:
            raise UsageError("this pipeline was made with use_textline_orientation=False and cannot turn lines")
        return self.settings.updated(settings)

    def default_settings(self) -> dict[str, Any]:
        """The settings of a call that sets nothing, as plain values."""
        return dataclasses.asdict(self.settings)

    def to_plain(self) -> dict[str, Any]:
        """The plan as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_plain`."""
        values = dict(plain)
        for name in ("detection", "recognition", "textline_orientation"):
            values[name] = ModelRef.from_plain(values[name])
        values["preprocessing"] = PreprocessingPlan.from_plain(values["preprocessing"])
        for name in ("detection_input_shape", "recognition_input_shape"):
            values[name] = None if values[name] is None else tuple(values[name])
        return cls(**{**values, "settings": ResolvedSettings(**values["settings"])})


def wanted_models(options: OCROptions) -> list[Wanted]:
    """The networks that a pipeline with these options loads. Raises UsageError if there is none for the language."""
    detection = options.text_detection_model_name, options.text_detection_model_dir
    recognition = options.text_recognition_model_name, options.text_recognition_model_dir
    if not any((*detection, *recognition)):
        names = ocr_models(options.lang, options.ocr_version)
    else:
        if options.lang or options.ocr_version:
            log.warning("lang and ocr_version are ignored where names or folders of models are given")
        names = ocr_models(None, None)
    wanted = [
        *preprocessing.wanted_models(options),
        Wanted(role="text_detection", name=detection[0] or names[0], folder=detection[1]),
        Wanted(role="text_recognition", name=recognition[0] or names[1], folder=recognition[1]),
    ]
    if options.use_textline_orientation is not False:
        name = options.textline_orientation_model_name or TEXTLINE_ORIENTATION
        wanted.append(Wanted(role="textline_orientation", name=name, folder=options.textline_orientation_model_dir))
    return wanted


def resolve(options: OCROptions, *, device_type: str, progress: Progress) -> OCRPlan:
    """Decide everything that the options leave open; fetches weights that are not in the store.

    Raises UsageError, WeightsError, EngineError.
    """
    settings = ResolvedSettings().updated(options)
    DetectionParams(**settings.detection, input_shape=options.text_det_input_shape)
    engine, precision = resolve_computing(options, device_type)
    models = find(wanted_models(options), progress)
    return OCRPlan(
        preprocessing=PreprocessingPlan.of(models),
        detection=models["text_detection"],
        recognition=models["text_recognition"],
        textline_orientation=models.get("textline_orientation"),
        engine=engine,
        precision=precision,
        recognition_batch_size=options.text_recognition_batch_size,
        textline_orientation_batch_size=options.textline_orientation_batch_size,
        detection_input_shape=options.text_det_input_shape,
        recognition_input_shape=options.text_rec_input_shape,
        settings=settings,
    )
