"""Documents that lie, break off or waste what they can: what each one is, to the pixel or to the word.

Made here, byte for byte. Bombs that need a process to be killed are in test_decoder.
"""

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from docfleet.documents.pages import PageCount
from docfleet.documents.sources import Source
from docfleet.errors import InputError
from tests.documents.makers import (
    CATALOG,
    black_png,
    deflated,
    encoded,
    encrypted_pdf,
    image_pdf,
    page_pdf,
    pdf,
    picture,
    plain_tiff,
    png,
    stream,
    tiff,
)

NOT_READ = "not an image or PDF that is read; those are BMP, GIF, JPEG, JPEG 2000, PNG, PNM, WebP, TIFF, PDF"
CORRUPT_PDF = "the PDF is truncated or corrupt, or has no pages"

NEW_OPENCV = tuple(map(int, cv2.__version__.split(".")[:2])) > (4, 10)
NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8))
JPEG, PNG, GIF = (encoded(NOISE, fmt) for fmt in ("JPEG", "PNG", "GIF"))
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 20 10]>>"


def with_size(data: bytes, at: int, form: str, width: int, height: int) -> bytes:
    return data[:at] + struct.pack(form, width, height) + data[at + struct.calcsize(form) :]


def bmp(width: int, height: int, pixels: bytes, *, compression: int = 0, bits: int = 24) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, len(pixels), 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(pixels), 0, 0, 54) + head + pixels


OUTCOMES = {
    # What is not what its name says
    "empty": (b"", "the file is empty"),
    "one-byte": (b"\0", NOT_READ),
    "zeros": (bytes(100_000), NOT_READ),
    "html": (b"<!DOCTYPE html>\n<html><body>404", f"an HTML page, {NOT_READ}"),
    "text": (b"Page not found\n", f"text, {NOT_READ}"),
    "office": (b"PK\3\4" + bytes(60), f"a ZIP archive or Office document, {NOT_READ}"),
    # Headers that lie
    "png-huge": (with_size(PNG, 16, ">II", 2**31 - 1, 2**31 - 1), "over the limit of 178,956,970; raise max_page_pix"),
    "png-wide": (with_size(PNG, 16, ">II", 100_000_000, 1), "truncated or corrupt"),
    "png-none": (with_size(PNG, 16, ">II", 0, 5), "the PNG header is truncated or corrupt"),
    "png-larger-than-it-is": (with_size(PNG, 16, ">II", 13_000, 13_000), "the PNG is truncated or corrupt, or takes"),
    "png-smaller-than-it-is": (
        png(4, 3, (b"IDAT", deflated(bytes(10_000), 10_000))),
        (3, 4),
    ),
    "jpeg-huge": (with_size(JPEG, JPEG.index(b"\xff\xc0") + 5, ">HH", 65535, 65535), "over the limit of 178,956,970"),
    # Its data end as they should: OpenCV, like browsers, leaves gray what is not there.
    "jpeg-larger-than-it-is": (with_size(JPEG, JPEG.index(b"\xff\xc0") + 5, ">HH", 4000, 4000), (4000, 4000)),
    "bmp-huge": (bmp(1 << 30, 1 << 30, b""), "over the limit of 178,956,970"),
    "bmp-most-negative": (bmp(4, -(2**31), b""), "over the limit of 178,956,970"),
    "bmp-larger-than-it-is": (bmp(4000, 4000, bytes(100)), "the BMP is truncated or corrupt"),
    "bmp-run-length": (bmp(4000, 4000, b"\xff\0" * 10, compression=1, bits=8), "the BMP is truncated or corrupt"),
    "pnm-huge": (b"P5 999999999 999999999 255\n", "over the limit of 178,956,970"),
    "pnm-larger-than-it-is": (b"P6 4000 4000 255\n" + bytes(99), "the PNM is truncated or corrupt"),
    "webp-huge": (b"RIFF\x1e\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0" + b"\xff" * 6, "over the limit of 178,956,970"),
    "tiff-huge": (
        tiff((plain_tiff(picture())[0] | {256: 2**31, 257: 2**31}, b"")),
        "over the limit of 178,956,970",
    ),
    "tiff-larger-than-it-is": (
        tiff((plain_tiff(picture())[0] | {256: 5000, 257: 5000, 278: 5000}, bytes(100))),
        "the TIFF is truncated or corrupt",
    ),
    "gif-huge": (with_size(GIF, 6, "<HH", 65535, 65535), "over the limit of 178,956,970"),
    "jpeg2000-huge": (
        b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">IIII", 2**31, 2**31, 0, 0) + bytes(40),
        "over the limit of 178,956,970",
    ),
    "jpeg2000-inside-out": (
        b"\xff\x4f\xff\x51\0\x29\0\0" + struct.pack(">IIII", 10, 10, 20, 20) + bytes(40),
        "the JPEG 2000 header is truncated or corrupt",
    ),
    # What breaks off
    "png-cut": (PNG[: len(PNG) // 2], "the PNG is truncated or corrupt"),
    # Older OpenCV leaves gray what is not there.
    "jpeg-cut": (JPEG[: len(JPEG) // 2], "the JPEG is truncated or corrupt" if NEW_OPENCV else (80, 80)),
    "pdf-head-only": (b"%PDF-1.7\n%%EOF", CORRUPT_PDF),
    "pdf-cut": (page_pdf(b"", more=[stream(bytes(9000))])[:-2000], CORRUPT_PDF),
    "tiff-head-only": (b"II*\0\x08\0\0\0", "the TIFF is truncated or corrupt"),
    "gif-head-only": (b"GIF89a\4\0\3\0", "the GIF is truncated or corrupt"),
    "webp-head-only": (b"RIFF\4\0\0\0WEBP", "the WebP header is truncated or corrupt"),
    # Extra chunks
    "png-text-bomb": (
        png(4, 3, (b"zTXt", b"k\0\0" + deflated(bytes(1 << 20), 1000)), (b"IDAT", zlib.compress(bytes(39)))),
        (3, 4),
    ),
    "png-profile-bomb": (
        png(4, 3, (b"iCCP", b"k\0\0" + deflated(bytes(1 << 20), 1000)), (b"IDAT", zlib.compress(bytes(39)))),
        (3, 4),
    ),
    "png-damaged-text": (
        png(4, 3, (b"tEXt", b"k\0v"), (b"IDAT", zlib.compress(bytes(39)))).replace(b"k\0v", b"k\0w"),
        (3, 4),
    ),
    "png-damaged-pixels": (
        png(4, 3, (b"IDAT", zlib.compress(bytes(39)))).replace(b"IDAT\x78", b"IDAT\x79"),
        "the PNG is truncated or corrupt",
    ),
    # Extreme shapes
    "png-one-pixel": (black_png(1, 1), (1, 1)),
    "png-thread": (black_png(1, 60_000), (60_000, 1)),
    # Documents
    "pdf-no-pages": (pdf(CATALOG, b"<</Type/Pages/Kids[]/Count 0>>"), CORRUPT_PDF),
    "pdf-locked": (encrypted_pdf("secret"), "the PDF is encrypted; give its password as pdf_password"),
    "pdf-no-content": (pdf(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE), (20, 40)),
    "pdf-wrong-table": (
        pdf(CATALOG, b"<</Type/Pages/Kids[3 0 R]/Count 1>>", PAGE).replace(b"startxref\n", b"startxref\n9"),
        (20, 40),
    ),
    "pdf-that-is-its-own-content": (
        page_pdf(b"/F Do", resources=b"/XObject<</F 5 0 R>>", more=[
            stream(b"/F Do", b"/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F 5 0 R>>>>")]),
        (200, 400),
    ),
    "pdf-large-picture": (image_pdf(12_000, 12_000, 1), (200, 400)),
    "pdf-200-inches": (page_pdf(b"", box=b"0 0 14400 14400"), (13_377, 13_377)),
    "pdf-endless": (page_pdf(b"", box=b"0 0 99999999 99999999"), "page 1 of 1 measures"),
    "tiff-loop": (b"II*\0\x08\0\0\0\0\0\x08\0\0\0", "the TIFF is truncated or corrupt"),
    "gif-no-frame": (b"GIF89a\4\0\3\0\0\0\0;", "the GIF is truncated or corrupt"),
}  # fmt: skip


@pytest.mark.parametrize("name", OUTCOMES)
def test_outcome(name, reader):
    data, expected = OUTCOMES[name]
    source = Source(name, data=data)

    if isinstance(expected, tuple):
        assert reader.read(source).image.shape == (*expected, 3)
        return
    with pytest.raises(InputError) as caught:
        reader.read(source)
    message = str(caught.value)
    assert message.startswith(f"{name}: ")
    assert expected in message
    assert "\n" not in message


def test_none_costs_another(reader):
    good = Source(data=tiff(plain_tiff(picture())))
    for name, (data, _) in OUTCOMES.items():
        try:
            reader.read(Source(name, data=data))
        except InputError:
            pass
        assert (reader.read(good).image == picture()[..., ::-1]).all()


@pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files of POSIX systems")
@pytest.mark.parametrize("number", [None, 0])
def test_what_is_no_file_of_bytes(number, tmp_path, reader):
    os.mkfifo(tmp_path / "pipe.pdf")
    (tmp_path / "link.pdf").symlink_to(tmp_path / "pipe.pdf")
    (tmp_path / "self.pdf").symlink_to(tmp_path / "self.pdf")
    for path, text in (
        (tmp_path / "pipe.pdf", "is not a regular file"),
        (tmp_path / "link.pdf", "is not a regular file"),
        (tmp_path / "self.pdf", "cannot be read: Too many levels of symbolic links"),
        (tmp_path, "is a folder, not a file"),
        (Path("/dev/zero"), "is not a regular file"),
        (Path("/dev/null"), "is not a regular file"),
    ):
        with pytest.raises(InputError, match=f"{path}: {text}"):
            reader.read(Source(str(path)), number)


def test_a_file_that_is_exchanged_for_a_pipe_does_not_block(tmp_path, reader, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    identify = __import__("docfleet.documents.reader", fromlist=["identify"]).identify

    def exchanging(*args, **kwargs):
        found = identify(*args, **kwargs)
        path.unlink()
        os.mkfifo(path)
        return found

    monkeypatch.setattr("docfleet.documents.reader.identify", exchanging)
    with pytest.raises(InputError, match="is not a regular file"):
        reader.read(Source(str(path)))


def test_a_document_that_shrinks_while_it_is_open_costs_itself(tmp_path, reader):
    frames = [Image.effect_noise((400, 300), 90) for _ in range(4)]
    path = tmp_path / "a.tif"
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert reader.read(Source(str(path))) == PageCount(4)

    with path.open("r+b") as file:
        file.truncate(130_000)
    with pytest.raises(InputError):
        reader.read(Source(str(path)), 3)
    assert reader.read(Source(data=PNG)).image.shape == (80, 80, 3)
