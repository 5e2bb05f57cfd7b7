"""What headers say, against files that Pillow writes and against damaged ones."""

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from docfleet.documents.headers import image_size, is_animated, is_laid_on_paper, promises_too_much, scans_of
from docfleet.documents.kinds import HEAD_BYTES, PLAIN, Kind, kind_of


def encoded(fmt: str, *, mode: str = "RGB", size: tuple[int, int] = (37, 21), **options) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, fmt, **options)
    return file.getvalue()


WRITTEN = [
    (Kind.PNG, encoded("PNG")),
    (Kind.PNG, encoded("PNG", mode="1")),
    (Kind.JPEG, encoded("JPEG")),
    (Kind.JPEG, encoded("JPEG", progressive=True)),
    (Kind.JPEG, encoded("JPEG", comment=b"\xff\xc0" * 3000)),
    (Kind.JPEG, encoded("JPEG", mode="CMYK")),
    (Kind.BMP, encoded("BMP")),
    (Kind.BMP, encoded("BMP", mode="1")),
    (Kind.WEBP, encoded("WEBP")),
    (Kind.WEBP, encoded("WEBP", lossless=True)),
    (Kind.WEBP, encoded("WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")),
    (Kind.PNM, encoded("PPM")),
    (Kind.PNM, encoded("PPM", mode="L")),
    (Kind.PNM, encoded("PPM", mode="1")),
    (Kind.PNM, b"P2 # gray\n#more\n37\n21 255\n" + b"0 " * 777),
]


@pytest.mark.parametrize(("kind", "data"), WRITTEN)
def test_kind_and_size(kind, data):
    assert kind_of(data[:HEAD_BYTES]) is kind
    assert image_size(kind, data) == (37, 21)


def test_the_webp_variants_differ():
    assert {data[12:16] for kind, data in WRITTEN if kind is Kind.WEBP} == {b"VP8 ", b"VP8L", b"VP8X"}


def test_bmp_of_os2_and_bmp_from_the_top():
    head = b"BM" + bytes(12)
    assert image_size(Kind.BMP, head + b"\x0c\0\0\0" + b"\x25\0\x15\0" + bytes(8)) == (37, 21)
    assert image_size(Kind.BMP, head + b"\x28\0\0\0" + b"\x25\0\0\0" + b"\xeb\xff\xff\xff" + bytes(32)) == (37, 21)


@pytest.mark.parametrize(("kind", "data"), WRITTEN)
def test_a_header_cut_anywhere_gives_the_size_or_none(kind, data):
    sizes = [image_size(kind, data[:length]) for length in range(min(len(data), 700))]

    assert set(sizes) <= {None, (37, 21)} | ({(3, 21), (37, 2)} if kind is Kind.PNM else set())
    assert sizes[0] is None


@given(data=st.binary(max_size=60), start=st.sampled_from([data[:40] for _, data in WRITTEN]), cut=st.integers(0, 40))
@example(data=b"\xff", start=b"\xff\xd8", cut=2)
def test_any_bytes_give_a_positive_size_or_none(data, start, cut):
    for kind in PLAIN:
        size = image_size(kind, start[:cut] + data)
        assert size is None or min(size) > 0


ANIMATED = {"save_all": True, "append_images": [Image.new("RGB", (37, 21), "red")]}


def test_animations_are_told_from_single_pictures():
    assert is_animated(Kind.PNG, encoded("PNG", **ANIMATED))
    assert is_animated(Kind.WEBP, encoded("WEBP", **ANIMATED))
    assert [kind for kind, data in WRITTEN if is_animated(kind, data)] == []


@pytest.mark.parametrize(
    ("fmt", "options"),
    [
        ("PNG", {"mode": "RGBA"}),
        ("PNG", {"mode": "LA"}),
        ("PNG", {"mode": "P", "transparency": 0}),
        ("PNG", {"mode": "L", "transparency": 0}),
        ("WEBP", {"mode": "RGBA"}),
        ("WEBP", {"mode": "RGBA", "lossless": True}),
        ("WEBP", {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"}),
    ],
)
def test_what_opencv_would_show_wrongly(fmt, options):
    assert is_laid_on_paper(Kind[fmt], encoded(fmt, **options))


def test_a_lossless_webp_that_is_not_extended_may_be_transparent():
    data = encoded("WEBP", mode="RGBA", lossless=True, exact=True)
    if data[12:16] == b"VP8X":  # Make the simple file of its picture.
        at = data.index(b"VP8L")
        data = data[:4] + (len(data) - at + 4).to_bytes(4, "little") + b"WEBP" + data[at:]

    assert data[12:16] == b"VP8L"
    assert is_laid_on_paper(Kind.WEBP, data)
    assert not is_laid_on_paper(Kind.WEBP, encoded("WEBP", lossless=True))


def test_what_stands_behind_the_pixels_does_not_count():
    data = encoded("PNG")

    assert not is_animated(Kind.PNG, data + b"\0\0\0\x08acTL" + bytes(12))
    assert not is_laid_on_paper(Kind.PNG, data + b"\0\0\0\1tRNS" + bytes(5))


def test_chunks_longer_than_the_file():
    data = encoded("PNG")
    chunk = b"\xce\xdb\xa0\xc0fcTL"

    assert not promises_too_much(Kind.PNG, data)
    assert promises_too_much(Kind.PNG, data[:33] + chunk + data[33:])
    assert promises_too_much(Kind.PNG, data[:-12] + chunk + data[-12:])
    assert not promises_too_much(Kind.PNG, data + chunk)  # Behind the end.
    assert not promises_too_much(Kind.JPEG, data[:33] + chunk)
    assert promises_too_much(Kind.PNG, data[:33] + b"\0\0\0\0teXt\0\0\0\0" * 20_000 + data[33:])


def test_scans():
    assert scans_of(encoded("JPEG")) == 1
    assert 5 < scans_of(encoded("JPEG", progressive=True)) < 15


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Kind.JPEG, b"\xff\xd8" + b"\xff" * 5_000_000),
        (Kind.JPEG, b"\xff\xd8" + b"\xff\xd0" * 2_500_000),
        (Kind.JPEG, b"\xff\xd8" + b"\xff\xe0\0\2" * 1_250_000),
        (Kind.PNM, b"P5 " + b" " * 5_000_000 + b"9 9 "),
        (Kind.PNM, b"P5 " + b"#\n" * 2_500_000 + b"9 9 "),
    ],
)
def test_a_header_made_to_waste_time_is_given_up(kind, data):
    assert image_size(kind, data) is None


def test_a_png_of_empty_chunks_is_given_up():
    chunks = b"\0\0\0\0teXt\0\0\0\0" * 100_000

    assert not is_animated(Kind.PNG, b"\x89PNG\r\n\x1a\n" + chunks + b"\0\0\0\x08acTL")
