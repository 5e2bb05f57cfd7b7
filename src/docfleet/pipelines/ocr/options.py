"""The options of `PaddleOCR`: what its constructor, `predict` and `docfleet ocr` take."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.doc_preprocessor.options import PreprocessingModels, PreprocessingSettings
from docfleet.pipelines.ocr.languages import VERSIONS
from docfleet.pipelines.options import option


@dataclass(frozen=True, kw_only=True)
class OCRSettings(PreprocessingSettings):
    """What may differ from one call of `predict` to the next. None leaves the pipeline's own setting."""

    use_textline_orientation: bool | None = option(
        help="turn lines that stand on their head (default True)", formerly="use_angle_cls"
    )
    text_det_limit_side_len: int | None = option(
        help="side length the page is brought to for detection, pixels (default 64)",
        minimum=1, formerly="det_limit_side_len",
    )  # fmt: skip
    text_det_limit_type: str | None = option(
        help="min: the short side is at least the limit (default); max: the long side is at most the limit",
        choices=("min", "max"), formerly="det_limit_type",
    )  # fmt: skip
    text_det_thresh: float | None = option(
        help="score from which a pixel counts as text, 0 to 1 (default 0.3)",
        minimum=0, maximum=1, formerly="det_db_thresh",
    )  # fmt: skip
    text_det_box_thresh: float | None = option(
        help="mean score from which a region counts as a line, 0 to 1 (default 0.6)",
        minimum=0, maximum=1, formerly="det_db_box_thresh",
    )  # fmt: skip
    text_det_unclip_ratio: float | None = option(
        help="how far a detected region is widened (default 1.5)", minimum=0, formerly="det_db_unclip_ratio"
    )
    text_rec_score_thresh: float | None = option(
        help="score from which a line is kept, 0 to 1 (default 0: all)", minimum=0, maximum=1
    )
    return_word_box: bool | None = option(help="also return words and their boxes (default False)")


@dataclass(frozen=True, kw_only=True)
class OCRCall(OCRSettings):
    """The arguments of one `predict`."""

    input: Any = field(kw_only=False)
    """Path, folder, glob pattern, array (HxWx3 uint8 BGR), or a list, tuple, iterator or generator of these."""


@dataclass(frozen=True, kw_only=True)
class OCROptions(PreprocessingModels, CommonOptions, OCRSettings):
    """Keyword arguments of `PaddleOCR`, with the reference's names, meanings and defaults."""

    text_detection_model_name: str | None = option(help="network that finds lines (default PP-OCRv6_small_det)")
    text_detection_model_dir: str | None = option(
        help="folder of that network: inference.onnx and inference.yml", formerly="det_model_dir"
    )
    textline_orientation_model_name: str | None = option(
        help="network that finds lines standing on their head (default PP-OCR_mobile_v2.0_textline_cls)"
    )
    textline_orientation_model_dir: str | None = option(help="folder of that network", formerly="cls_model_dir")
    textline_orientation_batch_size: int | None = option(
        help="lines classified together", minimum=1, formerly="cls_batch_num"
    )
    text_recognition_model_name: str | None = option(help="network that reads lines (default PP-OCRv6_small_rec)")
    text_recognition_model_dir: str | None = option(
        help="folder of that network: inference.onnx and inference.yml", formerly="rec_model_dir"
    )
    text_recognition_batch_size: int | None = option(
        help="lines of equal width read together", minimum=1, formerly="rec_batch_num"
    )
    text_det_input_shape: tuple[int, int, int] | None = option(
        help="fixed input C H W of the detection network: 3, and multiples of 32", length=3, minimum=1
    )
    text_rec_input_shape: tuple[int, int, int] | None = option(
        help="fixed input C H W of the recognition network: 3, its height (48) and a width of at least 8",
        length=3,
        minimum=1,
    )
    lang: str | None = option(help="language of the text: ch, en, japan, korean, french, ... (default ch)")
    ocr_version: str | None = option(help="generation of the networks", choices=VERSIONS)
