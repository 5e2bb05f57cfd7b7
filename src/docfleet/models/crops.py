"""Cutting lines out of a page: each quad becomes an upright image.

      quad --smallest rectangle again--> width, height --perspective warp, cubic--> crop --upright? else rot90--> crop

A quad whose rectangle is thinner than one pixel has no crop and is dropped (the reference takes the whole page there).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from docfleet.models.quads import min_area_quad

_VERTICAL = 1.5
"""Crops at least this many times as high as wide are turned by 90 degrees counter-clockwise."""
_WARP_LIMIT = 32_766
"""Longest side of images that OpenCV's warps take."""
_MARGIN = 8
"""Pixels around a quad that the cubic warp may look at, and some."""


def crop_quads(image: NDArray[np.uint8], quads: NDArray[Any]) -> tuple[NDArray[Any], list[NDArray[np.uint8]]]:
    """The crops of `quads` (n, 4, 2) from a page (h, w, 3), and the quads that have one, both in the given order."""
    crops = [crop_quad(image, quad) for quad in quads]
    kept = np.array([crop is not None for crop in crops], bool)
    return quads[kept], [crop for crop in crops if crop is not None]


def crop_quad(image: NDArray[np.uint8], quad: NDArray[Any]) -> NDArray[np.uint8] | None:
    """The content of one quad (4, 2) as an image (h, w, 3) of its own, or None if it is thinner than one pixel."""
    import cv2

    corners, _ = min_area_quad(np.asarray(quad).astype(np.int32))
    top_left, top_right, bottom_right, bottom_left = corners
    width = _length(top_left - top_right, bottom_right - bottom_left)
    height = _length(top_left - bottom_left, top_right - bottom_right)
    if not width or not height:
        return None
    if max(image.shape[:2]) > _WARP_LIMIT:
        image, corners = _around(image, corners)
    upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    crop = cv2.warpPerspective(
        image,
        cv2.getPerspectiveTransform(corners, upright),
        (width, height),
        flags=cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )
    # A copy where turned: rot90 is a view, and OpenCV takes its input row by row.
    return np.asarray(np.ascontiguousarray(np.rot90(crop)) if height / width >= _VERTICAL else crop, np.uint8)


def _length(side: NDArray[np.float32], opposite: NDArray[np.float32]) -> int:
    return min(int(max(np.linalg.norm(side), np.linalg.norm(opposite))), _WARP_LIMIT)


def _around(image: NDArray[np.uint8], corners: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The part of a very long page that holds the quad, and the quad's corners in it."""
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - _MARGIN, 0)
    high = np.ceil(corners.max(axis=0)).astype(int) + _MARGIN
    high = np.minimum(high, low + _WARP_LIMIT)
    return image[low[1] : high[1], low[0] : high[0]], corners - low.astype(np.float32)
