"""The result of OCR on one page: lines of text with polygons, scores and, on request, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from docfleet.results.base import BaseResult


class OCRResult(BaseResult):
    """Text lines of one page, with the reference's keys.

    Coordinates are pixels of `doc_preprocessor_res["output_img"]`, x to the right and y down.

    - `dt_polys`: list of (4, 2) int16 arrays, all detected lines in reading order, corners from top left clockwise
    - `rec_texts`, `rec_scores`, `rec_polys`, `rec_boxes`: the lines kept, that is with a score of at least
      `text_rec_score_thresh`; scores in 0..1; boxes are an (N, 4) int16 array of xmin, ymin, xmax, ymax
    - `textline_orientation_angles`: per detected line 0 (upright) or 1 (turned by 180 degrees), -1 when not looked for;
      absent on a page without lines
    - with `return_word_box`: `text_word` (list of words per line), `text_word_boxes` (list of (k, 4) int64 arrays) and
      `text_word_region` (four corner points per word)
    """

    json_keys: ClassVar[tuple[str, ...]] = (
        "input_path", "page_index", "model_settings", "dt_polys", "text_det_params", "text_type",
        "textline_orientation_angles", "text_rec_score_thresh", "return_word_box", "rec_texts", "rec_scores",
        "rec_polys", "rec_boxes", "text_word_boxes", "text_word",
    )  # fmt: skip

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild the result from a worker's record: polygons arrive as one (N, 4, 2) array, regions as lists."""
        result = cls(record)
        for key in ("dt_polys", "rec_polys"):
            result[key] = list(result[key])
        if "text_word_region" in result:
            result["text_word_region"] = [
                [tuple((x, y) for x, y in region) for region in line] for line in result["text_word_region"]
            ]
        return result

    @property
    def texts(self) -> Sequence[str]:
        """The text of each line, in reading order."""
        return self["rec_texts"]  # type: ignore[no-any-return]

    @property
    def scores(self) -> Sequence[float]:
        """How sure the recogniser is of each line, 0..1."""
        return self["rec_scores"]  # type: ignore[no-any-return]

    @property
    def polygons(self) -> Sequence[NDArray[np.int16]]:
        """Four corner points of each line, (4, 2), pixels, from top left clockwise."""
        return self["rec_polys"]  # type: ignore[no-any-return]

    @property
    def text(self) -> str:
        """The page as plain text, one line of the page per line."""
        return "\n".join(self.texts)
