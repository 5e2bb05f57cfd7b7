import numpy as np

from docfleet.models.crops import crop_quad, crop_quads

PAGE = np.random.default_rng(0).integers(0, 256, (100, 200, 3), dtype=np.uint8)


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int16)


def test_upright_quad_is_the_pixels_themselves():
    np.testing.assert_array_equal(crop_quad(PAGE, box(20, 10, 120, 40)), PAGE[10:40, 20:120])


def test_tall_quad_is_turned_counter_clockwise():
    crop = crop_quad(PAGE, box(20, 10, 50, 55))
    np.testing.assert_array_equal(crop, np.rot90(PAGE[10:55, 20:50]))
    assert crop.flags.c_contiguous


def test_up_to_one_and_a_half_it_stays():
    assert crop_quad(PAGE, box(20, 10, 50, 54)).shape == (44, 30, 3)


def test_tilted_quad_is_straightened():
    page = np.zeros((200, 200, 3), np.uint8)
    quad = np.array([[40, 40], [120, 80], [110, 100], [30, 60]], np.int16)
    import cv2

    cv2.fillPoly(page, quad.astype(np.int32)[None], (255, 255, 255))
    crop = crop_quad(page, quad)
    assert crop.shape == (22, 89, 3)
    assert crop[3:-3, 3:-3].min() > 200


def test_degenerate_quads_are_dropped_with_their_polygon():
    quads = np.stack([box(20, 10, 120, 40), box(5, 5, 5, 60), box(7, 7, 7, 7), box(30, 10, 130, 40)])
    kept, crops = crop_quads(PAGE, quads)
    assert kept.tolist() == quads[[0, 3]].tolist()
    np.testing.assert_array_equal(crops[1], PAGE[10:40, 30:130])


def test_no_quads():
    kept, crops = crop_quads(PAGE, np.zeros((0, 4, 2), np.int16))
    assert kept.shape == (0, 4, 2)
    assert crops == []


def test_beyond_the_page_its_edge_is_repeated():
    crop = crop_quad(PAGE, box(150, 90, 250, 110))
    np.testing.assert_array_equal(crop[:10, :50], PAGE[90:, 150:])
    assert (crop[10:, :50] == PAGE[99, 150:]).all()


def test_pages_longer_than_a_warp_can_read():
    page = np.zeros((40_000, 60, 3), np.uint8)
    page[35_000:35_020, 10:50] = PAGE[:20, :40]
    np.testing.assert_array_equal(crop_quad(page, box32(10, 35_000, 50, 35_020)), PAGE[:20, :40])


def box32(*edges: int) -> np.ndarray:
    left, top, right, bottom = edges
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int32)


def test_lines_longer_than_a_warp_can_write():
    page = np.full((30, 40_000, 3), 7, np.uint8)
    crop = crop_quad(page, box32(0, 5, 40_000, 25))
    assert crop.shape == (20, 32_766, 3)
    assert (crop == 7).all()
