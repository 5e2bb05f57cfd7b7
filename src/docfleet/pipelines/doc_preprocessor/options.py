"""The options of `DocPreprocessor`, and the part of them that pipelines with a preprocessing step share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.options import option


@dataclass(frozen=True, kw_only=True)
class PreprocessingSettings:
    """What may differ from one call of `predict` to the next. None leaves the pipeline's own setting."""

    use_doc_orientation_classify: bool | None = option(help="turn pages upright first (default True)")
    use_doc_unwarping: bool | None = option(help="make warped pages flat (default True)")


@dataclass(frozen=True, kw_only=True)
class PreprocessingModels:
    """The networks of both steps."""

    doc_orientation_classify_model_name: str | None = option(
        help="network that finds which way up a page is (default PP-LCNet_x1_0_doc_ori)"
    )
    doc_orientation_classify_model_dir: str | None = option(
        help="folder of that network: inference.onnx and inference.yml"
    )
    doc_unwarping_model_name: str | None = option(help="network that makes pages flat (default UVDoc)")
    doc_unwarping_model_dir: str | None = option(help="folder of that network: inference.onnx and inference.yml")


@dataclass(frozen=True, kw_only=True)
class DocPreprocessorCall(PreprocessingSettings):
    """The arguments of one `predict`."""

    input: Any = field(kw_only=False)
    """Path, folder, glob pattern, array (HxWx3 uint8 BGR), or a list, tuple, iterator or generator of these."""


@dataclass(frozen=True, kw_only=True)
class DocPreprocessorOptions(PreprocessingModels, CommonOptions, PreprocessingSettings):
    """Keyword arguments of `DocPreprocessor`, with the reference's names, meanings and defaults."""
