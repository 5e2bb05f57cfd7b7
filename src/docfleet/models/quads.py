"""Quadrangles: the smallest rectangle around points, and reading order.

Corners are always in the order top left, top right, bottom right, bottom left; x to the right, y down, in pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SAME_LINE = 10
"""Two quads whose top left corners are less than this apart in y, in pixels, count as one line of text."""


def min_area_quad(points: NDArray[Any]) -> tuple[NDArray[np.float32], float]:
    """The rectangle of smallest area around `points`, (n, 2) int32 or float32, and its shorter side.

    The corners are a (4, 2) float32 array: of the two left-most ones the upper is the top left, and so on the right.
    """
    import cv2

    rectangle = cv2.minAreaRect(points)
    corners = cv2.boxPoints(rectangle)
    a, b, c, d = corners[np.argsort(corners[:, 0], kind="stable")]
    top_left, bottom_left = (a, b) if b[1] > a[1] else (b, a)
    top_right, bottom_right = (c, d) if d[1] > c[1] else (d, c)
    return np.stack([top_left, top_right, bottom_right, bottom_left]), min(rectangle[1])


def sort_quads(quads: NDArray[Any]) -> NDArray[np.intp]:
    """Reading order of quads (n, 4, 2), as indices: by top left corner, y before x, and by x within a line.

    What is one line is decided between neighbours only: a quad moves before its predecessor as long as the two are on
    the same line and stand in the wrong order. The reference's algorithm, step for step.
    """
    corner = [(int(y), int(x)) for x, y in np.asarray(quads)[:, 0]]
    order = sorted(range(len(corner)), key=corner.__getitem__)
    for last in range(1, len(order)):
        for here in range(last, 0, -1):
            (y, x), (before_y, before_x) = corner[order[here]], corner[order[here - 1]]
            if abs(y - before_y) >= SAME_LINE or x >= before_x:
                break
            order[here - 1], order[here] = order[here], order[here - 1]
    return np.array(order, np.intp)
