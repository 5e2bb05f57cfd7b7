"""What a file is, from its first bytes.

The kind comes from the content alone: a PNG named `.jpg` is a PNG, as it is for OpenCV. What is not read is named too,
as far as it is common: "an HTML page" tells more of a failed download than "not an image".
"""

from __future__ import annotations

import re
from enum import StrEnum

HEAD_BYTES = 1024
"""How much of a file `kind_of` wants: readers of PDF look for its signature that far."""


class Kind(StrEnum):
    """Kinds of file that are read."""

    BMP = "BMP"
    GIF = "GIF"
    JPEG = "JPEG"
    JPEG2000 = "JPEG 2000"
    PNG = "PNG"
    PNM = "PNM"
    WEBP = "WebP"
    TIFF = "TIFF"
    PDF = "PDF"


PLAIN = frozenset({Kind.BMP, Kind.JPEG, Kind.PNG, Kind.PNM, Kind.WEBP})
"""One picture each, unless animated; decoded where they are read, unless heavy."""

_SIGNATURES = {
    Kind.PNG: rb"\x89PNG\r\n\x1a\n",
    Kind.JPEG: rb"\xff\xd8\xff",
    Kind.WEBP: rb"RIFF.{4}WEBP",
    Kind.GIF: rb"GIF8[79]a",
    Kind.JPEG2000: rb"\0\0\0\x0cjP {2}\r\n\x87\n|\xff\x4f\xff\x51",
    Kind.TIFF: rb"II[*+]\0|MM\0[*+]",
    Kind.BMP: rb"BM.{4}.{4}.{4}[\x0c-\x7c]\0\0\0",
    Kind.PNM: rb"P[1-6][\s#]",
    Kind.PDF: rb".{0,1019}%PDF-",
}
_PATTERNS = {kind: re.compile(signature, re.DOTALL) for kind, signature in _SIGNATURES.items()}

_FOREIGN = {
    "an AVIF image": rb".{4}ftyp.{0,64}?avi[fs]",
    "a HEIC image": rb".{4}ftyp.{0,64}?(?:hei[cxms]|hev[cxms]|mif1|msf1)",
    "a video": rb".{4}ftyp",
    "a JPEG XL image": rb"\xff\x0a|\0\0\0\x0cJXL ",
    "an icon": rb"\0\0[\x01\x02]\0",
    "a Sun raster image": rb"\x59\xa6\x6a\x95",
    "a Photoshop document": rb"8BPS",
    "a DjVu document": rb"AT&TFORM",
    "a PostScript document": rb"%!PS|\xc5\xd0\xd3\xc6",
    "an SVG image": rb"\s*(?i:<svg|<\?xml.*?<svg)",
    "an HTML page": rb"\s*(?i:<!doctype html|<html|<head|<body|<\?xml.*?<html)",
    "an XML document": rb"\s*<\?xml",
    "a ZIP archive or Office document": rb"PK(?:\x03\x04|\x05\x06)",
    "an old Office document": rb"\xd0\xcf\x11\xe0",
    "an RTF document": rb"\{\\rtf",
    "a gzip archive": rb"\x1f\x8b",
}

_NO_TEXT = re.compile(rb"[\0-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def kind_of(head: bytes) -> Kind | None:
    """The kind of a file whose first `HEAD_BYTES` bytes are `head`; None if it is none that is read."""
    return next((kind for kind, pattern in _PATTERNS.items() if pattern.match(head)), None)


def not_read(head: bytes) -> str:
    """What to say of a file whose kind is None: what it seems to be, and what is read."""
    named = next((name for name, signature in _FOREIGN.items() if re.match(signature, head, re.DOTALL)), None)
    if named is None and head and not _NO_TEXT.search(head):
        named = "text"
    return f"{f'{named}, ' if named else ''}not an image or PDF that is read; those are {', '.join(Kind)}"
