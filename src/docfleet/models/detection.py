"""Text detection: where the lines of a page are.

      page (h, w, 3) --resize--> (H, W), multiples of 32 --normalise--> network --> probability (H, W) --db--> quads

One page per run of the network: pages differ in size, and at native resolution a single one fills every core.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.images import check_array
from docfleet.engines.base import Session
from docfleet.errors import UsageError
from docfleet.models.db import DBOptions, find_quads
from docfleet.models.files import ModelFiles, malformed, post_or_pre_process, reads_rgb, transform_op
from docfleet.models.normalize import Normalization

_STRIDE = 32
_SMALL_PAGE = 64
"""Pages whose height and width add up to less are padded to `_STRIDE` with black first."""
_LIMIT_TYPES = ("min", "max", "resize_long")


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectionParams:
    """How large the network sees a page, and what counts as a line. A 0 means 0.

    Raises UsageError for a value out of range.
    """

    limit_side_len: int = 64
    """Pixels; see `limit_type`."""
    limit_type: Literal["min", "max", "resize_long"] = "min"
    """`min`: enlarge until the shorter side has `limit_side_len`; `max`: shrink until the longer side has at most that;
    `resize_long`: make the longer side exactly that."""
    max_side_limit: int = 4000
    """Longest side that the network sees, whatever the limit."""
    thresh: float = 0.3
    """Probability above which a pixel is text, 0..1."""
    box_thresh: float = 0.6
    """Mean probability below which a quad is dropped, 0..1."""
    unclip_ratio: float = 1.5
    """How far quads grow: area * ratio / perimeter."""
    input_shape: tuple[int, int, int] | None = None
    """(channels, height, width) that every page is stretched to; the limits have no effect then. Height and width are
    multiples of 32, because the networks halve the page five times and add up what they saw on the way."""

    def __post_init__(self) -> None:
        if self.limit_type not in _LIMIT_TYPES:
            raise UsageError(f"text detection limit_type is {self.limit_type!r}: choose {', '.join(_LIMIT_TYPES)}")
        for name, low in (("limit_side_len", 0), ("max_side_limit", 1), ("unclip_ratio", 0)):
            if not getattr(self, name) >= low:
                raise UsageError(f"text detection {name} is {getattr(self, name)}: give a number of at least {low}")
        for name in ("thresh", "box_thresh"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"text detection {name} is {getattr(self, name)}: give a number from 0 to 1")
        shape = self.input_shape
        if shape is not None and (len(shape) != 3 or shape[0] != 3 or not _fits(shape[1:])):
            raise UsageError(
                f"text detection input_shape is {shape}: give 3, a height and a width, both multiples of {_STRIDE}"
            )


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Lines of one page, in no particular order."""

    polygons: NDArray[np.integer[Any]]
    """(n, 4, 2) corners x, y in pixels of the page, clockwise from top left; int16 (int32 on a page of over 32,767)."""
    scores: NDArray[np.float32]
    """(n,) mean probability of text inside each, 0..1."""


class TextDetector:
    """A detection network with its preparation and interpretation."""

    def __init__(self, session: Session, files: ModelFiles) -> None:
        """Read what `inference.yml` says about images and quads. Raises WeightsError if it is for other models."""
        post = post_or_pre_process(files, "PostProcess")
        if post.get("name", "DBPostProcess") != "DBPostProcess" or post.get("box_type", "quad") != "quad":
            raise malformed(files, "not a detector of text lines as quads (DBPostProcess, box_type quad)")
        resize = transform_op(files, "DetResizeForTest") or {}
        try:
            self._options = DBOptions.from_config(post)
            self._normalization = Normalization.from_op(transform_op(files, "NormalizeImage") or {})
            self._fixed = tuple(int(side) for side in resize["image_shape"]) if "image_shape" in resize else None
        except (ValueError, TypeError) as error:
            raise malformed(files, str(error)) from error
        if self._fixed is not None and (len(self._fixed) != 2 or not _fits(self._fixed)):
            raise malformed(
                files,
                f"DetResizeForTest.image_shape is {resize['image_shape']}, not a height and a width in multiples of "
                f"{_STRIDE}",
            )
        self._keep_ratio = bool(resize.get("keep_ratio", False))
        self._rgb = reads_rgb(files, default=False)
        self._session = session

    def detect(self, images: Sequence[NDArray[np.uint8]], params: DetectionParams) -> list[Detection]:
        """The lines of each page; pages are (h, w, 3) uint8, BGR.

        Raises InputError for an array that is not such a page.
        """
        return [self._detect(image, params) for image in images]

    def _detect(self, image: NDArray[np.uint8], params: DetectionParams) -> Detection:
        import cv2

        image = check_array(image)
        padded = pad_small(image)
        height, width = self._network_size(padded.shape[0], padded.shape[1], params)
        seen = padded
        if (height, width) != padded.shape[:2]:
            seen = np.asarray(cv2.resize(padded, (width, height)), np.uint8)
        batch = np.empty((1, 3, height, width), np.float32)
        self._normalization.into(batch[0], seen[:, :, ::-1] if self._rgb else seen)
        quads, scores = find_quads(
            self._session.run([batch])[0][0, 0],
            # The reference maps a padded page onto the unpadded one, so that its quads shrink; ours stay in place.
            covers=(padded.shape[0], padded.shape[1]),
            page=(image.shape[0], image.shape[1]),
            thresh=params.thresh,
            box_thresh=params.box_thresh,
            unclip_ratio=params.unclip_ratio,
            options=self._options,
        )
        return Detection(quads, scores)

    def _network_size(self, height: int, width: int, params: DetectionParams) -> tuple[int, int]:
        if params.input_shape is not None:
            return params.input_shape[1], params.input_shape[2]
        if self._fixed is not None:
            fixed_height, fixed_width = self._fixed
            if self._keep_ratio:
                fixed_width = math.ceil(width * fixed_height / height / _STRIDE) * _STRIDE
            return fixed_height, fixed_width
        return network_size(height, width, params)


def network_size(height: int, width: int, params: DetectionParams) -> tuple[int, int]:
    """Height and width, multiples of 32, at which the network sees a page of `height` x `width` pixels.

    Both are at least 32 and neither is over `max_side_limit` (rounded to 32). Halves round to even multiples.
    """
    ratio = 1.0
    limit = params.limit_side_len
    if params.limit_type == "resize_long":
        ratio = limit / max(height, width)
    elif params.limit_type == "max":
        ratio = min(1.0, limit / max(height, width))
    elif min(height, width) < limit:
        ratio = limit / min(height, width)
    sides = [int(height * ratio), int(width * ratio)]
    if max(sides) > params.max_side_limit:
        ratio = params.max_side_limit / max(sides)
        sides = [int(side * ratio) for side in sides]
    high, wide = (max(round(side / _STRIDE) * _STRIDE, _STRIDE) for side in sides)
    return high, wide


def pad_small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A tiny page on a black ground of at least 32 x 32, at its top left; other pages as they are."""
    height, width = image.shape[:2]
    if height + width >= _SMALL_PAGE:
        return image
    padded = np.zeros((max(_STRIDE, height), max(_STRIDE, width), 3), np.uint8)
    padded[:height, :width] = image
    return padded


def _fits(sides: Sequence[int]) -> bool:
    return all(side >= _STRIDE and side % _STRIDE == 0 for side in sides)
