"""How large a plain image is, and what else its header says that decides how it is decoded; nothing is decoded.

Read here and not by a library, so that a damaged part that no decoder minds (a text chunk, a colour profile) does not
refuse a page, and so that nothing warns or has a limit of its own.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from struct import error as StructError  # noqa: N812 - a class with the name of a variable
from struct import unpack_from

from docfleet.documents.kinds import Kind

_CHUNKS = 10_000
"""Of a PNG looked at; a large one has some thousands. A file may hold millions of empty ones."""


def image_size(kind: Kind, data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels that the file declares, or None if its header is cut short or makes no sense.

    `kind`: a plain one. `data`: the whole file, because JPEG puts the size behind other segments.
    """
    try:
        size = _SIZES[kind](data)
    except (StructError, IndexError):
        return None
    return size if size is not None and min(size) > 0 else None


def is_animated(kind: Kind, data: bytes) -> bool:
    """Whether a plain image holds several pictures in turn: an animated PNG or WebP."""
    if kind is Kind.PNG:
        return b"acTL" in _names_before_pixels(data)
    return kind is Kind.WEBP and bool(_webp_flags(data) & _WEBP_ANIMATION)


def is_laid_on_paper(kind: Kind, data: bytes) -> bool:
    """Whether OpenCV, which drops transparency and knows no orientation of WebP, would show what nobody sees."""
    if kind is Kind.PNG:
        return data[25:26] in (b"\4", b"\6") or b"tRNS" in _names_before_pixels(data)
    return kind is Kind.WEBP and bool(_webp_flags(data) & (_WEBP_ALPHA | _WEBP_EXIF))


def promises_too_much(kind: Kind, data: bytes) -> bool:
    """Whether a PNG has a chunk that is longer than the file, or too many to say.

    OpenCV makes room for a chunk before it looks whether there is one: 341 bytes have cost 3.6 GB.
    """
    if kind is not Kind.PNG:
        return False
    for number, (name, length) in enumerate(_png_chunks(data)):
        if length > len(data) or number >= _CHUNKS - 1:
            return True
        if name == b"IEND":
            break
    return False


def scans_of(data: bytes) -> int:
    """How often, at most, a decoder goes over the picture of a JPEG.

    Each scan of a progressive JPEG costs time for every pixel, and a few bytes of the file. Counted without regard to
    where: inside the picture's own data the marker cannot occur, and elsewhere it is rare.
    """
    return data.count(b"\xff\xda")


def _png_size(data: bytes) -> tuple[int, int] | None:
    return unpack_from(">II", data, 16) if data[12:16] == b"IHDR" else None


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """Name of each chunk, and the length that it says it has."""
    at = 8
    for _ in range(_CHUNKS):
        if at + 8 > len(data):
            return
        length = int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : at + 8], length
        at += 12 + length


def _names_before_pixels(data: bytes) -> Iterator[bytes]:
    """A decoder ignores what stands behind them."""
    return itertools.takewhile(lambda name: name != b"IDAT", (name for name, _ in _png_chunks(data)))


def _bmp_size(data: bytes) -> tuple[int, int]:
    if unpack_from("<I", data, 14)[0] == 12:
        return unpack_from("<HH", data, 18)
    width, height = unpack_from("<ii", data, 18)
    return width, abs(height)  # Negative: rows run from the top.


_WEBP_ANIMATION, _WEBP_EXIF, _WEBP_ALPHA = 0x02, 0x08, 0x10


def _webp_flags(data: bytes) -> int:
    """The feature bits of an extended WebP; those of a simple one, as far as it can have any."""
    if data[12:16] == b"VP8X" and len(data) > 20:
        return data[20]
    # Lossless: the bit above 14 bits each of width and height says that transparency is used.
    return _WEBP_ALPHA if data[12:16] == b"VP8L" and len(data) > 24 and data[24] & 0x10 else 0


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
_PNM_HEAD = 64 * 1024
"""Bytes in which the header must end. Longer ones are comments, and a regular expression remembers every one."""


def _pnm_size(data: bytes) -> tuple[int, int] | None:
    numbers = _PNM_NUMBERS.match(data[:_PNM_HEAD])
    return None if numbers is None else (int(numbers[1]), int(numbers[2]))


# Decoders skip what stands between segments, so the next marker is looked for, not expected. Not counted as markers are
# fill bytes and those without a length: TEM, RST0-7, SOI.
_JPEG_MARKER = re.compile(rb"\xff([\x02-\xcf\xd9-\xfe])")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SEGMENTS = 10_000
"""Looked through for the frame. Files have a few dozen; one made to waste time has millions."""


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(_JPEG_SEGMENTS):
        found = _JPEG_MARKER.search(data, at)
        if found is None:
            return None
        marker, at = found[1][0], found.end()
        if marker in _JPEG_FRAMES:
            height, width = unpack_from(">HH", data, at + 3)
            return width, height
        if marker in (0xD9, 0xDA):  # The end, or pixels, before any frame header.
            return None
        at += max(2, unpack_from(">H", data, at)[0])
    return None


_SIZES: dict[Kind, Callable[[bytes], tuple[int, int] | None]] = {
    Kind.BMP: _bmp_size,
    Kind.JPEG: _jpeg_size,
    Kind.PNG: _png_size,
    Kind.PNM: _pnm_size,
    Kind.WEBP: _webp_size,
}
