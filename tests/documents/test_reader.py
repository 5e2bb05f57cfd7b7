"""Reading images, TIFF frames and arrays, and one clear line about everything that cannot be read."""

import dataclasses
import os
import tempfile
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from docfleet.documents.pages import Limits, PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source, iter_sources
from docfleet.errors import InputError, UsageError

LOSSLESS = ["a.png", "a.bmp", "a.ppm", "a.tif"]


def picture(width: int = 40, height: int = 30) -> np.ndarray:
    """RGB pixels without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x * y) % 256], axis=2).astype(np.uint8)


def error_of(reader: Reader, path: object, index: int | None = None) -> str:
    with pytest.raises(InputError) as caught:
        reader.read(Source(str(path)), index)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize("name", LOSSLESS)
def test_lossless_kinds_give_the_pixels_in_bgr(name, tmp_path, reader):
    Image.fromarray(picture()).save(tmp_path / name)

    page = reader.read(Source(str(tmp_path / name)))

    assert (page.image == picture()[:, :, ::-1]).all()
    assert page.image.flags.c_contiguous
    assert page.image.dtype == np.uint8
    assert page.input_path == str(tmp_path / name)
    assert (page.page_index, page.page_count) == ((0, 1) if name == "a.tif" else (None, None))


@pytest.mark.parametrize("name", ["a.jpg", "a.webp"])
def test_lossy_kinds_are_close(name, tmp_path, reader):
    smooth = cv2.GaussianBlur(picture(), (0, 0), 3)
    Image.fromarray(smooth).save(tmp_path / name, quality=95)

    image = reader.read(Source(str(tmp_path / name))).image

    assert np.abs(image.astype(int) - smooth[:, :, ::-1]).mean() < 3


@pytest.mark.parametrize(
    ("mode", "pixel"),
    [
        ("L", (90, 90, 90)),
        ("1", (255, 255, 255)),
        ("RGB", (3, 2, 90)),
        ("RGBA", (255, 255, 255)),
        ("P", None),
        ("I;16", (0x12, 0x12, 0x12)),
    ],
)
def test_modes_of_png_become_three_channels(mode, pixel, tmp_path, reader):
    colour = {"L": 90, "1": 1, "RGB": (90, 2, 3), "RGBA": (90, 2, 3, 0), "P": 7, "I;16": 0x1234}[mode]
    Image.new(mode, (5, 4), colour).save(tmp_path / "a.png")

    image = reader.read(Source(str(tmp_path / "a.png"))).image

    assert image.shape == (4, 5, 3)
    if pixel is not None:
        assert (image == pixel).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_orientation_is_applied(name, tmp_path, reader):
    flat = np.zeros((16, 32, 3), np.uint8)
    flat[:, :16] = 255  # White on the left.
    exif = Image.Exif()
    exif[0x0112] = 6  # To be shown turned clockwise: the left side comes to the top.
    Image.fromarray(flat).save(tmp_path / name, exif=exif)

    image = reader.read(Source(str(tmp_path / name))).image

    assert image.shape == (32, 16, 3)
    assert image[:12].min() > 240
    assert image[-12:].max() < 15


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.pdf", "a.txt"])
def test_the_content_decides_not_the_name(name, tmp_path, reader):
    Image.fromarray(picture()).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / name)

    assert (reader.read(Source(str(tmp_path / name))).image == picture()[:, :, ::-1]).all()


def test_frames_of_a_tiff_are_pages(tmp_path, reader):
    frames = [Image.fromarray(picture(width)) for width in (10, 20, 30)]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    source = Source(str(tmp_path / "a.tif"))

    assert reader.read(source) == PageCount(3)
    pages = {index: reader.read(source, index) for index in (2, 0, 1)}

    for index, width in enumerate((10, 20, 30)):
        assert (pages[index].image == picture(width)[:, :, ::-1]).all()
        assert (pages[index].page_index, pages[index].page_count) == (index, 3)
    assert reader.opened == 1
    assert error_of(reader, tmp_path / "a.tif", 3) == "there is no page 3, the document has 3"


def test_arrays(reader):
    given = picture()

    page = reader.read(Source(array=given))
    turned = reader.read(Source(array=np.rot90(given)))

    assert np.shares_memory(page.image, given)
    assert (page.input_path, page.page_index, page.page_count) == (None, None, None)
    assert turned.image.flags.c_contiguous
    assert (turned.image == np.rot90(given)).all()


def test_missing(tmp_path, reader):
    assert error_of(reader, tmp_path / "nowhere") == "no such file or folder"
    (tmp_path / "link.png").symlink_to(tmp_path / "nowhere")
    assert error_of(reader, tmp_path / "link.png") == "no such file or folder"


def test_names_that_no_file_can_have(tmp_path, reader):
    (tmp_path / "a.png").touch()
    assert error_of(reader, tmp_path / "a.png" / "b.png") == "cannot be read: Not a directory"
    assert error_of(reader, "x" * 5000 + ".png") == "cannot be read: File name too long"
    with pytest.raises(InputError, match=r"a\\x00b\.png: cannot be read: .*embedded null"):
        reader.read(Source("a\0b.png"))


def test_folder_pipe_and_empty_file(tmp_path, reader):
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "a.png").touch()

    assert error_of(reader, tmp_path / "folder") == "is a folder, not a file"
    assert error_of(reader, tmp_path / "pipe.png") == "is not a regular file"
    assert error_of(reader, tmp_path / "a.png") == "the file is empty"


def test_permission(reader):
    with tempfile.TemporaryDirectory() as folder:  # Not tmp_path: its parents are closed to others.
        path = Path(folder, "a.png")
        Image.fromarray(picture()).save(path)
        Path(folder).chmod(0o755)
        path.chmod(0)
        root = os.geteuid() == 0
        if root:  # Root may read everything, so be nobody for a moment.
            os.seteuid(65534)
        try:
            assert error_of(reader, path) == "permission denied"
        finally:
            if root:
                os.seteuid(0)


@pytest.mark.parametrize(
    ("content", "named"), [(b"Dear reader,\n", "text, "), (b"<html>", "an HTML page, "), (b"\0", ""), (bytes(5000), "")]
)
def test_neither_image_nor_pdf(content, named, tmp_path, reader):
    (tmp_path / "a.jpg").write_bytes(content)

    assert error_of(reader, tmp_path / "a.jpg") == (
        f"{named}not an image or PDF that is read; those are BMP, GIF, JPEG, JPEG 2000, PNG, PNM, WebP, TIFF, PDF"
    )


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.ppm"])
def test_header_cut_short(name, tmp_path, reader):
    Image.fromarray(picture()).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    keep = 4 if name == "a.ppm" else 18
    (tmp_path / name).write_bytes(data[:keep])

    message = error_of(reader, tmp_path / name)

    assert message.endswith("header is truncated or corrupt") or message.startswith("not an image")


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.webp", "WebP"), ("a.tif", "TIFF")])
def test_pixels_cut_short(name, kind, tmp_path, reader):
    noise = np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 4] if kind != "TIFF" else data[: len(data) // 2])

    assert error_of(reader, tmp_path / name).startswith(f"the {kind} is truncated or corrupt")


def test_tiff_of_garbage(tmp_path, reader):
    (tmp_path / "a.tif").write_bytes(b"II*\0" + bytes(range(200)))

    assert error_of(reader, tmp_path / "a.tif").startswith("the TIFF is truncated or corrupt")


def test_limit_of_pixels_is_kept_before_decoding(tmp_path):
    for name in ("a.png", "a.tif"):
        Image.new("L", (101, 100)).save(tmp_path / name)
    # Only the header is there: an attempt to decode would be another error.
    header = (tmp_path / "a.png").read_bytes()[:33]
    (tmp_path / "header.png").write_bytes(header)

    with Reader(Limits(max_page_pixels=10_099)) as reader:
        for name in ("a.png", "a.tif", "header.png"):
            message = error_of(reader, tmp_path / name)
            assert message.startswith("101 x 100 = 10,100 pixels, over the limit of 10,099; raise max_page_pixels")
    with Reader(Limits(max_page_pixels=10_100)) as reader:
        assert reader.read(Source(str(tmp_path / "a.png"))).image.shape == (100, 101, 3)
        assert reader.read(Source(str(tmp_path / "a.tif"))).image.shape == (100, 101, 3)


def test_limit_of_bytes(tmp_path):
    Image.fromarray(picture()).save(tmp_path / "a.bmp")
    size = (tmp_path / "a.bmp").stat().st_size

    with Reader(Limits(max_file_bytes=size - 1)) as reader:
        assert error_of(reader, tmp_path / "a.bmp") == (
            f"{size:,} bytes, over the limit of {size - 1:,}; raise max_file_bytes if the file can be trusted"
        )
    with Reader(Limits(max_file_bytes=size)) as reader:
        assert reader.read(Source(str(tmp_path / "a.bmp"))).image.shape == (30, 40, 3)


def test_limit_of_frames(tmp_path):
    frame = Image.new("L", (9, 9))
    frame.save(tmp_path / "a.tif", save_all=True, append_images=[frame] * 3)

    with Reader(Limits(max_document_pages=3)) as reader:
        assert error_of(reader, tmp_path / "a.tif").startswith(
            "4 frames, over the limit of 3; raise max_document_pages"
        )
    with Reader(Limits(max_document_pages=4)) as reader:
        assert reader.read(Source(str(tmp_path / "a.tif"))) == PageCount(4)


@pytest.mark.parametrize("field", dataclasses.fields(Limits), ids=lambda field: field.name)
def test_limits_must_be_positive(field):
    least = 0 if field.name == "max_url_redirects" else 1
    Limits(**{field.name: least})

    for value in (least - 1, float("nan")):
        with pytest.raises(UsageError, match=f"{field.name} is {value}: it must be at least {least}"):
            Limits(**{field.name: value})


def test_limits_of_decoding_are_advised_by_the_name_of_their_field(tmp_path):
    small, large = Image.new("L", (9, 9)), Image.new("L", (20, 20))
    small.save(tmp_path / "a.png")
    large.save(tmp_path / "large.tif")
    small.save(tmp_path / "frames.tif", save_all=True, append_images=[small] * 3)
    small.save(tmp_path / "frames.gif", save_all=True, append_images=[large.resize((9, 9)), Image.new("L", (9, 9), 9)])
    small.save(tmp_path / "pages.pdf", save_all=True, append_images=[small] * 3)
    Image.new("L", (3000, 3000)).save(tmp_path / "large.pdf")
    over = {
        "max_page_pixels": ["a.png", "large.tif", "large.pdf", "frames.gif"],
        "max_document_pages": ["frames.tif", "pages.pdf"],
        "max_file_bytes": ["a.png", "large.tif", "pages.pdf"],
    }

    others = {"max_decode_bytes", "max_decode_seconds", "max_url_bytes", "max_url_seconds", "max_url_redirects"}
    assert set(over) | others == {field.name for field in dataclasses.fields(Limits)}
    for field, names in over.items():
        for name in names:
            with Reader(Limits(**{field: 2})) as reader:
                assert error_of(reader, tmp_path / name).endswith(f"; raise {field} if the file can be trusted")


@pytest.mark.parametrize("dpi", [0, -72, float("nan"), float("inf")])
def test_resolution_must_be_positive(dpi):
    with pytest.raises(UsageError, match="pdf_dpi"):
        Reader(pdf_dpi=dpi)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("name", ["large.png", "large.tif", "large.webp"])
def test_what_pillow_would_warn_about_or_refuse_is_read_without_a_word(name, mode, tmp_path, reader, monkeypatch):
    Image.fromarray(picture()).convert(mode).save(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)  # Of this program; the limit that counts is ours.

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        page = reader.read(Source(str(tmp_path / name)))

    assert page.image.shape == (30, 40, 3)
    assert caught == []
    assert Image.MAX_IMAGE_PIXELS == 700


def test_a_plain_image_has_one_page(tmp_path, reader):
    Image.fromarray(picture()).save(tmp_path / "a.png")

    assert reader.read(Source(str(tmp_path / "a.png")), 0).page_index is None
    assert error_of(reader, tmp_path / "a.png", 1) == "there is no page 1, a plain image has one"


def test_errors_of_sources_are_raised_here(tmp_path, reader):
    missing, empty, foreign = iter_sources([tmp_path / "nowhere.png", tmp_path, None])

    for source, text in ((missing, "no such file"), (empty, "contains no image or PDF"), (foreign, "NoneType is not")):
        with pytest.raises(InputError, match=text):
            reader.read(source)
    with pytest.raises(InputError, match="without a path, bytes or an array"):
        reader.read(Source())


def test_names_that_are_no_text(tmp_path, reader):
    path = str(tmp_path / "\udcff.png")
    Image.fromarray(picture()).save(tmp_path / "a.png")
    try:
        (tmp_path / "a.png").rename(path)
    except OSError:
        pytest.skip("this file system takes valid text only")

    (source,) = iter_sources(tmp_path)

    assert reader.read(source).input_path == path
