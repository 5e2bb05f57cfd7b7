"""A network of two nodes as the bytes of an ONNX file: sum = a + b, difference = a - b, on (n, 2) floats.

A second one looks alike and computes something else.

Written field by field, because the only other use for the package `onnx` would be this file.
"""

from __future__ import annotations


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | str | bytes) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _value(name: str) -> bytes:
    rows, columns = _field(1, _field(2, "n")), _field(1, _field(1, 2))
    tensor = _field(1, 1) + _field(2, rows + columns)
    return _field(1, name) + _field(2, _field(1, tensor))


def _node(op: str, output: str) -> bytes:
    return _field(1, "a") + _field(1, "b") + _field(2, output) + _field(4, op)


def sum_and_difference() -> bytes:
    """The file's content."""
    return _network("Add")


def product_and_difference() -> bytes:
    """The content of another file: the output called `sum` is a * b."""
    return _network("Mul")


def _network(first: str) -> bytes:
    graph = _field(1, _node(first, "sum")) + _field(1, _node("Sub", "difference")) + _field(2, "tiny")
    for number, name in ((11, "a"), (11, "b"), (12, "sum"), (12, "difference")):
        graph += _field(number, _value(name))
    return _field(1, 8) + _field(7, graph) + _field(8, _field(1, "") + _field(2, 13))
