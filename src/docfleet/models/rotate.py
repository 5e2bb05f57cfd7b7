"""Turning images: lines as the reference does, with its half-pixel error; pages by whole quarters, without any."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray


def rotate_image(image: NDArray[np.uint8], angle: float) -> NDArray[np.uint8]:
    """`image` (h, w, 3) turned counter-clockwise by `angle` degrees, 0 <= angle < 360, on black ground.

    The centre is taken at (w/2, h/2) instead of between the middle pixels, so that the content is off by one pixel and
    a black line appears: at 90 degrees the top row, at 180 the top row and the left column, at 270 the left column.
    Networks see what they see in the reference only if we do the same; `np.rot90` turns without error.

    Raises ValueError for another angle.
    """
    import cv2

    if not 0 <= angle < 360:
        raise ValueError(f"angle is {angle}: give 0 up to, not including, 360 degrees")
    if math.isclose(angle, 0, abs_tol=1e-7):
        return image
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    new_width, new_height = int(height * sine + width * cosine), int(height * cosine + width * sine)
    matrix[:, 2] += (new_width - width) / 2, (new_height - height) / 2
    return np.asarray(cv2.warpAffine(image, matrix, (new_width, new_height), flags=cv2.INTER_CUBIC), np.uint8)


def turn_upright(page: NDArray[np.uint8], angle: int) -> NDArray[np.uint8]:
    """`page` (h, w, 3) turned counter-clockwise by 0, 90, 180 or 270 degrees; every pixel is kept.

    The reference turns pages by `rotate_image`, too: the content is off by a pixel, one row or column of it is lost,
    and a black line takes its place. That is a flaw in a page that is kept; see `moved_as_in_reference`.
    """
    import cv2

    codes = {90: cv2.ROTATE_90_COUNTERCLOCKWISE, 180: cv2.ROTATE_180, 270: cv2.ROTATE_90_CLOCKWISE}
    return np.asarray(cv2.rotate(page, codes[angle]), np.uint8) if angle else page


def moved_as_in_reference(page: NDArray[np.uint8], angle: int) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """A page that `turn_upright` turned, as the reference has it: moved, a black line before it; and by how far, x, y.

    For a network whose answer depends on that line: unwarping moves points by up to 25 pixels because of it.
    """
    right, down = {90: (0, 1), 180: (1, 1), 270: (1, 0)}.get(angle, (0, 0))
    if not (right or down):
        return page, (0, 0)
    moved = np.zeros_like(page)
    moved[down:, right:] = page[: page.shape[0] - down, : page.shape[1] - right]
    return moved, (right, down)
