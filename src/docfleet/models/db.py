"""From a map of text probability to quads: the post-processing of Differentiable Binarization.

      probability (h, w) --> thresh--> mask --contours--> smallest rectangle --mean probability inside--> score
          --unclip: moved outwards by area * ratio / perimeter--> smallest rectangle again --scaled--> quad on the page

After Liao et al., "Real-time Scene Text Detection with Differentiable Binarization" (AAAI 2020), with the figures and
roundings of PaddleOCR's implementation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from docfleet.models.quads import min_area_quad

_MIN_SIDE = 3
"""Rectangles with a shorter side are noise; pixels of the map. After unclipping 2 more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DBOptions:
    """What belongs to the model rather than to the call."""

    max_candidates: int = 1000
    """Contours looked at, in the order in which OpenCV finds them."""
    use_dilation: bool = False
    """Whether the mask grows by one pixel to the right and down first."""
    score_mode: Literal["fast", "slow"] = "fast"
    """Mean probability inside the rectangle, or inside the contour."""

    @classmethod
    def from_config(cls, parameters: Mapping[str, Any]) -> Self:
        """From the section `PostProcess`. Raises ValueError for an unknown score mode."""
        mode = parameters.get("score_mode", "fast")
        if mode not in ("fast", "slow"):
            raise ValueError(f"score_mode is {mode!r}, which is neither fast nor slow")
        return cls(
            max_candidates=int(parameters.get("max_candidates", 1000)),
            use_dilation=bool(parameters.get("use_dilation", False)),
            score_mode=mode,
        )


def find_quads(
    probability: NDArray[np.float32],
    *,
    covers: tuple[int, int],
    page: tuple[int, int],
    thresh: float,
    box_thresh: float,
    unclip_ratio: float,
    options: DBOptions,
) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
    """Quads (n, 4, 2) on the page and their scores (n,) in 0..1, in the order of their contours.

    `probability` is (h, w) and stands for `covers` (height, width) pixels; quads end at the edges of `page` (height,
    width), which is smaller where the page was padded. Quads are int16, or int32 on a page of over 32,767 pixels.
    """
    height, width = probability.shape
    scale = np.array([covers[1] / width, covers[0] / height])
    limit = np.array([page[1], page[0]])
    dtype: type[np.integer[Any]] = np.int16 if max(page) <= np.iinfo(np.int16).max else np.int32
    quads, scores = [], []
    for contour in _contours(probability, thresh, options):
        quad, side = min_area_quad(contour)
        if side < _MIN_SIDE:
            continue
        inside = quad if options.score_mode == "fast" else contour.reshape(-1, 2)
        score = _mean_inside(probability, inside)
        if score < box_thresh:
            continue
        outline = unclip(quad, unclip_ratio)
        if not len(outline):
            continue
        quad, side = min_area_quad(outline)
        if side < _MIN_SIDE + 2:
            continue
        quads.append(np.clip(np.rint(quad * scale), 0, limit).astype(dtype))
        scores.append(score)
    return np.asarray(quads, dtype).reshape(-1, 4, 2), np.asarray(scores, np.float32)


def unclip(quad: NDArray[np.float32], ratio: float) -> NDArray[np.int32]:
    """The outline (n, 2) of `quad` (4, 2) moved outwards by area * ratio / perimeter, with round corners.

    Empty where nothing is left of it.
    """
    import cv2
    import pyclipper

    offset = pyclipper.PyclipperOffset()
    # Clipper computes in integers and truncates: doing it here shows what the outline is really made from.
    offset.AddPath(quad.astype(np.int64).tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    paths = offset.Execute(cv2.contourArea(quad) * ratio / cv2.arcLength(quad, True))
    return np.array(paths[0] if paths else [], np.int32).reshape(-1, 2)


def _contours(probability: NDArray[np.float32], thresh: float, options: DBOptions) -> Iterator[NDArray[np.int32]]:
    import cv2

    mask = (probability > thresh).view(np.uint8)
    if options.use_dilation:
        mask = np.asarray(cv2.dilate(mask, np.ones((2, 2), np.uint8)), np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    for contour in contours[: options.max_candidates]:
        yield np.asarray(contour, np.int32)


def _mean_inside(probability: NDArray[np.float32], points: NDArray[Any]) -> float:
    """Mean probability over the pixels of the polygon `points` (n, 2), its corners truncated to whole pixels."""
    import cv2

    height, width = probability.shape
    corners = points.astype(np.int32)
    left, top = np.clip(corners.min(axis=0), 0, (width - 1, height - 1)).tolist()
    right, bottom = np.clip(corners.max(axis=0), 0, (width - 1, height - 1)).tolist()
    mask = np.zeros((bottom - top + 1, right - left + 1), np.uint8)
    cv2.fillPoly(mask, [corners], 1, offset=(-left, -top))
    return float(cv2.mean(probability[top : bottom + 1, left : right + 1], mask)[0])
