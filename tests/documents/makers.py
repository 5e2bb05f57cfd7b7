"""Documents made by hand, byte for byte: those that no library writes, because nobody should."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image


def picture(width: int = 40, height: int = 30) -> np.ndarray:
    """RGB pixels without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x * y) % 256], axis=2).astype(np.uint8)


def encoded(image: Image.Image, fmt: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, fmt, **options)
    return file.getvalue()


# --- PDF

CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"


def pdf(*objects: bytes, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalog."""
    data, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    head = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    foot = b"trailer<</Root 1 0 R/Size %d%s>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, trailer, len(data))
    return data + head + table + foot


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<<%s/Length %d>>stream\n%s\nendstream" % (entries, len(data), data)


def page_pdf(
    content: bytes, *, box: bytes = b"0 0 200 100", page: bytes = b"", resources: bytes = b"", more: Any = ()
) -> bytes:
    """A PDF of one page that draws `content`; objects in `more` are numbered from 5."""
    return pdf(
        CATALOG,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[%s]/Contents 4 0 R/Resources<<%s>>%s>>" % (box, resources, page),
        content if content.startswith(b"<<") else stream(content),
        *more,
    )


def deflated(data: bytes, times: int) -> bytes:
    """`data` as often as you like, compressed without ever being there."""
    compressor = zlib.compressobj(9)
    return b"".join(compressor.compress(data) for _ in range(times)) + compressor.flush()


def image_pdf(width: int, height: int, draws: int) -> bytes:
    """A page that draws one large black picture, some times; a few hundred kilobytes at most."""
    data = deflated(bytes(width * 3), height)
    entries = b"/Subtype/Image/Width %d/Height %d/BitsPerComponent 8/ColorSpace/DeviceRGB/Filter/FlateDecode"
    return page_pdf(
        b"q 200 0 0 100 0 0 cm " + b"/I Do " * draws + b"Q",
        resources=b"/XObject<</I 5 0 R>>",
        more=[stream(data, entries % (width, height))],
    )


def form_bomb_pdf(depth: int = 12) -> bytes:
    """A page of forms, each of which draws the next one ten times."""
    forms = [
        stream(b"/F Do " * 10, b"/Subtype/Form/BBox[0 0 99 99]/Resources<</XObject<</F %d 0 R>>>>" % (6 + number))
        for number in range(depth)
    ]
    last = stream(b"0 0 9 9 re f", b"/Subtype/Form/BBox[0 0 99 99]")
    return page_pdf(b"/F Do", resources=b"/XObject<</F 5 0 R>>", more=[*forms, last])


def content_bomb_pdf(megabytes: int) -> bytes:
    """A page with a content stream of that many megabytes of nothing."""
    return page_pdf(stream(deflated(bytes(1 << 20), megabytes), b"/Filter/FlateDecode"))


def encrypted_pdf(password: str, *, size: tuple[int, int] = (30, 20)) -> bytes:
    """A blank page behind a user password (standard security handler, revision 2, RC4 of 40 bits)."""
    padding = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
    user = (password.encode("latin-1") + padding)[:32]
    owner_entry = _rc4(hashlib.md5(user).digest()[:5], user)
    permissions, identifier = struct.pack("<i", -4), bytes(16)
    key = hashlib.md5(user + owner_entry + permissions + identifier).digest()[:5]
    user_entry = _rc4(key, padding)
    encrypt = b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>/ID[<%s><%s>]" % (
        owner_entry.hex().encode(), user_entry.hex().encode(), identifier.hex().encode(), identifier.hex().encode(),
    )  # fmt: skip
    return pdf(
        CATALOG,
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %d %d]>>" % size,
        trailer=encrypt,
    )


def _rc4(key: bytes, data: bytes) -> bytes:
    box, j = list(range(256)), 0
    for i in range(256):
        j = (j + box[i] + key[i % len(key)]) % 256
        box[i], box[j] = box[j], box[i]
    out, i, j = bytearray(), 0, 0
    for byte in data:
        i = (i + 1) % 256
        j = (j + box[i]) % 256
        box[i], box[j] = box[j], box[i]
        out.append(byte ^ box[(box[i] + box[j]) % 256])
    return bytes(out)


# --- TIFF

SHORT, LONG = 3, 4


def tiff(*frames: tuple[dict[int, Any], bytes], order: str = "<", next_of_last: int = 0) -> bytes:
    """A TIFF of frames: tags (number: int or a sequence of them) and the bytes of one strip, tag 273 added.

    `next_of_last`: where the chain of directories goes on.
    """
    data = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    for number, (tags, strip) in enumerate(frames):
        begin = len(data)
        tags = {**tags, 273: 0, 279: len(strip)}
        size = 2 + 12 * len(tags) + 4
        extra, entries = b"", b""
        for tag in sorted(tags):
            values: Sequence[int] = tags[tag] if isinstance(tags[tag], Sequence) else [tags[tag]]
            kind = LONG if tag in (256, 257, 273, 278, 279, 254) else SHORT
            if tag == 273:
                values = [begin + size]  # The strip comes first of what follows the directory.
            packed = struct.pack(order + str(len(values)) + ("I" if kind == LONG else "H"), *values)
            if len(packed) > 4:
                place = begin + size + len(strip) + len(extra)
                extra += packed
                packed = struct.pack(order + "I", place)
            entries += struct.pack(order + "HHI", tag, kind, len(values)) + packed.ljust(4, b"\0")
        after = begin + size + len(strip) + len(extra)
        following = after if number < len(frames) - 1 else next_of_last
        data += struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", following) + strip + extra
    return data


def plain_tiff(array: np.ndarray, **tags: int) -> tuple[dict[int, Any], bytes]:
    """A frame of an uncompressed picture for `tiff`: height x width (x channels), in little-endian order.

    `tags`: `t262=0` for a number and its value.
    """
    height, width, *rest = array.shape
    channels = rest[0] if rest else 1
    sample_format = {"u": 1, "i": 2, "f": 3}[array.dtype.kind]
    found: dict[int, Any] = {
        256: width, 257: height, 258: [array.dtype.itemsize * 8] * channels, 259: 1, 262: 2 if channels >= 3 else 1,
        277: channels, 278: height, 339: [sample_format] * channels,
    }  # fmt: skip
    found |= {int(name[1:]): value for name, value in tags.items()}
    return found, array.astype(array.dtype.newbyteorder("<")).tobytes()


# --- PNG and JPEG


def png(width: int, height: int, *chunks: tuple[bytes, bytes], bits: int = 8, colour: int = 2) -> bytes:
    """A PNG of these chunks behind its header."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n"
    for name, body in ((b"IHDR", header), *chunks, (b"IEND", b"")):
        data += struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
    return data


def black_png(width: int, height: int, *, bits: int = 1, colour: int = 0) -> bytes:
    """A PNG of one colour, whatever its size."""
    channels = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    row = bytes(1 + (width * bits * channels + 7) // 8)
    return png(width, height, (b"IDAT", deflated(row, height)), bits=bits, colour=colour)


def scan_bomb_jpeg(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG that goes over its picture again and again; its scans are few bytes long."""
    data = encoded(Image.new("L", (16, 16)), "JPEG", progressive=True)
    frame = data.index(b"\xff\xc2")
    data = data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]
    second = data.index(b"\xff\xda", data.index(b"\xff\xda") + 2)
    # The second scan over and over, and no data in it: a decoder takes what is missing for nothing to be done.
    return data[:second] + (data[second : second + 10] + b"\0") * scans + b"\xff\xd9"
