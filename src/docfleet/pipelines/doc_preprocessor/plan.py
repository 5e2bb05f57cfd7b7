"""What preprocessing will run, with nothing left to decide; for `DocPreprocessor`, and as a part of other plans.

DocPreprocessorOptions --resolve (parent, once)--> DocPreprocessorPlan --as plain values--> every instance
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from docfleet.errors import UsageError
from docfleet.pipelines.doc_preprocessor.options import DocPreprocessorOptions, PreprocessingSettings
from docfleet.pipelines.networks import ModelRef, Wanted, find, resolve_computing
from docfleet.weights import Progress

ORIENTATION, UNWARPING = "doc_orientation_classify", "doc_unwarping"
_DEFAULTS = {ORIENTATION: "PP-LCNet_x1_0_doc_ori", UNWARPING: "UVDoc"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Which steps run, with the reference's defaults."""

    use_doc_orientation_classify: bool = True
    use_doc_unwarping: bool = True

    def updated(self, settings: PreprocessingSettings) -> Self:
        """These with those of `settings` that are given; each stands for itself."""
        given = {field.name: getattr(settings, field.name) for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: value for name, value in given.items() if value is not None})


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessingPlan:
    """The networks of the steps; None for a step that the pipeline was made without."""

    orientation: ModelRef | None
    unwarping: ModelRef | None

    def check(self, settings: PreprocessingSettings) -> None:
        """Raises UsageError if `settings` ask for a step that the pipeline was made without."""
        for model, name, does in (
            (self.orientation, "use_doc_orientation_classify", "turn pages"),
            (self.unwarping, "use_doc_unwarping", "make pages flat"),
        ):
            if getattr(settings, name) and model is None:
                raise UsageError(f"this pipeline was made with {name}=False and cannot {does}")

    @classmethod
    def of(cls, models: Mapping[str, ModelRef]) -> Self:
        """From the networks by role."""
        return cls(orientation=models.get(ORIENTATION), unwarping=models.get(UNWARPING))

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`."""
        return cls(**{name: ModelRef.from_plain(model) for name, model in plain.items()})


def wanted_models(options: Any) -> list[Wanted]:
    """The networks that `options`, with the fields of `PreprocessingSettings` and `PreprocessingModels`, ask for."""
    return [
        Wanted(
            role=role,
            name=getattr(options, f"{role}_model_name") or default,
            folder=getattr(options, f"{role}_model_dir"),
        )
        for role, default in _DEFAULTS.items()
        if getattr(options, f"use_{role}") is not False
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class DocPreprocessorPlan:
    """Everything that decides a page's result, beside the page."""

    preprocessing: PreprocessingPlan
    engine: str
    precision: str
    settings: Steps

    def settings_for(self, settings: PreprocessingSettings) -> Steps:
        """The steps of one call. Raises UsageError for a step that the pipeline was made without."""
        self.preprocessing.check(settings)
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
        return cls(
            preprocessing=PreprocessingPlan.from_plain(plain["preprocessing"]),
            engine=plain["engine"],
            precision=plain["precision"],
            settings=Steps(**plain["settings"]),
        )


def resolve(options: DocPreprocessorOptions, *, device_type: str, progress: Progress) -> DocPreprocessorPlan:
    """Decide everything that the options leave open; fetches weights that are not in the store.

    Raises UsageError, WeightsError, EngineError.
    """
    engine, precision = resolve_computing(options, device_type)
    return DocPreprocessorPlan(
        preprocessing=PreprocessingPlan.of(find(wanted_models(options), progress)),
        engine=engine,
        precision=precision,
        settings=Steps().updated(options),
    )
