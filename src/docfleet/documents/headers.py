"""What a file is and how large its picture is, from its first bytes; nothing is decoded.

The kind comes from the content alone: a PNG named `.jpg` is a PNG, as it is for OpenCV. The size is read here and not
by a library so that a damaged part that no decoder minds (a text chunk, a colour profile) does not refuse a page, and
so that nothing warns or has a limit of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from struct import error as StructError  # noqa: N812 - a class with the name of a variable
from struct import unpack_from

HEAD_BYTES = 1024
"""How much of a file `kind_of` wants: readers of PDF look for its signature that far."""


class Kind(StrEnum):
    """Kinds of file that are read."""

    BMP = "BMP"
    JPEG = "JPEG"
    PNG = "PNG"
    PNM = "PNM"
    WEBP = "WebP"
    TIFF = "TIFF"
    PDF = "PDF"


_SIGNATURES = {
    Kind.PNG: rb"\x89PNG\r\n\x1a\n",
    Kind.JPEG: rb"\xff\xd8\xff",
    Kind.WEBP: rb"RIFF.{4}WEBP",
    Kind.TIFF: rb"II[*+]\0|MM\0[*+]",
    Kind.BMP: rb"BM.{4}.{4}.{4}[\x0c-\x7c]\0\0\0",
    Kind.PNM: rb"P[1-6][\s#]",
    Kind.PDF: rb".{0,1019}%PDF-",
}
_PATTERNS = {kind: re.compile(signature, re.DOTALL) for kind, signature in _SIGNATURES.items()}


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file whose first `HEAD_BYTES` bytes are `head`; None if it is none that is read."""
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.match(head)), None)


def image_size(kind: Kind, data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that the file declares, or None if its header is cut short or makes no sense.

    `kind`: one of BMP, JPEG, PNG, PNM, WEBP. `data`: the whole file, because JPEG puts the size behind other segments.
    """
    try:
        size = _SIZES[kind](data)
    except (StructError, IndexError):
        return None
    return size if size is not None and min(size) > 0 else None


def _png_size(data: bytes) -> tuple[int, int] | None:
    return unpack_from(">II", data, 16) if data[12:16] == b"IHDR" else None


def _bmp_size(data: bytes) -> tuple[int, int]:
    if unpack_from("<I", data, 14)[0] == 12:
        return unpack_from("<HH", data, 18)
    width, height = unpack_from("<ii", data, 18)
    return width, abs(height)  # Negative: rows run from the top.


def _webp_size(data: bytes) -> tuple[int, int] | None:
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:  # Canvas less one, 24 bits each.
        return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
    if chunk == b"VP8L":  # One byte of signature, then 14 bits each, less one.
        bits = unpack_from("<I", data, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 ":  # Three bytes of frame tag, three of start code; two bits of scaling above each.
        width, height = unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    return None


_PNM_NUMBERS = re.compile(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})\s")


def _pnm_size(data: bytes) -> tuple[int, int] | None:
    numbers = _PNM_NUMBERS.match(data)
    return None if numbers is None else (int(numbers[1]), int(numbers[2]))


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers without a length: TEM, RST0-7, SOI."""


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    while True:
        # Decoders skip what stands between segments, so the next marker is looked for, not expected.
        at = data.find(b"\xff", at)
        if at < 0:
            return None
        marker = data[at + 1]
        if marker in (0x00, 0xFF):
            at += 1
        elif marker in _JPEG_BARE:
            at += 2
        elif marker in _JPEG_FRAMES:
            height, width = unpack_from(">HH", data, at + 5)
            return width, height
        elif marker in (0xD9, 0xDA):  # The end, or pixels, before any frame header.
            return None
        else:
            at += 2 + max(2, unpack_from(">H", data, at + 2)[0])


_SIZES: dict[Kind, Callable[[bytes], tuple[int, int] | None]] = {
    Kind.BMP: _bmp_size,
    Kind.JPEG: _jpeg_size,
    Kind.PNG: _png_size,
    Kind.PNM: _pnm_size,
    Kind.WEBP: _webp_size,
}
