import numpy as np
import pytest

from docfleet.models.rotate import moved_as_in_reference, rotate_image, turn_upright

IMAGE = np.random.default_rng(0).integers(1, 256, (5, 8, 3), dtype=np.uint8)


def test_half_turn_is_shifted_by_one_pixel():
    turned = rotate_image(IMAGE, 180)
    assert turned.shape == IMAGE.shape
    assert not turned[0].any()
    assert not turned[:, 0].any()
    np.testing.assert_array_equal(turned[1:, 1:], np.rot90(IMAGE, 2)[:-1, :-1])


def test_quarter_turn_counter_clockwise():
    turned = rotate_image(IMAGE, 90)
    assert turned.shape == (8, 5, 3)
    assert not turned[0].any()
    np.testing.assert_array_equal(turned[1:], np.rot90(IMAGE)[:-1])


def test_three_quarter_turn():
    turned = rotate_image(IMAGE, 270)
    assert not turned[:, 0].any()
    np.testing.assert_array_equal(turned[:, 1:], np.rot90(IMAGE, 3)[:, :-1])


def test_no_turn_is_the_image_itself():
    assert rotate_image(IMAGE, 0) is IMAGE


@pytest.mark.parametrize("angle", [-1, 360])
def test_range(angle):
    with pytest.raises(ValueError, match="0 up to, not including, 360"):
        rotate_image(IMAGE, angle)


@pytest.mark.parametrize("quarters", range(4))
def test_pages_lose_nothing(quarters):
    turned = turn_upright(IMAGE, 90 * quarters)
    np.testing.assert_array_equal(turned, np.rot90(IMAGE, quarters))
    assert turned.flags.c_contiguous


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_page_as_the_reference_has_it(angle):
    turned = turn_upright(IMAGE, angle)
    moved, (right, down) = moved_as_in_reference(turned, angle)
    np.testing.assert_array_equal(moved, rotate_image(IMAGE, angle))
    np.testing.assert_array_equal(moved[down:, right:], turned[: len(turned) - down, : turned.shape[1] - right])
