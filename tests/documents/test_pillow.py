"""What images of Pillow's look like as pages: every mode as a person sees it, upright, on white."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from docfleet.documents import pillow
from docfleet.documents.arrays import page_of_image
from docfleet.documents.checks import in_memory
from docfleet.errors import InputError
from tests.documents.makers import picture

RGB = (200, 100, 50)


@pytest.mark.parametrize(
    ("mode", "colour", "rgb"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("RGB", RGB, RGB),
        ("RGBX", (*RGB, 0), RGB),
        ("RGBA", (*RGB, 255), RGB),
        ("RGBA", (*RGB, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("LA", (90, 255), (90, 90, 90)),
        ("LA", (0, 0), (255, 255, 255)),
        ("La", (0, 0), (255, 255, 255)),
        ("RGBa", (0, 0, 0, 0), (255, 255, 255)),
        ("CMYK", (0, 255, 255, 0), (255, 0, 0)),
        ("YCbCr", (90, 128, 128), (90, 90, 90)),
        ("HSV", (0, 255, 255), (255, 0, 0)),
        ("I;16", 0x5A12, (0x5A, 0x5A, 0x5A)),
        ("I;16B", 0x5A12, (0x5A, 0x5A, 0x5A)),
    ],
)
def test_modes(mode, colour, rgb):
    page = page_of_image(Image.new(mode, (5, 4), colour))

    assert page.shape == (4, 5, 3)
    assert page.dtype == np.uint8
    assert np.abs(page.astype(int) - rgb[::-1]).max() <= 1


def test_a_palette_with_a_transparent_colour():
    image = Image.new("P", (2, 1), 0)
    image.putpalette([1, 2, 3, 40, 50, 60])
    image.putpixel((1, 0), 1)
    image.info["transparency"] = 0

    assert page_of_image(image).tolist() == [[[255, 255, 255], [60, 50, 40]]]


def test_gray_with_a_transparent_shade():
    image = Image.new("L", (2, 1), 7)
    image.putpixel((1, 0), 8)
    image.info["transparency"] = 7

    assert page_of_image(image).tolist() == [[[255] * 3, [8] * 3]]


@pytest.mark.parametrize(
    ("values", "grays"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),  # 0 to 1
        ([0.0, 127.5, 255.0], [0, 128, 255]),  # 0 to 255
        ([0.0, 25700.0, 65535.0], [0, 100, 255]),  # 0 to 65535
        ([-1.0, 0.0, 1.0], [0, 128, 255]),  # whatever else: from the least to the greatest
        ([-100.0, 100000.0, -100.0], [0, 255, 0]),
        ([float("nan"), 0.5, float("inf")], [0, 128, 255]),
        ([float("-inf"), 0.5, 1.0], [0, 128, 255]),
        ([float("nan")] * 3, [0, 0, 0]),
        ([-5.0, -5.0, -5.0], [0, 0, 0]),
    ],
)
def test_levels_of_floating_point(values, grays):
    page = page_of_image(Image.fromarray(np.array([values], np.float32)))

    assert page[0, :, 0].tolist() == grays
    assert (page[..., 0] == page[..., 2]).all()


@pytest.mark.parametrize(
    ("values", "grays"),
    [([0, 100, 255], [0, 100, 255]), ([0, 25700, 65535], [0, 100, 255]), ([-10, 0, 10], [0, 128, 255])],
)
def test_levels_of_integers(values, grays):
    image = Image.fromarray(np.array([values], np.int32))
    assert image.mode == "I"

    assert page_of_image(image)[0, :, 0].tolist() == grays


def test_unsigned_integers_and_negatives():
    image = Image.fromarray(np.array([[0, -1]], np.int32))
    assert pillow.to_page(image, in_memory, unsigned=True)[0, :, 0].tolist() == [0, 255]

    gray = Image.fromarray(np.array([[0x1234, 0xFFFF]], np.uint16))
    assert pillow.to_page(gray, in_memory, negative=True)[0, :, 0].tolist() == [255 - 0x12, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_pillows_own(orientation):
    image = Image.fromarray(picture(7, 5))
    image.getexif()[0x0112] = orientation

    page = page_of_image(image)

    expected = np.asarray(ImageOps.exif_transpose(image))
    assert page.shape == expected.shape
    assert (page == expected[..., ::-1]).all()
    assert page.flags.c_contiguous


@pytest.mark.parametrize("orientation", [0, 9, "6", 65535])
def test_an_orientation_without_meaning_turns_nothing(orientation):
    image = Image.fromarray(picture(7, 5))
    image.getexif()[0x0112] = orientation

    assert (page_of_image(image) == picture(7, 5)[..., ::-1]).all()


@pytest.mark.parametrize(("width", "height"), [(3, 1000), (1000, 3), (100, 100)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
def test_strips_make_the_whole(width, height, mode, monkeypatch):
    monkeypatch.setattr(pillow, "_STRIP_PIXELS", 700)
    image = Image.fromarray(picture(width, height)).convert(mode)
    image.getexif()[0x0112] = 5

    assert (page_of_image(image) == np.asarray(image.convert("RGB"))[..., ::-1].swapaxes(0, 1)).all()


def test_the_image_is_left_as_it_was():
    image = Image.new("RGBA", (3, 2), (1, 2, 3, 0))
    before = image.copy()

    page_of_image(image)

    assert image.mode == "RGBA"
    assert image.tobytes() == before.tobytes()


def test_an_image_without_pixels():
    with pytest.raises(InputError, match="the image is not a page: it measures 0 x 4 pixels"):
        page_of_image(Image.new("RGB", (0, 4)))


def test_damaged_exif_does_not_refuse_the_page():
    image = Image.new("RGB", (3, 2), RGB)
    image.info["exif"] = b"Exif\0\0II*\0\xff\xff\xff\xff"

    assert page_of_image(image).shape == (2, 3, 3)
