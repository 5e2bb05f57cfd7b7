import numpy as np
import pytest

from docfleet.models.quads import min_area_quad, sort_quads


@pytest.mark.parametrize("turn", range(4))
def test_corners_are_ordered_wherever_they_start(turn):
    corners = np.array([[10, 20], [110, 20], [110, 50], [10, 50]], np.int32)
    quad, side = min_area_quad(np.roll(corners, turn, axis=0))
    np.testing.assert_allclose(quad, corners, atol=1e-3)
    assert side == pytest.approx(30)


@pytest.mark.parametrize("rise", [-30, 30])
def test_corners_of_a_tilted_line(rise):
    along, down = np.array([100, rise]), np.array([-rise, 100]) * 0.3
    corners = np.add([0 * along, along, along + down, down], [50, 100])
    quad, _ = min_area_quad(corners.astype(np.int32))
    np.testing.assert_allclose(quad, corners, atol=1)


def at(*places: tuple[int, int]) -> np.ndarray:
    """Quads with their top left corners at (x, y)."""
    return np.array([[[x, y], [x + 40, y], [x + 40, y + 12], [x, y + 12]] for x, y in places], np.int16)


def order(*places: tuple[int, int]) -> list[tuple[int, int]]:
    return [places[index] for index in sort_quads(at(*places))]


def test_top_to_bottom():
    assert order((0, 90), (50, 10), (0, 50)) == [(50, 10), (0, 50), (0, 90)]


def test_left_to_right_where_tops_differ_by_less_than_ten():
    assert order((200, 100), (0, 109), (100, 104)) == [(0, 109), (100, 104), (200, 100)]
    assert order((200, 100), (0, 110)) == [(200, 100), (0, 110)]


def test_a_quad_moves_only_past_neighbours_on_its_line():
    # (0, 112) is on the line of (50, 105), but not on that of (90, 100), before which (50, 105) has moved.
    assert order((90, 100), (50, 105), (0, 112)) == [(50, 105), (90, 100), (0, 112)]


def test_far_coordinates_do_not_overflow():
    assert order((30000, 32000), (30000, -32000)) == [(30000, -32000), (30000, 32000)]


def test_no_quads():
    assert sort_quads(np.zeros((0, 4, 2), np.int16)).tolist() == []
