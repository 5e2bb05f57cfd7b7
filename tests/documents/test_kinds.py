"""Kinds by content, and what is said of those that are not read."""

import io

import pytest
from PIL import Image

from docfleet.documents.kinds import HEAD_BYTES, Kind, kind_of, not_read


def encoded(fmt: str, **options) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (37, 21)).save(file, fmt, **options)
    return file.getvalue()


@pytest.mark.parametrize("fmt", ["BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PDF", "TIFF", "WEBP"])
def test_what_pillow_writes(fmt):
    assert kind_of(encoded(fmt)[:HEAD_BYTES]) is Kind[fmt]


def test_variants():
    assert kind_of(encoded("TIFF", big_tiff=True)) is Kind.TIFF
    assert kind_of(encoded("JPEG2000", no_jp2=True)) is Kind.JPEG2000
    assert kind_of(encoded("PPM")) is Kind.PNM


def test_pdf_behind_other_bytes_is_found_as_far_as_readers_look():
    assert kind_of(b"\n" * 1019 + b"%PDF-1.7") is Kind.PDF
    assert kind_of(b"\n" * 1020 + b"%PDF-1.7") is None


FOREIGN = [
    (b"\0\0\0\x20ftypheic\0\0\0\0mif1heic", "a HEIC image"),
    (b"\0\0\0\x20ftypmif1\0\0\0\0mif1heic", "a HEIC image"),
    (b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf", "an AVIF image"),
    (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avif", "an AVIF image"),
    (b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", "a video"),
    (b"\xff\x0a\xfa\x7f", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL image"),
    (b"8BPS\0\1", "a Photoshop document"),
    (b"%!PS-Adobe-3.0\n", "a PostScript document"),
    (b"\n<!DOCTYPE html><html>", "an HTML page"),
    (b"<?xml version='1.0'?>\n<!DOCTYPE html PUBLIC ''>\n<html>", "an HTML page"),
    (b"<?xml version='1.0'?>\n<svg xmlns=''>", "an SVG image"),
    (b"<?xml version='1.0'?>\n<rss>", "an XML document"),
    (b"PK\3\4\x14\0", "a ZIP archive or Office document"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old Office document"),
    (b"{\\rtf1", "an RTF document"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    ("Sehr geehrte Frau Müller,\n".encode("latin-1"), "text"),
]


@pytest.mark.parametrize(("head", "name"), FOREIGN, ids=[name for _, name in FOREIGN])
def test_what_is_not_read_is_named(head, name):
    assert kind_of(head) is None
    assert not_read(head) == (
        f"{name}, not an image or PDF that is read; those are BMP, GIF, JPEG, JPEG 2000, PNG, PNM, WebP, TIFF, PDF"
    )


@pytest.mark.parametrize("head", [b"", b"\0" * 1024, b"\1\2\3", b"GIF88a\0", b"P7\n\0"])
def test_what_nobody_knows_is_not_named(head):
    assert kind_of(head) is None
    assert not_read(head).startswith("not an image or PDF")


def test_a_sentence_that_begins_like_a_bitmap():
    assert kind_of(b"BMW is a car maker and this is a sentence.") is None
