import cv2
import numpy as np
import pytest

from docfleet.errors import WeightsError
from docfleet.models.normalize import Normalization
from docfleet.models.orientation import OrientationClassifier

from .fakes import FakeSession, folder

LINES = {"Topk": {"topk": 1, "label_list": ["0_degree", "180_degree"]}}
LCNET = [{"ResizeImage": {"size": [160, 80]}}, {"NormalizeImage": {}}, {"ToCHWImage": None}]
PAGES = [{"ResizeImage": {"resize_short": 256}}, {"CropImage": {"size": 224}}, {"NormalizeImage": {}}]
MOBILE = [{"DecodeImage": {"img_mode": "BGR"}}, {"ClsResizeImg": {"image_shape": [3, 48, 192]}}]
CROP = np.random.default_rng(0).integers(0, 256, (30, 90, 3), dtype=np.uint8)


def seen_by(ops, image=CROP) -> np.ndarray:
    seen = []

    def network(batch):
        seen.append(batch.copy())
        return np.zeros((len(batch), 2), np.float32)

    OrientationClassifier(FakeSession(network), folder(ops, LINES)).classify([image])
    return seen[0][0]


def normalised(image: np.ndarray, normalization: Normalization) -> np.ndarray:
    target = np.zeros((3, *image.shape[:2]), np.float32)
    normalization.into(target, image)
    return target


def test_fixed_size_in_rgb():
    expected = normalised(cv2.resize(CROP, (160, 80))[:, :, ::-1], Normalization.from_op({}))
    np.testing.assert_array_equal(seen_by(LCNET), expected)


def test_short_side_then_centre_crop():
    page = np.random.default_rng(1).integers(0, 256, (300, 401, 3), dtype=np.uint8)
    resized = cv2.resize(page, (342, 256))
    expected = normalised(resized[16:240, 59:283, ::-1], Normalization.from_op({}))
    np.testing.assert_array_equal(seen_by(PAGES, page), expected)


def test_keep_ratio_and_pad_with_zeros():
    seen = seen_by(MOBILE)
    assert seen.shape == (3, 48, 192)
    np.testing.assert_array_equal(seen[:, :, :144], normalised(cv2.resize(CROP, (144, 48)), Normalization.centred()))
    assert not seen[:, :, 144:].any()


def test_long_lines_are_squeezed():
    long = np.repeat(CROP, 4, axis=1)
    np.testing.assert_array_equal(
        seen_by(MOBILE, long), normalised(cv2.resize(long, (192, 48)), Normalization.centred())
    )


@pytest.mark.parametrize(("invariant", "sizes"), [(True, [2, 1]), (False, [2, 2])])
def test_one_answer_per_crop_in_order(invariant, sizes):
    def network(batch):
        dark = batch.mean(axis=(1, 2, 3)) < 0
        upright = np.where(dark, 0.2, 0.623456789)
        return np.stack([upright, 1 - upright], axis=1).astype(np.float32)

    session = FakeSession(network, batch_invariant=invariant)
    classifier = OrientationClassifier(session, folder(LCNET, LINES), batch_size=2)
    white, black = np.full((9, 30, 3), 255, np.uint8), np.zeros((9, 30, 3), np.uint8)
    found = classifier.classify([white, black, white])
    assert [(each.index, each.label) for each in found] == [(0, "0_degree"), (1, "180_degree"), (0, "0_degree")]
    assert found[0].score == pytest.approx(0.62346, abs=1e-9)
    assert [shape[0] for shape in session.shapes] == sizes


def test_no_crops():
    assert OrientationClassifier(FakeSession(np.copy), folder(LCNET, LINES)).classify([]) == []


@pytest.mark.parametrize(
    ("ops", "post"),
    [
        (LCNET, {"name": "DBPostProcess"}),
        ([{"Wobble": {}}], LINES),
        ([{"NormalizeImage": {}}], LINES),
        ([{"ResizeImage": {"size": [160, 80]}}], LINES),
        ([{"ResizeImage": {}}, {"NormalizeImage": {}}], LINES),
    ],
)
def test_other_models_are_refused(ops, post):
    with pytest.raises(WeightsError, match="some_model"):
        OrientationClassifier(FakeSession(np.copy), folder(ops, post))


def test_labels_are_told():
    assert OrientationClassifier(FakeSession(np.copy), folder(LCNET, LINES)).labels == ("0_degree", "180_degree")


@pytest.mark.parametrize(
    ("labels", "degrees"),
    [
        (["0_degree", "180_degree"], (0, 180)),
        (["0", "90", "180", "270"], (0, 90, 180, 270)),
        ([0, 180], (0, 180)),
        (["cat", "dog"], None),
    ],
)
def test_labels_that_are_expected(labels, degrees):
    files = folder(LCNET, {"Topk": {"label_list": labels}})
    classifier = OrientationClassifier(FakeSession(np.copy), files, degrees=degrees)
    assert classifier.labels == tuple(str(label) for label in labels)


@pytest.mark.parametrize(
    "labels",
    [["0", "90", "180", "270"], ["180_degree", "0_degree"], ["0_degree"], ["0_degree", "1800_degree"], ["up", "down"]],
)
def test_other_labels_are_refused(labels):
    files = folder(LCNET, {"Topk": {"label_list": labels}})
    with pytest.raises(WeightsError, match=f"some_model .*tells {', '.join(labels)} apart, where .* of 0, 180 degrees"):
        OrientationClassifier(FakeSession(np.copy), files, degrees=(0, 180))


def test_network_and_labels_must_fit():
    session = FakeSession(lambda batch: np.eye(4, dtype=np.float32)[[3] * len(batch)])
    with pytest.raises(WeightsError, match=r"some_model .* 2 labels where the network knows 4"):
        OrientationClassifier(session, folder(LCNET, LINES)).classify([CROP])
