"""Which arrays are pages, and which page each is."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from docfleet.documents.arrays import page_of_array
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.errors import InputError
from tests.documents.makers import picture

BGR = picture()


def test_bgr_is_not_copied():
    page = page_of_array(BGR)

    assert np.shares_memory(page, BGR)
    assert (page == BGR).all()


@pytest.mark.parametrize("turned", [BGR[::-1], BGR[:, ::2], np.asfortranarray(BGR), np.rot90(BGR), BGR[..., ::-1]])
def test_pages_are_contiguous(turned):
    page = page_of_array(turned)

    assert page.flags.c_contiguous
    assert (page == turned).all()


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 1)])
@pytest.mark.parametrize(
    ("dtype", "value", "gray"),
    [(np.uint8, 90, 90), (np.uint16, 0x5AFF, 0x5A), (">u2", 0x5AFF, 0x5A), (bool, True, 255), (bool, False, 0)],
)
def test_gray(shape, dtype, value, gray):
    page = page_of_array(np.full(shape, value, dtype))

    assert page.shape == (2, 3, 3)
    assert page.dtype == np.uint8
    assert (page == gray).all()


def test_16_bit_colours():
    assert page_of_array(np.full((1, 1, 3), (0x0100, 0x02FF, 0xFFFF), np.uint16)).tolist() == [[[1, 2, 255]]]


@given(st.integers(0, 255), st.integers(0, 255))
def test_transparency_is_laid_over_white(colour, alpha):
    page = page_of_array(np.array([[[colour, 0, 255, alpha]]], np.uint8))

    exact = (np.array([colour, 0, 255]) * alpha + 255 * (255 - alpha)) / 255
    assert np.abs(page[0, 0] - exact).max() <= 0.5


def test_what_is_opaque_is_not_changed():
    assert (page_of_array(np.dstack([BGR, np.full(BGR.shape[:2], 255, np.uint8)])) == BGR).all()


def test_arrays_and_images_agree():
    rgba = np.dstack([BGR[..., ::-1], BGR[..., 0]])

    through_pillow = np.asarray(Image.new("RGB", (40, 30), "white"))
    paper = Image.fromarray(through_pillow)
    image = Image.fromarray(rgba)
    paper.paste(image, mask=image.getchannel("A"))
    bgra = rgba[..., [2, 1, 0, 3]]

    assert np.abs(page_of_array(bgra).astype(int) - np.asarray(paper)[..., ::-1]).max() <= 1


@pytest.mark.parametrize(
    ("array", "shape", "hint"),
    [
        (np.zeros(5, np.uint8), r"\(5,\) and dtype uint8", ""),
        (np.zeros((4, 5, 2), np.uint8), r"\(4, 5, 2\) and dtype uint8", ""),
        (np.zeros((0, 5, 3), np.uint8), r"\(0, 5, 3\) and dtype uint8", ""),
        (np.zeros((1, 4, 5, 3), np.uint8), r"\(1, 4, 5, 3\) and dtype uint8", ""),
        (np.zeros((4, 5, 3), np.int8), r"\(4, 5, 3\) and dtype int8", ""),
        (np.zeros((4, 5), np.int64), r"\(4, 5\) and dtype int64", ""),
        (np.array(["a.png"]), r"\(1,\) and dtype <U5", ""),
        (np.array([[None]]), r"\(1, 1\) and dtype object", ""),
        (np.zeros((4, 5, 3), np.float32), r"\(4, 5, 3\) and dtype float32", r"; convert floating point, .*\('uint8'\)"),
        (np.zeros((3, 40, 50), np.uint8), r"\(3, 40, 50\) and dtype uint8", r"; with the channels first, turn it by"),
    ],
)  # fmt: skip
def test_what_is_no_page_says_why(array, shape, hint):
    with (
        Reader() as reader,
        pytest.raises(InputError, match=rf"^an array of shape {shape} is not a page: pass .*{hint}"),
    ):
        reader.read(Source(array=array))
