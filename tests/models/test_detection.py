import numpy as np
import pytest

from docfleet.errors import InputError, UsageError, WeightsError
from docfleet.models.detection import DetectionParams, TextDetector, network_size, pad_small
from docfleet.models.normalize import Normalization

from .fakes import FakeSession, folder

OPS = [{"DecodeImage": {"img_mode": "BGR"}}, {"DetResizeForTest": {"resize_long": 960}}, {"NormalizeImage": {}}]
POST = {"name": "DBPostProcess"}
BLACK = Normalization.from_op({}).table[:, 0]
DEFAULT = DetectionParams()


def bright(batch: np.ndarray) -> np.ndarray:
    """Text is where the picture is not black."""
    return np.where(batch[:, :1] > BLACK[0] + 1, np.float32(0.9), np.float32(0))


def detector(ops=OPS, post=POST) -> TextDetector:
    return TextDetector(FakeSession(bright), folder(ops, post))


def page_with_bar(height: int, width: int, left: int, top: int, right: int, bottom: int) -> np.ndarray:
    page = np.zeros((height, width, 3), np.uint8)
    page[top:bottom, left:right] = 255
    return page


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (3508, 2480, (3520, 2496)),
        (5000, 3000, (4000, 2400)),
        (30, 1000, (64, 2144)),
        (64, 64, (64, 64)),
        (30, 20000, (32, 4000)),
        (1, 1, (64, 64)),
        # Halves go to the even multiple: 80 / 32 = 2.5 and 112 / 32 = 3.5.
        (80, 112, (64, 128)),
    ],
)
def test_network_size_by_default(height, width, expected):
    assert network_size(height, width, DEFAULT) == expected


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        (DetectionParams(limit_side_len=736), (736, 1472)),
        (DetectionParams(limit_side_len=300), (512, 992)),
        (DetectionParams(limit_side_len=0), (512, 992)),
        (DetectionParams(limit_type="max", limit_side_len=500), (256, 512)),
        (DetectionParams(limit_type="max", limit_side_len=2000), (512, 992)),
        (DetectionParams(limit_type="max", limit_side_len=0), (32, 32)),
        (DetectionParams(limit_type="resize_long", limit_side_len=1920), (960, 1920)),
        (DetectionParams(max_side_limit=500), (256, 512)),
    ],
)
def test_network_size_by_limits(params, expected):
    assert network_size(500, 1000, params) == expected


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit_type": "long"},
        {"limit_side_len": -1},
        {"max_side_limit": 0},
        {"thresh": 1.1},
        {"box_thresh": -0.1},
        {"unclip_ratio": -1},
        {"thresh": float("nan")},
        {"input_shape": (1, 32, 32)},
        {"input_shape": (3, 0, 32)},
        {"input_shape": (3, -32, 32)},
        {"input_shape": (3, 32, 50)},
        {"input_shape": (3, 50, 32)},
        {"input_shape": (3, 32)},
    ],
)
def test_params_are_checked(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        DetectionParams(**wrong)


def test_a_bar_is_found_where_it_is():
    (found,) = detector().detect([page_with_bar(200, 400, 100, 80, 300, 110)], DetectionParams(unclip_ratio=0))
    # The network saw 192 x 416.
    np.testing.assert_allclose(found.polygons[0], [[100, 80], [300, 80], [300, 110], [100, 110]], atol=2)
    assert found.scores == pytest.approx([0.9])


def test_the_network_sees_a_normalised_page_in_its_own_size():
    seen = []
    session = FakeSession(lambda batch: seen.append(batch.copy()) or bright(batch))
    page = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    TextDetector(session, folder(OPS, POST)).detect([page], DEFAULT)
    expected = np.zeros((3, 64, 96), np.float32)
    Normalization.from_op({}).into(expected, page)
    np.testing.assert_array_equal(seen[0][0], expected)


def test_red_first_where_the_model_says_so():
    seen = []
    session = FakeSession(lambda batch: seen.append(batch.copy()) or bright(batch))
    page = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    TextDetector(session, folder([{"DecodeImage": {"img_mode": "RGB"}}], POST)).detect([page], DEFAULT)
    expected = np.zeros((3, 64, 96), np.float32)
    Normalization.from_op({}).into(expected, page[:, :, ::-1])
    np.testing.assert_array_equal(seen[0][0], expected)


def test_lines_of_a_tiny_page_are_not_squeezed():
    (found,) = detector().detect([page_with_bar(20, 30, 4, 5, 26, 15)], DetectionParams(unclip_ratio=0))
    np.testing.assert_allclose(found.polygons[0], [[4, 5], [26, 5], [26, 15], [4, 15]], atol=1)


def test_pad_small():
    page = np.full((20, 40, 3), 9, np.uint8)
    padded = pad_small(page)
    assert padded.shape == (32, 40, 3)
    np.testing.assert_array_equal(padded[:20], page)
    assert not padded[20:].any()
    large = np.zeros((24, 40, 3), np.uint8)
    assert pad_small(large) is large


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 500, 3), (30, 20000, 3), (3, 60, 3)])
@pytest.mark.parametrize("value", [0, 255])
def test_odd_pages_give_valid_results(shape, value):
    (found,) = detector().detect([np.full(shape, value, np.uint8)], DEFAULT)
    assert found.polygons.shape[1:] == (4, 2)
    assert len(found.polygons) == len(found.scores)
    assert (found.polygons >= 0).all()
    assert (found.polygons <= [shape[1], shape[0]]).all()


@pytest.mark.parametrize(
    "page",
    [
        np.zeros((10, 10), np.uint8),
        np.zeros((10, 10, 4), np.uint8),
        np.zeros((10, 10, 3), np.float32),
        np.zeros((0, 10, 3), np.uint8),
    ],
)
def test_what_is_not_a_page_is_refused(page):
    with pytest.raises(InputError, match="is not a page: pass height x width x 3, uint8"):
        detector().detect([page], DEFAULT)


@pytest.mark.parametrize(
    ("resize", "params", "shape"),
    [
        ({"image_shape": [128, 256]}, DEFAULT, (1, 3, 128, 256)),
        ({"image_shape": [128, 256], "keep_ratio": True}, DEFAULT, (1, 3, 128, 288)),
        ({"image_shape": [128, 256]}, DetectionParams(input_shape=(3, 64, 96)), (1, 3, 64, 96)),
        ({"resize_long": 960}, DEFAULT, (1, 3, 192, 416)),
    ],
)
def test_who_decides_the_size(resize, params, shape):
    session = FakeSession(bright)
    TextDetector(session, folder([{"DetResizeForTest": resize}], POST)).detect(
        [np.zeros((200, 416, 3), np.uint8)], params
    )
    assert session.shapes == [shape]


@pytest.mark.parametrize(
    ("ops", "post"),
    [
        (OPS, {"name": "CTCLabelDecode"}),
        (OPS, {"name": "DBPostProcess", "box_type": "poly"}),
        ([{"NormalizeImage": {"scale": "one"}}], POST),
        ([{"DetResizeForTest": {"image_shape": "large"}}], POST),
        ([{"DetResizeForTest": {"image_shape": [64]}}], POST),
        ([{"DetResizeForTest": {"image_shape": [64, 50]}}], POST),
    ],
)
def test_other_models_are_refused(ops, post):
    with pytest.raises(WeightsError, match="some_model"):
        detector(ops, post)
