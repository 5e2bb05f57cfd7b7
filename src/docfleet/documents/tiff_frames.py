"""The frames of a TIFF and which of them are pages, from its chain of directories; nothing is decoded.

Not by Pillow's count, which looks into each frame: one that cannot be shown would take the others with it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO

_SUBFILE_TYPE = 254
_REDUCED, _MASK = 0b001, 0b100
_SHORT = 3


def subfile_types(file: BinaryIO, most: int) -> Iterator[int]:
    """What each frame says it is (0: a page), of the first `most`.

    The chain ends where it is cut short, as it does for Pillow, and where it comes back to where it has been.
    """
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:2] == b"II" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    count_of, offset_of = struct.Struct(order + ("Q" if big else "H")), struct.Struct(order + ("Q" if big else "I"))
    entry_size = 20 if big else 12
    at = _number(offset_of, head[8:] if big else head[4:8])
    seen: set[int] = set()
    while at and at not in seen and len(seen) < most:
        seen.add(at)
        file.seek(at)
        count = _number(count_of, file.read(count_of.size))
        # A directory has some dozen entries. One of millions is nonsense that need not be read to the end.
        entries = file.read(min(count, 1 << 16) * entry_size)
        yield _subfile_type(entries, entry_size, order)
        file.seek(at + count_of.size + count * entry_size)
        at = _number(offset_of, file.read(offset_of.size))


def pages_of(types: Sequence[int]) -> list[int]:
    """Numbers of the frames that are pages: not smaller copies of one, nor masks, unless there is nothing else."""
    pages = [number for number, kind in enumerate(types) if not kind & (_REDUCED | _MASK)]
    return pages or list(range(len(types)))


def _subfile_type(entries: bytes, size: int, order: str) -> int:
    for at in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(order + "HH", entries, at)
        if tag == _SUBFILE_TYPE:
            value: int = struct.unpack_from(
                order + ("H" if kind == _SHORT else "I"), entries, at + size - (4 if size == 12 else 8)
            )[0]
            return value
        if tag > _SUBFILE_TYPE:  # They are sorted.
            break
    return 0


def _number(form: struct.Struct, data: bytes) -> int:
    """0 where the file ends."""
    value: int = form.unpack_from(data)[0] if len(data) >= form.size else 0
    return value
