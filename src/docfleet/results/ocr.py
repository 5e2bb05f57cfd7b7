"""The result of OCR on one page: lines of text with polygons, scores and, on request, words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from docfleet.results.doc_preprocessor import DocPreprocessorResult
from docfleet.results.drawings import lines_of_text
from docfleet.results.drawn import DrawnResult
from docfleet.results.fonts import Fonts
from docfleet.results.geometry import as_points

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class OCRResult(DrawnResult):
    """Text lines of one page, with the reference's keys.

    Coordinates are pixels of `doc_preprocessor_res["output_img"]`, the page upright and flat, x to the right and y
    down. `original_polygons` and `to_original` give them on the page as it came.

    - `doc_preprocessor_res`: a `DocPreprocessorResult`, or just `{"output_img": page}` where both steps are off
    - `dt_polys`: list of (4, 2) int16 arrays, all detected lines in reading order, corners from top left clockwise
    - `rec_texts`, `rec_scores`, `rec_polys`, `rec_boxes`: the lines kept, that is with a score of at least
      `text_rec_score_thresh`; scores in 0..1; boxes are an (N, 4) int16 array of xmin, ymin, xmax, ymax
    - `textline_orientation_angles`: per detected line 0 (upright) or 1 (turned by 180 degrees), -1 when not looked for;
      absent on a page without lines
    - with `return_word_box`: `text_word` (list of words per line), `text_word_boxes` (list of (k, 4) int64 arrays) and
      `text_word_region` (four corner points per word)
    """

    json_keys: ClassVar[tuple[str, ...]] = (
        "input_path", "page_index", "model_settings", "doc_preprocessor_res", "dt_polys", "text_det_params",
        "text_type", "textline_orientation_angles", "text_rec_score_thresh", "return_word_box", "rec_texts",
        "rec_scores", "rec_polys", "rec_boxes", "text_word_boxes", "text_word",
    )  # fmt: skip

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild the result from a worker's record: polygons arrive as one (N, 4, 2) array, regions as lists."""
        result = cls(record)
        if "input_img" in result["doc_preprocessor_res"]:
            result["doc_preprocessor_res"] = DocPreprocessorResult.from_record(result["doc_preprocessor_res"])
        for key in ("dt_polys", "rec_polys"):
            result[key] = list(result[key])
        if "text_word_region" in result:
            result["text_word_region"] = [
                [tuple((x, y) for x, y in region) for region in line] for line in result["text_word_region"]
            ]
        return result

    def _json_values(self) -> Mapping[str, Any]:
        values = dict(self)
        preprocessed = values.pop("doc_preprocessor_res")
        if isinstance(preprocessed, DocPreprocessorResult):
            values["doc_preprocessor_res"] = preprocessed.json["res"]
        return values

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

    @property
    def original_polygons(self) -> list[NDArray[np.float32]]:
        """The `polygons` on the page as it came: (4, 2) float32, pixels. Raises as `to_original`."""
        return list(self.to_original(np.asarray(self.polygons, np.float32).reshape(-1, 4, 2)))

    def to_original(self, points: Any) -> NDArray[np.float32]:
        """Where points of the page that was read are on the page as it came: (..., 2), x and y in pixels.

        A line that is straight here may be bent there. Raises UsageError where the page was made flat by a network that
        does not tell where points come from (see `DocPreprocessorResult.to_original`).
        """
        preprocessed = self["doc_preprocessor_res"]
        if isinstance(preprocessed, DocPreprocessorResult):
            return preprocessed.to_original(points)
        return as_points(points).reshape(np.shape(points))

    def drawings(self, fonts: Fonts) -> dict[str, Picture]:
        """Lines, or words where there are any, over the page and as text; and how the page was corrected, if it was."""
        preprocessed = self["doc_preprocessor_res"]
        quads, texts = self["rec_polys"], self["rec_texts"]
        if "text_word_region" in self:
            quads = [quad for line in self["text_word_region"] for quad in line]
            texts = [word for line in self["text_word"] for word in line]
        drawn = {"ocr_res_img": lines_of_text(preprocessed["output_img"], quads, texts, fonts)}
        return drawn | preprocessed.drawings(fonts) if isinstance(preprocessed, DocPreprocessorResult) else drawn
