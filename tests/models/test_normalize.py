import numpy as np
import pytest

from docfleet.models.normalize import IMAGENET_MEAN, IMAGENET_STD, Normalization

IMAGE = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def applied(normalization: Normalization, image: np.ndarray = IMAGE) -> np.ndarray:
    target = np.zeros((3, *image.shape[:2]), np.float32)
    normalization.into(target, image)
    return target


def test_affine_equals_a_pass_over_the_image():
    expected = IMAGE.transpose(2, 0, 1).astype(np.float32)
    for plane, mean, std in zip(expected, IMAGENET_MEAN, IMAGENET_STD, strict=True):
        plane *= np.float32(1 / 255 / std)
        plane += np.float32(-mean / std)
    np.testing.assert_array_equal(applied(Normalization.from_op({})), expected)


def test_centred_is_exact():
    expected = IMAGE.transpose(2, 0, 1).astype(np.float32) / 255
    expected -= 0.5
    expected /= 0.5
    np.testing.assert_array_equal(applied(Normalization.centred()), expected)


def test_parameters_of_the_step():
    ours = Normalization.from_op({"scale": "1./255.", "mean": [0, 0, 0], "std": [1, 2, 4]})
    np.testing.assert_allclose(applied(ours)[2], IMAGE[:, :, 2] / 255 / 4, rtol=1e-6)


def test_scale_is_parsed_not_evaluated():
    with pytest.raises(ValueError, match="not a number"):
        Normalization.from_op({"scale": "__import__('os').getpid()"})


def test_into_a_part_of_a_larger_array_and_from_a_view():
    target = np.zeros((3, 7, 9), np.float32)
    Normalization.centred().into(target[:, :, 2:7], IMAGE[:, :, ::-1])
    np.testing.assert_array_equal(target[:, :, 2:7], applied(Normalization.centred())[::-1])
    assert not target[:, :, :2].any()
    assert not target[:, :, 7:].any()
