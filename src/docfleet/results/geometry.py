"""From the page as it was corrected back to the page as it came.

      input page  --turned counter-clockwise by angle-->  turned page  --sampled by the grid-->  output page
           <------------ turned_back ----------------        <----------- unsampled ---------

Points are x and y in pixels, to the right and down, with (0, 0) in the middle of the first pixel, as OpenCV has it.
Both ways are exact: a quarter turn moves whole pixels, and the grid says where each point of the output was taken from.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def turned_back(points: NDArray[np.float32], angle: int, size: tuple[int, int]) -> NDArray[np.float32]:
    """Where points (n, 2) of the turned page are on the input page, which has `size` (height, width) pixels.

    `angle` is what the page was turned by, counter-clockwise: 0, 90, 180 or 270 degrees.
    """
    x, y = points[:, 0], points[:, 1]
    bottom, right = size[0] - 1, size[1] - 1
    where = {0: (x, y), 90: (right - y, x), 180: (right - x, bottom - y), 270: (y, bottom - x)}[angle]
    return np.stack(where, axis=1).astype(np.float32)


def unsampled(points: NDArray[np.float32], grid: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Where points (n, 2) of the output page, of `size` (height, width), were sampled from on the turned page.

    `grid` (rows, columns, 2) holds the x and y of points spread evenly over the output page, corner to corner; between
    them it is bilinear, as in the sampling. Past the page's edge it goes on as it ended.
    """
    (left, right, across), (above, below, down) = (
        _between(points[:, axis], length, count)
        for axis, length, count in ((0, size[1], grid.shape[1]), (1, size[0], grid.shape[0]))
    )
    upper = grid[above, left] * (1 - across) + grid[above, right] * across
    lower = grid[below, left] * (1 - across) + grid[below, right] * across
    return np.asarray(upper * (1 - down) + lower * down, np.float32)


def _between(
    along: NDArray[np.float32], length: int, count: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
    """The grid's lines before and after each coordinate, and the share (n, 1) of the latter."""
    place = along.astype(np.float64) * ((count - 1) / max(length - 1, 1))
    before = place.astype(np.intp).clip(0, count - 2)
    return before, before + 1, (place - before)[:, None]


def as_points(points: Any) -> NDArray[np.float32]:
    """Anything of shape (..., 2) as (n, 2) float32. Raises ValueError for another shape."""
    given = np.asarray(points, np.float32)
    if given.ndim == 0 or given.shape[-1] != 2:
        raise ValueError(f"points of shape {given.shape}: the last axis holds x and y")
    return given.reshape(-1, 2)
