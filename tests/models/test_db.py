import cv2
import numpy as np
import pytest

from docfleet.models.db import DBOptions, find_quads, unclip


def map_with(*boxes: tuple[int, int, int, int], shape=(320, 640), value=0.9) -> np.ndarray:
    """Probability `value` inside boxes of (left, top, right, bottom), both ends included, and 0.05 around them."""
    probability = np.full(shape, 0.05, np.float32)
    for left, top, right, bottom in boxes:
        probability[top : bottom + 1, left : right + 1] = value
    return probability


def find(probability, *, page=None, covers=None, options=None, **changed):
    figures = {"thresh": 0.3, "box_thresh": 0.6, "unclip_ratio": 1.5, **changed}
    page = page or probability.shape
    return find_quads(probability, covers=covers or page, page=page, options=options or DBOptions(), **figures)


def test_a_box_grows_by_area_times_ratio_over_perimeter():
    quads, scores = find(map_with((100, 50, 299, 79)))
    distance = 199 * 29 * 1.5 / (2 * (199 + 29))
    assert quads.dtype == np.int16
    low, high = quads[0].min(axis=0), quads[0].max(axis=0)
    np.testing.assert_allclose(low, [100 - distance, 50 - distance], atol=1)
    np.testing.assert_allclose(high, [299 + distance, 79 + distance], atol=1)
    assert quads[0, 0].tolist() == low.tolist()
    assert scores == pytest.approx([0.9])


def test_quads_are_scaled_to_the_page_and_end_at_its_edges():
    quads, _ = find(map_with((0, 300, 299, 319)), page=(640, 320))
    assert quads[0].min(axis=0)[0] == 0
    assert quads[0].max(axis=0)[1] == 640
    np.testing.assert_allclose(quads[0].max(axis=0)[0], (299 + 14) / 2, atol=1)


def test_what_was_padded_stays_in_place():
    quads, _ = find(map_with((8, 8, 39, 23), shape=(64, 64)), covers=(32, 32), page=(20, 32), unclip_ratio=0.0)
    np.testing.assert_allclose(quads[0], [[4, 4], [20, 4], [20, 12], [4, 12]], atol=1)


def test_zero_is_a_value():
    faint = map_with((100, 50, 299, 79), value=0.2)
    assert len(find(faint)[0]) == 0
    assert len(find(faint, thresh=0.1, box_thresh=0.0)[0]) == 1
    grown, kept = find(map_with((100, 50, 299, 79)))[0], find(map_with((100, 50, 299, 79)), unclip_ratio=0.0)[0]
    np.testing.assert_allclose(kept[0], [[100, 50], [299, 50], [299, 79], [100, 79]], atol=1)
    assert (grown != kept).any()


def test_box_thresh_is_on_the_mean_inside():
    probability = map_with((100, 50, 299, 79), value=0.5)
    assert len(find(probability)[0]) == 0
    assert len(find(probability, box_thresh=0.5)[0]) == 1


def test_specks_are_dropped():
    assert len(find(map_with((100, 50, 299, 51), (10, 10, 12, 11)))[0]) == 0


def test_blank_map():
    quads, scores = find(map_with())
    assert quads.shape == (0, 4, 2)
    assert quads.dtype == np.int16
    assert scores.shape == (0,)
    assert scores.dtype == np.float32


def test_tilted_line():
    probability = map_with()
    box = cv2.boxPoints(((320, 160), (300, 30), 20))
    cv2.fillPoly(probability, box.astype(np.int32)[None], 0.8)
    (quad,), _ = find(probability)
    top = quad[1] - quad[0]
    assert np.degrees(np.arctan2(top[1], top[0])) == pytest.approx(20, abs=1)


@pytest.mark.parametrize("centre", [(0, 0), (639, 0), (0, 319), (639, 319)])
@pytest.mark.parametrize("angle", [20, -35])
def test_a_rectangle_that_sticks_out_of_the_map_is_scored_by_what_is_inside(centre, angle):
    probability = map_with()
    box = cv2.boxPoints((centre, (200, 60), angle))
    cv2.fillPoly(probability, box.astype(np.int32)[None], 0.8)
    quads, scores = find(probability, box_thresh=0.3)
    assert len(quads) == 1
    assert 0.3 < scores[0] <= 0.8


def test_pages_beyond_int16():
    quads, _ = find(map_with((100, 50, 299, 79)), page=(320, 64_000))
    assert quads.dtype == np.int32
    assert quads.max() > 2**15 - 3000


def test_candidates_are_limited():
    boxes = [(20, 20 + 40 * row, 300, 40 + 40 * row) for row in range(5)]
    assert len(find(map_with(*boxes))[0]) == 5
    assert len(find(map_with(*boxes), options=DBOptions(max_candidates=3))[0]) == 3


def test_dilation_widens_the_mask():
    plain, _ = find(map_with((100, 50, 299, 79)))
    dilated, _ = find(map_with((100, 50, 299, 79)), options=DBOptions(use_dilation=True))
    assert np.ptp(dilated[0], axis=0).sum() > np.ptp(plain[0], axis=0).sum()


def test_slow_score_looks_inside_the_contour():
    probability = map_with((100, 50, 299, 59), (100, 50, 109, 149))  # an L: most of its rectangle is empty
    assert len(find(probability)[0]) == 0
    (score,) = find(probability, options=DBOptions(score_mode="slow"))[1]
    assert score == pytest.approx(0.9)


def test_options_of_the_model():
    assert DBOptions.from_config({"max_candidates": 7, "score_mode": "slow"}) == DBOptions(
        max_candidates=7, score_mode="slow"
    )
    with pytest.raises(ValueError, match="neither fast nor slow"):
        DBOptions.from_config({"score_mode": "best"})


def test_unclip_of_a_square_has_round_corners():
    outline = unclip(np.array([[0, 0], [100, 0], [100, 100], [0, 100]], np.float32), 2.0)
    distance = 100 * 100 * 2.0 / 400
    assert outline.min() == -distance
    from_corner = np.linalg.norm(outline - np.array([100, 100]), axis=1)
    assert (from_corner >= distance - 1).all()


def test_halves_round_to_even():
    quads, _ = find(map_with((101, 51, 303, 83)), page=(160, 320), unclip_ratio=0.0)
    assert quads[0].tolist() == [[50, 26], [152, 26], [152, 42], [50, 42]]


def test_a_thin_line_needs_to_grow():
    thin = map_with((100, 50, 299, 53))
    assert len(find(thin)[0]) == 1
    assert len(find(thin, unclip_ratio=0.0)[0]) == 0
