"""Every kind of document is the page, or the pages, that a person sees; in a decoder process and without one."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image, features

from docfleet.documents import decoder, images
from docfleet.documents.pages import Limits, PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.errors import InputError
from tests.documents.makers import encoded, picture, plain_tiff, tiff

RGB = (200, 100, 50)
WHITE = [255, 255, 255]


@pytest.fixture(scope="module", params=[True, False], ids=["isolated", "here"])
def shared(request):
    if request.param and not decoder.AVAILABLE:
        pytest.skip("there are no decoder processes on this platform")
    with Reader(isolated=request.param) as reader:
        reader.read(Source(data=encoded(Image.new("L", (4, 3)), "GIF")))  # A process that is there before a test is not
        yield reader  # taken for one that the test has left.


@pytest.fixture
def reader(shared):
    """One process for all tests, which is how it lives: documents of every kind come and go."""
    shared.opened = 0
    return shared


def pages_of(reader: Reader, data: bytes) -> list:
    found = reader.read(Source(data=data))
    if isinstance(found, PageCount):
        return [reader.read(Source(data=data), index) for index in range(found.count)]
    return [found]


def image_of(reader: Reader, data: bytes) -> np.ndarray:
    (page,) = pages_of(reader, data)
    return page.image


def frames() -> list[Image.Image]:
    """Three frames of which each changes a corner of the one before."""
    first = Image.new("RGB", (40, 30), "white")
    second, third = first.copy(), first.copy()
    second.paste("red", (0, 0, 10, 10))
    third.paste("red", (0, 0, 10, 10))
    third.paste("blue", (30, 20, 40, 30))
    return [first, second, third]


@pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP"])
def test_frames_of_an_animation_are_pages_as_they_stand_on_the_screen(fmt, reader):
    first, *others = frames()
    options = {"lossless": True} if fmt == "WEBP" else {}
    data = encoded(first, fmt, save_all=True, append_images=others, duration=50, **options)

    assert reader.read(Source(data=data)) == PageCount(3)
    # Out of order, because instances share a document's pages.
    read = {index: reader.read(Source(data=data), index) for index in (2, 0, 1)}

    for index, frame in enumerate(frames()):
        assert (read[index].image == np.asarray(frame)[..., ::-1]).all()
        assert (read[index].page_index, read[index].page_count) == (index, 3)
    assert reader.opened == 1


@pytest.mark.parametrize("fmt", ["GIF", "JPEG2000"])
def test_a_single_picture_is_a_plain_image(fmt, reader):
    options = {"irreversible": False} if fmt == "JPEG2000" else {}
    (page,) = pages_of(reader, encoded(Image.fromarray(picture()).quantize(64).convert("RGB"), fmt, **options))

    assert (page.page_index, page.page_count) == (None, None)
    assert np.abs(page.image.astype(int) - picture()[..., ::-1]).mean() < 20


def test_a_plain_image_in_the_decoder_has_one_page(reader):
    data = encoded(Image.new("RGB", (4, 3)), "GIF")

    assert reader.read(Source(data=data), 0).page_index is None
    with pytest.raises(InputError, match="the bytes: there is no page 1, a plain image has one"):
        reader.read(Source(data=data), 1)


@pytest.mark.skipif(not features.check("jpg_2000"), reason="Pillow was built without OpenJPEG")
@pytest.mark.parametrize("codestream_only", [True, False])
@pytest.mark.parametrize(
    ("mode", "colour", "bgr"),
    [
        ("RGB", RGB, RGB[::-1]),
        ("L", 90, (90, 90, 90)),
        ("RGBA", (*RGB, 255), RGB[::-1]),
        ("RGBA", (*RGB, 0), (255, 255, 255)),
        ("LA", (0, 0), (255, 255, 255)),
        ("I;16", 0x5A12, (0x5A, 0x5A, 0x5A)),
    ],
)
def test_jpeg_2000(codestream_only, mode, colour, bgr, reader):
    image = image_of(reader, encoded(Image.new(mode, (33, 17), colour), "JPEG2000", no_jp2=codestream_only))

    assert image.shape == (17, 33, 3)
    assert np.abs(image.astype(int) - bgr).max() <= 1


def test_limit_of_pixels_of_a_jpeg_2000():
    data = encoded(Image.new("L", (40, 30)), "JPEG2000")

    with (
        Reader(Limits(max_page_pixels=1199)) as reader,
        pytest.raises(InputError, match="40 x 30 = 1,200 pixels, over"),
    ):
        reader.read(Source(data=data))


@pytest.mark.parametrize(
    ("fmt", "mode", "colour", "options"),
    [
        ("PNG", "RGBA", (0, 0, 0, 0), {}),
        ("PNG", "LA", (0, 0), {}),
        ("PNG", "L", 0, {"transparency": 0}),
        ("PNG", "1", 0, {"transparency": 0}),
        ("PNG", "RGB", (1, 2, 3), {"transparency": (1, 2, 3)}),
        ("WEBP", "RGBA", (0, 0, 0, 0), {"lossless": True, "exact": True}),
        ("WEBP", "RGBA", (0, 0, 0, 0), {"exact": True}),
        ("GIF", "P", 0, {"transparency": 0}),
        ("TIFF", "RGBA", (0, 0, 0, 0), {}),
        ("TIFF", "LA", (0, 0), {}),
    ],
)
def test_what_is_transparent_is_white(fmt, mode, colour, options, reader):
    image = image_of(reader, encoded(Image.new(mode, (5, 4), colour), fmt, **options))

    assert image.shape == (4, 5, 3)
    assert (image == 255).all()


def test_a_png_with_a_transparent_entry_in_its_palette(reader):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([1, 2, 3, 40, 50, 60])
    image.putpixel((1, 0), 1)

    assert image_of(reader, encoded(image, "PNG", transparency=0)).tolist() == [[WHITE, [60, 50, 40]]]


def test_transparency_that_nothing_uses_changes_no_pixel(reader):
    opaque = np.dstack([picture(), np.full((30, 40), 255, np.uint8)])

    assert (image_of(reader, encoded(Image.fromarray(opaque), "PNG")) == picture()[..., ::-1]).all()


@pytest.mark.parametrize(
    ("fmt", "mode", "options"),
    [
        ("PNG", "RGB", {}),
        ("PNG", "L", {}),
        ("PNG", "1", {}),
        ("PNG", "P", {}),
        ("PNG", "I;16", {}),
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True, "subsampling": 2, "quality": 60}),
        ("JPEG", "L", {}),
        ("JPEG", "CMYK", {}),
        ("BMP", "RGB", {}),
        ("BMP", "P", {}),
        ("WEBP", "RGB", {}),
        ("PPM", "RGB", {}),
    ],
)
def test_plain_images_are_opencvs_bit_for_bit(fmt, mode, options, reader):
    source = Image.fromarray(picture(61, 43))
    data = encoded(source.convert("L").convert("I;16") if mode == "I;16" else source.convert(mode), fmt, **options)

    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    assert (image_of(reader, data) == expected).all()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("fmt", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_orientation(fmt, mode, orientation, reader):
    if fmt == "JPEG" and mode == "RGBA":
        pytest.skip("a JPEG has no transparency")
    quarters = np.zeros((32, 64), np.uint8)
    quarters[:16, 32:], quarters[16:, :32], quarters[16:, 32:] = 80, 160, 240
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(
        Image.fromarray(quarters).convert(mode), fmt, exif=exif, **({"lossless": True} if fmt == "WEBP" else {})
    )

    image = image_of(reader, data)

    turned = {
        1: quarters, 2: quarters[:, ::-1], 3: quarters[::-1, ::-1], 4: quarters[::-1],
        5: quarters.T, 6: np.rot90(quarters, -1), 7: quarters[::-1, ::-1].T, 8: np.rot90(quarters),
    }[orientation]  # fmt: skip
    assert image.shape[:2] == turned.shape
    assert np.abs(image[..., 1].astype(int) - turned).max() <= (8 if fmt == "JPEG" else 0)


@pytest.mark.parametrize(
    ("fmt", "mode", "options"),
    [
        ("JPEG", "RGB", {}),
        ("JPEG", "RGB", {"progressive": True}),
        ("PNG", "RGB", {}),
        ("PNG", "RGBA", {}),
        ("WEBP", "RGB", {}),
        ("WEBP", "RGBA", {}),
        ("BMP", "RGB", {}),
        ("PPM", "RGB", {}),
    ],
)
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_heavy_image_is_the_light_one(fmt, mode, options, orientation, reader, monkeypatch):
    if orientation == 6 and fmt in ("BMP", "PPM"):
        pytest.skip("it says nothing of orientation")
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(picture(61, 43)).convert(mode)
    data = encoded(image, fmt, **options, **({"exif": exif} if orientation == 6 else {}))
    light = image_of(reader, data)
    assert reader.opened == 0

    monkeypatch.setattr(images, "_LIGHT_PIXELS", 100)
    heavy = image_of(reader, data)

    assert reader.opened == 1
    assert heavy.dtype == np.uint8
    assert heavy.flags.c_contiguous
    assert (heavy == light).all()


def test_a_large_file_is_heavy_whatever_its_header_says(reader, monkeypatch):
    monkeypatch.setattr("docfleet.documents.reader.LIGHT_BYTES", 100)
    data = encoded(Image.fromarray(picture()), "PNG")

    assert (image_of(reader, data) == picture()[..., ::-1]).all()
    assert reader.opened == 1


def test_a_page_larger_than_the_standing_memory(reader, monkeypatch):
    large = np.zeros((3000, 4000, 3), np.uint8)
    large[1000:2000, 500:] = (1, 2, 3)
    data = encoded(Image.fromarray(large), "TIFF", compression="packbits")

    assert (image_of(reader, data) == large[..., ::-1]).all()


def test_pages_before_and_after_do_not_show_through(reader):
    small, red = Image.new("RGB", (8, 6), "white"), Image.new("RGB", (30, 40), "red")
    data = encoded(small, "TIFF", save_all=True, append_images=[red, small])

    first, second, third = (page.image for page in pages_of(reader, data))

    assert (first == 255).all()
    assert (second == (0, 0, 255)).all()
    assert (third == 255).all()
    assert not np.shares_memory(first, third)


G8 = picture()[..., 0]
G16 = G8.astype(np.uint16) * 256 + 7
RGB8 = picture()
RGB16 = RGB8.astype(np.uint16) * 256 + 7


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (plain_tiff(G8), G8),
        (plain_tiff(255 - G8, t262=0), G8),
        (plain_tiff(G16), G8),
        (plain_tiff(65535 - G16, t262=0), G8),
        (plain_tiff(RGB8), RGB8),
        (plain_tiff(RGB16), RGB8),
        (plain_tiff((G8 / 255).astype(np.float32)), G8),
        (plain_tiff(G8.astype(np.float32)), G8),
        (plain_tiff(G8.astype(np.uint32) * 257), G8),
        (plain_tiff(np.dstack([RGB8, RGB8[..., :1] * 0]), t338=2), np.full_like(RGB8, 255)),
        (plain_tiff(np.dstack([RGB8, RGB8[..., :1] * 0]), t338=0), RGB8),
        (plain_tiff(np.dstack([255 - RGB8, RGB8[..., :1] * 0]), t262=5), RGB8),
        ((plain_tiff(RGB8)[0] | {284: 2}, RGB8.transpose(2, 0, 1).tobytes()), None),
    ],
    ids=["gray", "gray-negative", "gray16", "gray16-negative", "rgb", "rgb16", "float", "float-255", "uint32", "rgba",
         "rgbx", "cmyk", "planes"],
)  # fmt: skip
def test_numbers_and_colours_of_a_tiff(frame, expected, reader):
    if expected is None:  # Three planes, each in its strip; Pillow writes none, so they are three frames' worth of one.
        tags, strip = frame
        size = len(strip) // 3
        data = bytearray(tiff((tags, strip)))
        place = data.index(strip)
        data += b"".join(int(place + size * plane).to_bytes(4, "little") for plane in range(3))
        data += size.to_bytes(4, "little") * 3
        entries = len(data) - 24
        at = 10
        while at < place:
            tag = int.from_bytes(data[at : at + 2], "little")
            if tag in (273, 279):
                data[at + 4 : at + 12] = (3).to_bytes(4, "little") + (entries if tag == 273 else entries + 12).to_bytes(
                    4, "little"
                )
            at += 12
        image, expected = image_of(reader, bytes(data)), RGB8
    else:
        image = image_of(reader, tiff(frame))

    if expected.ndim == 2:
        expected = np.repeat(expected[..., None], 3, axis=2)
    assert np.abs(image.astype(int) - expected[..., ::-1]).max() <= 1


@pytest.mark.parametrize("order", ["<", ">"])
def test_16_bits_in_both_byte_orders(order, reader):
    tags, strip = plain_tiff(G16)
    strip = G16.astype(f"{order}u2").tobytes()

    assert (image_of(reader, tiff((tags, strip), order=order))[..., 0] == G8).all()


@pytest.mark.parametrize(
    "compression", ["raw", "packbits", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "zstd", "lzma"]
)
@pytest.mark.parametrize("options", [{}, {"big_tiff": True}, {"tiffinfo": {317: 2}}])
def test_compressions_of_a_tiff(compression, options, reader):
    if "tiffinfo" in options and compression in ("raw", "packbits"):
        pytest.skip("there is no predictor in it")
    try:
        data = encoded(Image.fromarray(RGB8), "TIFF", compression=compression, **options)
    except OSError:
        pytest.skip("Pillow was built without it")

    assert (image_of(reader, data) == RGB8[..., ::-1]).all()


@pytest.mark.parametrize("compression", ["group3", "group4", "tiff_ccitt"])
def test_fax(compression, reader):
    fax = Image.fromarray(picture()).convert("1")

    image = image_of(reader, encoded(fax, "TIFF", compression=compression))

    assert (image == np.asarray(fax.convert("RGB"))).all()


def test_a_jpeg_in_a_tiff_is_ycbcr(reader):
    smooth = cv2.GaussianBlur(picture(64, 48), (0, 0), 3)
    data = encoded(Image.fromarray(smooth).convert("YCbCr"), "TIFF", compression="jpeg", quality=95)

    assert np.abs(image_of(reader, data).astype(int) - smooth[..., ::-1]).mean() < 3


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (
            plain_tiff(RGB16, t284=2),
            "a TIFF of 16 bits with one plane for each colour is not read; save it interleaved",
        ),
        (plain_tiff(G8.astype(np.int8)), "a TIFF of signed 8-bit numbers is not read; save it unsigned"),
        (
            plain_tiff(RGB8.astype(np.float32)),
            "a TIFF of this kind of numbers is not read; save it with 8 bits for each",
        ),
        (plain_tiff(G8.astype(np.float64)), "a TIFF of this kind of numbers is not read; save it with 8 bits for each"),
        (plain_tiff(G8, t259=34887), "a TIFF of compression 34887 is not read; save it with LZW or Deflate"),
        (plain_tiff(G8, t259=34712), "a TIFF of compression 34712 is not read; save it with LZW or Deflate"),
    ],
)
def test_what_would_be_shown_wrongly_is_refused(frame, text, reader):
    with pytest.raises(InputError, match=f"the bytes: {text}"):
        pages_of(reader, tiff(frame))


def test_thumbnails_and_masks_are_no_pages(reader):
    page, thumbnail, mask = plain_tiff(G8), plain_tiff(G8[::4, ::4], t254=1), plain_tiff(G8, t254=4)
    other = plain_tiff(255 - G8, t254=2)  # A page of several.

    pages = pages_of(reader, tiff(thumbnail, page, mask, other))

    assert [page.image[..., 0].tolist() for page in pages] == [G8.tolist(), (255 - G8).tolist()]
    assert [(page.page_index, page.page_count) for page in pages] == [(0, 2), (1, 2)]


def test_frames_that_all_call_themselves_thumbnails_are_pages(reader):
    assert len(pages_of(reader, tiff(plain_tiff(G8, t254=1), plain_tiff(G8, t254=1)))) == 2


def test_a_frame_that_cannot_be_shown_costs_its_place(reader):
    data = tiff(plain_tiff(G8), plain_tiff(G8, t259=34887), plain_tiff(255 - G8))
    source = Source(data=data)

    assert reader.read(source) == PageCount(3)
    assert (reader.read(source, 0).image[..., 0] == G8).all()
    with pytest.raises(InputError, match="compression 34887"):
        reader.read(source, 1)
    assert (reader.read(source, 2).image[..., 0] == 255 - G8).all()


def test_a_chain_of_frames_that_comes_back_ends_there(reader):
    data = tiff(plain_tiff(G8), plain_tiff(255 - G8), next_of_last=8)

    assert len(pages_of(reader, data)) == 2


def test_a_gif_whose_frame_is_larger_than_the_whole(reader):
    data = bytearray(encoded(Image.new("L", (8, 6)), "GIF", save_all=True, append_images=[Image.new("L", (8, 6), 255)]))
    second = data.index(b"\x2c", data.index(b"\x2c") + 1)
    data[second + 5 : second + 9] = (60000).to_bytes(2, "little") * 2
    source = Source(data=bytes(data))

    assert reader.read(source) == PageCount(2)
    with pytest.raises(InputError, match=r"3,?600,?000,?000 pixels.*limit"):
        reader.read(source, 1)


def test_a_jpeg_2000_whose_box_lies(reader):
    data = bytearray(encoded(Image.new("L", (8, 6)), "JPEG2000"))
    codestream = data.index(b"\xff\x4f\xff\x51")
    data[codestream + 8 : codestream + 16] = (60000).to_bytes(4, "big") * 2

    with pytest.raises(InputError, match=r"60000 x 60000 = 3,600,000,000 pixels, over the limit"):
        reader.read(Source(data=bytes(data)))


@pytest.mark.parametrize("fmt", ["GIF", "PNG", "WEBP", "TIFF"])
def test_limits_of_pixels_and_pages(fmt):
    first, *others = frames()
    data = encoded(first, fmt, save_all=True, append_images=others)

    with (
        Reader(Limits(max_page_pixels=1199)) as reader,
        pytest.raises(InputError, match="40 x 30 = 1,200 pixels, over"),
    ):
        pages_of(reader, data)
    with (
        Reader(Limits(max_document_pages=2)) as reader,
        pytest.raises(InputError, match="3 frames, over the limit of 2; raise max_document_pages"),
    ):
        reader.read(Source(data=data))


def test_bytes_are_read_like_files(tmp_path, reader):
    data = encoded(Image.fromarray(picture()), "TIFF")
    (tmp_path / "a.tif").write_bytes(data)

    page = reader.read(Source(data=data))

    assert (page.image == reader.read(Source(str(tmp_path / "a.tif"))).image).all()
    assert page.input_path is None
    assert reader.read(Source("stdin", data=data)).input_path == "stdin"


def test_other_bytes_are_another_document(reader):
    first, *others = frames()
    two, three = (encoded(first, "TIFF", save_all=True, append_images=others[:n]) for n in (1, 2))

    assert reader.read(Source(data=two)) == PageCount(2)
    assert reader.read(Source(data=three)) == PageCount(3)
    reader.read(Source(data=np.frombuffer(three, np.uint8)), 1)
    assert reader.opened == 2


def test_bytes_that_are_nothing(reader):
    for data, text in ((b"", "the bytes: the file is empty"), (b"Dear reader", "the bytes: text, not an image or PDF")):
        with pytest.raises(InputError, match=text):
            reader.read(Source(data=data))


def test_limit_of_bytes_in_memory():
    with Reader(Limits(max_file_bytes=10)) as reader, pytest.raises(InputError, match="11 bytes, over the limit of 10"):
        reader.read(Source(data=bytes(11)))


def test_cmyk_is_not_negative(reader):
    # Adobe's programs store ink the wrong way round, and nearly all CMYK JPEGs are theirs or imitate them.
    file = io.BytesIO()
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(file, "JPEG")

    assert np.abs(image_of(reader, file.getvalue()).astype(int) - (0, 0, 255)).max() <= 3
