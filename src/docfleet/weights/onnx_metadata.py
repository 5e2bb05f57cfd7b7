"""Reads the metadata of an ONNX file without an engine and without the `onnx` package.

An ONNX file is one protocol-buffers message, a sequence of (tag, value). Two kinds of field matter here; everything
else, above all the graph with its weights, is stepped over without being read:

    ModelProto              field 14, repeated, length-delimited: StringStringEntryProto
    StringStringEntryProto  field 1: key, field 2: value (UTF-8)

Formats: the protocol-buffers encoding and `onnx.proto`, both published by their projects.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from docfleet.errors import WeightsError

_METADATA_PROPS = 14
_KEY, _VALUE = 1, 2

_VARINT, _FIXED64, _LENGTH_DELIMITED, _FIXED32 = 0, 1, 2, 5


def read_metadata(path: Path) -> dict[str, str]:
    """The `metadata_props` of the ONNX file at `path`; empty if it has none.

    Raises WeightsError if the file is not a protocol-buffers message or ends too early, OSError if it cannot be read.
    """
    metadata: dict[str, str] = {}
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            for entry in _fields(file, size, wanted=(_METADATA_PROPS,)):
                pair = dict.fromkeys((_KEY, _VALUE), b"")
                pair.update(_numbered_fields(entry[1]))
                metadata[pair[_KEY].decode()] = pair[_VALUE].decode()
    except ValueError as error:
        raise WeightsError(f"{path} is not a readable ONNX file ({error}): fetch or export it again") from error
    return metadata


def _numbered_fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    return _fields(io.BytesIO(message), len(message), wanted=(_KEY, _VALUE))


def _fields(file: BinaryIO, size: int, *, wanted: tuple[int, ...]) -> Iterator[tuple[int, bytes]]:
    """The length-delimited fields with a wanted number, in order of appearance.

    Raises ValueError where the bytes are no message.
    """
    while file.tell() < size:
        tag = _varint(file)
        number, wire_type = tag >> 3, tag & 7
        if wire_type == _VARINT:
            _varint(file)
            continue
        if wire_type == _LENGTH_DELIMITED:
            length = _varint(file)
        elif wire_type == _FIXED64:
            length = 8
        elif wire_type == _FIXED32:
            length = 4
        else:
            raise ValueError(f"wire type {wire_type} at byte {file.tell()}")
        # Checked before seeking or reading: a seek past the end succeeds, and a hostile length would be allocated.
        if length > size - file.tell():
            raise ValueError(f"field {number} ends after the file does")
        if wire_type == _LENGTH_DELIMITED and number in wanted:
            yield number, file.read(length)
        else:
            file.seek(length, os.SEEK_CUR)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise ValueError("it ends inside a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise ValueError(f"a number of more than ten bytes at byte {file.tell()}")
