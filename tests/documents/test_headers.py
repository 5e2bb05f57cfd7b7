"""Kinds by content and sizes by header, against files that Pillow writes and against damaged ones."""

import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image

from docfleet.documents.headers import HEAD_BYTES, Kind, image_size, kind_of

PLAIN = [kind for kind in Kind if kind not in (Kind.TIFF, Kind.PDF)]


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


@pytest.mark.parametrize("fmt", ["TIFF", "PDF"])
def test_documents(fmt):
    assert kind_of(encoded(fmt)[:HEAD_BYTES]) is Kind(fmt)


def test_pdf_behind_other_bytes_is_found_as_far_as_readers_look():
    assert kind_of(b"\n" * 1019 + b"%PDF-1.7") is Kind.PDF
    assert kind_of(b"\n" * 1020 + b"%PDF-1.7") is None


@pytest.mark.parametrize("head", [b"", b"text\n", b"P7\n", b"GIF89a", b"BMW is a car maker and this is a sentence."])
def test_what_is_not_read(head):
    assert kind_of(head) is None


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
