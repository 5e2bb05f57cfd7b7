"""The stages of OCR over a batch of pages.

      pages --preprocess--> upright and flat --detect--> quads per page --sort, crop--> crops of all pages together
      crops --orient--> which may stand on their head --recognise, those both ways--> lines
      lines --per page--> record {dt_polys, rec_texts, rec_scores, rec_polys, rec_boxes, ...}

Crops of all pages of a batch meet in the recogniser, grouped by padded width, so that its batches are full even where a
page has few lines.

A line is turned if the classifier says so and the turned reading is clearly better. The classifier alone, taken at its
word as in the reference, turns 11 % of upright lines (138 of 1,205, mostly numbers and short words); so confirmed, none
of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.pages import Page
from docfleet.fleet.devices import Slot
from docfleet.models.crops import crop_quads
from docfleet.models.detection import DetectionParams, TextDetector
from docfleet.models.orientation import OrientationClassifier
from docfleet.models.quads import sort_quads
from docfleet.models.recognition import Recognition, TextRecognizer
from docfleet.models.rotate import rotate_image
from docfleet.models.words import word_regions
from docfleet.pipelines.doc_preprocessor.stages import Preprocessed, Preprocessor
from docfleet.pipelines.networks import Networks
from docfleet.pipelines.ocr.plan import OCRPlan, ResolvedSettings

CLEARLY_BETTER = 0.1
"""By how much the score of a line read upside down must be higher: a 9 read as a 6 is not, text is."""


@dataclass(frozen=True, slots=True)
class _Lines:
    """The lines of one page on their way: where they are, and which of the batch's crops are theirs."""

    quads: NDArray[np.integer[Any]]
    first: int

    def mine(self, of_all: Sequence[Any]) -> Sequence[Any]:
        """This page's share of a list with one entry per crop of the batch."""
        return of_all[self.first : self.first + len(self.quads)]


class OCRStages:
    """The networks of OCR, loaded for one slot."""

    def __init__(self, plan: Mapping[str, Any], slot: Slot) -> None:
        """Load what `plan` (an `OCRPlan` as plain values) names. Raises EngineError, WeightsError."""
        self._plan = OCRPlan.from_plain(plan)
        self._networks = Networks(self._plan.engine, self._plan.precision, slot)
        self._preprocessor = Preprocessor(self._plan.preprocessing, self._networks)
        self._detector = TextDetector(*self._networks.load(self._plan.detection))
        self._recognizer = TextRecognizer(
            *self._networks.load(self._plan.recognition),
            batch_size=self._plan.recognition_batch_size,
            input_shape=self._plan.recognition_input_shape,
        )
        self._classifier: OrientationClassifier | None = None
        if self._plan.textline_orientation is not None:
            self._classifier = OrientationClassifier(
                *self._networks.load(self._plan.textline_orientation),
                degrees=(0, 180),
                batch_size=self._plan.textline_orientation_batch_size,
            )

    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One record per page; `settings` is a `ResolvedSettings` as plain values."""
        wanted = ResolvedSettings(**settings)
        params = self._detection_params(wanted)
        lines: list[_Lines] = []
        crops: list[NDArray[np.uint8]] = []
        corrected = [self._preprocessor.run(page.image, wanted.preprocessing) for page in pages]
        detections = self._detector.detect([page.flat for page in corrected], params)
        for page, found in zip(corrected, detections, strict=True):
            quads, own = crop_quads(page.flat, found.polygons[sort_quads(found.polygons)])
            lines.append(_Lines(quads, len(crops)))
            crops.extend(own)
        angles, texts = self._read(crops, wanted)
        return [
            {
                "page_index": page.page_index,
                **self._record(before, own.quads, own.mine(angles), own.mine(texts), wanted),
            }
            for page, before, own in zip(pages, corrected, lines, strict=True)
        ]

    def _read(
        self, crops: Sequence[NDArray[np.uint8]], settings: ResolvedSettings
    ) -> tuple[list[int], list[Recognition]]:
        """Angle and reading of each crop; the angle is 1 for a crop that was turned by 180 degrees, -1 if none was."""
        words = settings.return_word_box
        if self._classifier is None or not settings.use_textline_orientation:
            return [-1] * len(crops), self._recognizer.recognize(crops, return_word_box=words)
        angles = [found.index for found in self._classifier.classify(crops)]
        doubtful = [index for index, angle in enumerate(angles) if angle]
        turned = [rotate_image(crops[index], 180) for index in doubtful]
        readings = self._recognizer.recognize([*crops, *turned], return_word_box=words)
        texts = readings[: len(crops)]
        for index, reading in zip(doubtful, readings[len(crops) :], strict=True):
            if reading.score > texts[index].score + CLEARLY_BETTER:
                texts[index] = reading
            else:
                angles[index] = 0
        return angles, texts

    def _detection_params(self, settings: ResolvedSettings) -> DetectionParams:
        return DetectionParams(**settings.detection, input_shape=self._plan.detection_input_shape)

    def _record(
        self,
        corrected: Preprocessed,
        quads: NDArray[np.integer[Any]],
        angles: Sequence[int],
        texts: Sequence[Recognition],
        settings: ResolvedSettings,
    ) -> dict[str, Any]:
        """The result of one page as plain values and arrays, in the reference's order of keys."""
        params = self._detection_params(settings)
        kept = [index for index, text in enumerate(texts) if text.score >= settings.text_rec_score_thresh]
        polys = quads[kept]
        preprocessed = settings.use_doc_orientation_classify or settings.use_doc_unwarping
        record: dict[str, Any] = {
            "doc_preprocessor_res": corrected.record() if preprocessed else {"output_img": corrected.flat},
            "dt_polys": quads,
            "model_settings": {
                "use_doc_preprocessor": preprocessed,
                "use_textline_orientation": self._classifier is not None and settings.use_textline_orientation,
            },
            "text_det_params": {
                "limit_side_len": params.limit_side_len,
                "limit_type": params.limit_type,
                "thresh": params.thresh,
                "max_side_limit": params.max_side_limit,
                "box_thresh": params.box_thresh,
                "unclip_ratio": params.unclip_ratio,
            },
            "text_type": "general",
            "text_rec_score_thresh": settings.text_rec_score_thresh,
            "return_word_box": settings.return_word_box,
            "rec_texts": [texts[index].text for index in kept],
            "rec_scores": [texts[index].score for index in kept],
            "rec_polys": polys,
        }
        if settings.return_word_box:
            record |= _words([texts[index] for index in kept], polys)
        if len(quads):
            record["textline_orientation_angles"] = list(angles)
        record["rec_boxes"] = np.hstack([polys.min(axis=1), polys.max(axis=1)]) if len(polys) else np.array([])
        return record

    def close(self) -> None:
        """Release the networks."""
        self._networks.close()


def _words(texts: Sequence[Recognition], polys: NDArray[np.integer[Any]]) -> dict[str, Any]:
    """Words of lines, their regions, and the boxes around these."""
    words, regions = [], []
    for text, poly in zip(texts, polys, strict=True):
        assert text.words is not None
        in_line, at = word_regions(text.words, poly)
        words.append(in_line)
        regions.append(at)
    boxes = [
        np.array([[*np.min(region, axis=0), *np.max(region, axis=0)] for region in line], np.int64).reshape(-1, 4)
        for line in regions
    ]
    return {"text_word": words, "text_word_region": regions, "text_word_boxes": boxes}
