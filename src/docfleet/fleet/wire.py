"""How messages become bytes and bytes become messages. No pickle.

Several messages (`docfleet.fleet.messages`) travel in one frame. Its body is MessagePack; the bytes of all arrays lie
outside it, in one region:

      body    [["Finished", 17, ["WireDone", {"boxes": ext(1, ("<i2", (7, 4, 2), offset 64)), "angle": 90}]]]
      region  ........ 64 ........ boxes, C order ........

Values are what `docfleet.fleet.worker.Worker` lists: None, bool, int, float, str, bytes, list, tuple (arrives as a
list), dict with string keys, `range`, NumPy arrays and scalars. They arrive exactly: any integer, NaN, -0.0, file names
that are not UTF-8. Everything else is a TypeError that names the place, raised where the message is made.

A worker has parsed hostile files, so the parent believes nothing: whatever does not decode is a WireError.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import NoneType
from typing import Any, Generic, NamedTuple, TypeVar, cast

import msgspec
import numpy as np
import numpy.typing as npt


class WireError(Exception):
    """What arrived is not a message: the other end is broken and must go."""


Region = npt.NDArray[np.uint8]
"""The bytes outside a frame's body, one dimension. Arrays in the decoded messages are views of it."""


_NO_REGION: Region = np.empty(0, np.uint8)


class Encoded(NamedTuple):
    """A frame before it is sent."""

    body: bytes
    chunks: Sequence[memoryview]
    """What the region consists of, end to end. Refers to the memory of the caller's arrays."""
    region_size: int


# What check_plain has seen is exactly what the encoder below can write.

_SCALARS = frozenset({NoneType, bool, int, float, str, bytes})
_ARRAY_KINDS = frozenset("biufcSUMm")
_NAMED = "None, bool, int, float, str, bytes, list, tuple, dict with string keys, range and NumPy arrays"


def check_plain(value: object, path: str = "value") -> None:
    """Raises TypeError, naming the place inside the value, for anything that cannot travel.

    msgspec alone would quietly turn sets into lists and dataclasses into dicts.
    """
    try:
        _check(value, path)
    except RecursionError:
        raise TypeError(
            f"{path} cannot travel between processes: it is nested too deeply, or contains itself"
        ) from None


def _check(value: object, path: str) -> None:
    kind = type(value)
    if kind in _SCALARS:
        return
    if isinstance(value, dict):
        for key in value:
            if type(key) is not str:
                raise TypeError(f"{path} cannot travel between processes: its key {key!r} is not a string")
        # One look at the types settles most containers without visiting their members.
        if not set(map(type, value.values())) <= _SCALARS:
            for key, member in value.items():
                _check(member, f"{path}[{key!r}]")
    elif isinstance(value, list | tuple):
        if not set(map(type, value)) <= _SCALARS:
            for index, member in enumerate(value):
                _check(member, f"{path}[{index}]")
    elif isinstance(value, np.generic) or (isinstance(value, np.ndarray) and kind in (np.ndarray, np.memmap)):
        if value.dtype.kind not in _ARRAY_KINDS:
            raise TypeError(f"{path} cannot travel between processes: an array of dtype {value.dtype}")
    elif isinstance(value, range):
        if max(map(abs, (value.start, value.stop, value.step))) >= 2**62:
            raise TypeError(f"{path} cannot travel between processes: {value} is too long")
    elif not isinstance(value, str | int | float | bytes | bytearray):
        raise TypeError(
            f"{path} cannot travel between processes: it is a {kind.__module__}.{kind.__qualname__}; use {_NAMED}"
        )


_EXT_ARRAY, _EXT_SCALAR, _EXT_RANGE, _EXT_TEXT, _EXT_INTEGER = range(1, 6)
_ALIGNMENT = 64
"""Of each array in the region: a cache line, and more than any dtype or vector unit asks for."""


class _Text:
    """A string with lone surrogates, as in a file name that is not UTF-8."""

    def __init__(self, text: str) -> None:
        self.data = text.encode("utf-8", "surrogatepass")


class _Integer:
    """An integer of more than 64 bits."""

    def __init__(self, number: int) -> None:
        self.data = number.to_bytes(number.bit_length() // 8 + 1, "little", signed=True)


class _RegionWriter:
    """Collects the bytes of arrays while their messages are encoded."""

    def __init__(self) -> None:
        self.chunks: list[memoryview] = []
        self.size = 0

    def hook(self, value: Any) -> Any:
        """What msgspec asks for each value that it does not know."""
        if isinstance(value, np.ndarray):
            return msgspec.msgpack.Ext(_EXT_ARRAY, msgspec.msgpack.encode(self._add(value)))
        if isinstance(value, np.generic):
            described = (value.dtype.str, np.asarray(value).tobytes())
            return msgspec.msgpack.Ext(_EXT_SCALAR, msgspec.msgpack.encode(described))
        if isinstance(value, range):
            return msgspec.msgpack.Ext(_EXT_RANGE, msgspec.msgpack.encode((value.start, value.stop, value.step)))
        if isinstance(value, _Text):
            return msgspec.msgpack.Ext(_EXT_TEXT, value.data)
        if isinstance(value, _Integer):
            return msgspec.msgpack.Ext(_EXT_INTEGER, value.data)
        # Subclasses: the plain value, whatever their own conversions would say.
        if isinstance(value, str):
            return str.__str__(value)
        if isinstance(value, int):
            return int.__int__(value)
        if isinstance(value, float):
            return float.__float__(value)
        if isinstance(value, bytes):
            return b"".join([value])
        raise TypeError(f"a {type(value).__qualname__} cannot travel between processes; use {_NAMED}")

    def _add(self, array: npt.NDArray[Any]) -> tuple[str, tuple[int, ...], int]:
        if array.dtype.kind not in _ARRAY_KINDS:
            raise TypeError(f"an array of dtype {array.dtype} cannot travel between processes")
        flat = np.asarray(array, order="C").reshape(-1)
        padding = -self.size % _ALIGNMENT
        offset = self.size + padding
        if flat.nbytes:
            if padding:
                self.chunks.append(memoryview(bytes(padding)))
            self.chunks.append(flat.view(np.uint8).data)
            self.size = offset + flat.nbytes
        return array.dtype.str, array.shape, offset


class FrameEncoder:
    """Turns messages into frames. For one thread at a time."""

    def __init__(self) -> None:
        # Made once: most frames are some dozen bytes, and this takes ten times as long as to write those.
        self._encoder = msgspec.msgpack.Encoder(enc_hook=self._hook)
        # The region of the frame that is being encoded; most have none.
        self._region: _RegionWriter | None = None

    def encode(self, messages: Sequence[msgspec.Struct]) -> Encoded:
        """One frame of several messages. Refers to the memory of their arrays until it is sent."""
        try:
            body = self._encoder.encode(messages)
        except (UnicodeEncodeError, OverflowError):
            self._region = None
            body = self._encoder.encode([_substitute(each) for each in messages])
        finally:
            region, self._region = self._region, None
        return Encoded(body, (), 0) if region is None else Encoded(body, region.chunks, region.size)

    def _hook(self, value: Any) -> Any:
        if self._region is None:
            self._region = _RegionWriter()
        return self._region.hook(value)


def _substitute(value: Any) -> Any:
    """A copy in which whatever MessagePack has no form for is wrapped; for the rare frame that needs it."""
    if isinstance(value, msgspec.Struct):
        return type(value)(
            *(
                # Fields that are declared as text are for people to read, so that a mark will do.
                _readable(getattr(value, each.name)) if each.type is str else _substitute(getattr(value, each.name))
                for each in msgspec.structs.fields(value)
            )
        )
    if isinstance(value, dict):
        return {_substitute(key): _substitute(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [_substitute(member) for member in value]
    if isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        return _Text(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return _Integer(value)
    return value


def _readable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


M = TypeVar("M")


class FrameDecoder(Generic[M]):
    """Turns frames back into messages of one direction. For one thread: it is in the middle of one frame at a time."""

    def __init__(self, kind: object) -> None:
        # Made once: working out a union of messages takes longer than reading one.
        self._decoder: msgspec.msgpack.Decoder[list[M]] = msgspec.msgpack.Decoder(
            cast(type[list[M]], kind), ext_hook=self._extend
        )
        self._region: Region = _NO_REGION

    def decode(self, body: bytes | memoryview, region: Region = _NO_REGION) -> list[M]:
        """The messages of a frame; their arrays are views of `region`. Keeps nothing of `body`. Raises WireError."""
        self._region = region
        try:
            return self._decoder.decode(body)
        except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, MemoryError, RecursionError) as error:
            raise WireError(f"a message cannot be understood: {error}") from error
        finally:
            self._region = _NO_REGION

    def _extend(self, code: int, data: memoryview) -> Any:
        return _extension(code, bytes(data), self._region)


def _extension(code: int, data: bytes, region: Region) -> Any:
    if code == _EXT_ARRAY:
        text, shape, offset = msgspec.msgpack.decode(data, type=tuple[str, tuple[int, ...], int])
        dtype = _dtype(text)
        size = math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or offset < 0 or offset + size > len(region) + (_ALIGNMENT if not size else 0):
            raise ValueError(f"array of shape {shape} at {offset} in a region of {len(region)} bytes")
        if not size:
            return np.empty(shape, dtype)
        return region[offset : offset + size].view(dtype).reshape(shape)
    if code == _EXT_SCALAR:
        text, raw = msgspec.msgpack.decode(data, type=tuple[str, bytes])
        dtype = _dtype(text)
        # An empty string has no bytes to look at.
        return np.frombuffer(raw, dtype)[0] if dtype.itemsize else dtype.type()
    if code == _EXT_RANGE:
        value = range(*msgspec.msgpack.decode(data, type=tuple[int, int, int]))
        len(value)  # OverflowError for more members than can be counted
        return value
    if code == _EXT_TEXT:
        return data.decode("utf-8", "surrogatepass")
    if code == _EXT_INTEGER:
        return int.from_bytes(data, "little", signed=True)
    raise ValueError(f"unknown extension {code}")


def _dtype(text: str) -> np.dtype[Any]:
    dtype = np.dtype(text)
    if dtype.kind not in _ARRAY_KINDS:
        raise ValueError(f"dtype {text!r} may not travel")
    return dtype
