"""The way back from the corrected page to the page as it came."""

from __future__ import annotations

import numpy as np
import pytest

from docfleet.models.rotate import turn_upright
from docfleet.models.unwarping import sample
from docfleet.results.geometry import as_points, turned_back, unsampled


def places(height: int, width: int) -> np.ndarray:
    """A page whose pixels say where they are: x in blue, y in green."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x, y, np.zeros_like(x)], axis=-1).astype(np.uint8)


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_turned_pixel_is_found_again(angle: int) -> None:
    page = places(37, 91)
    turned = turn_upright(page, angle)
    y, x = np.mgrid[0 : turned.shape[0], 0 : turned.shape[1]]
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    found = turned_back(points, angle, (37, 91))
    assert np.array_equal(found, turned.reshape(-1, 3)[:, :2].astype(np.float32))


def bent(height: int, width: int) -> np.ndarray:
    """A grid of a sheet that lies askew and curled in the middle of a page."""
    x, y = np.meshgrid(np.linspace(0.1, 0.9, 31), np.linspace(0.15, 0.85, 45))
    curled = np.stack([x * (width - 1) + 3 * np.sin(9 * y), y * (height - 1) + 4 * np.sin(7 * x)], axis=-1)
    return curled.astype(np.float32)


def test_a_sampled_pixel_is_found_again() -> None:
    """The page's pixels say where they were, so that the flat page says where it was sampled."""
    page, grid = places(200, 240), bent(200, 240)
    flat = sample(page, grid)
    y, x = np.mgrid[0:200, 0:240]
    found = unsampled(np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32), grid, (200, 240))
    # Half a pixel of rounding, and OpenCV's 32nds of a pixel.
    assert np.abs(found - flat.reshape(-1, 3)[:, :2]).max() < 0.5 + 2 / 32


def test_between_pixels_and_past_the_edge_it_goes_on() -> None:
    grid = np.stack(np.meshgrid(np.float32([10, 110]), np.float32([20, 420])), axis=-1)
    points = np.float32([[0, 0], [100, 200], [25.5, 50], [-10, 0], [110, 220]])
    expected = [[10, 20], [110, 420], [35.5, 120], [0, 20], [120, 460]]
    assert np.allclose(unsampled(points, grid, (201, 101)), expected, atol=1e-4)


def test_a_page_of_one_pixel() -> None:
    grid = np.full((45, 31, 2), 0, np.float32)
    assert np.array_equal(unsampled(np.float32([[0, 0]]), grid, (1, 1)), [[0, 0]])


@pytest.mark.parametrize("points", [1, [1, 2, 3], [[1], [2]]])
def test_what_is_no_points_is_refused(points: object) -> None:
    with pytest.raises(ValueError, match="the last axis holds x and y"):
        as_points(points)
