"""One duplex stream of messages per worker: frames over a socket, regions beside it.

      | header 13 bytes           | body         | region, unless a descriptor carries it |
      | flags, body, region sizes | MessagePack  | array bytes                            |

The parent's end never blocks: what a worker does not read waits in `outbox`, which stays small because the scheduler
gives no worker more than its credits. The worker's end blocks, and its threads share it under a lock.

A region that travels as a descriptor is made when its frame is the next to be sent, and its descriptor closed when the
frame's first byte is on the way: a channel holds one descriptor beside its socket at most, however long its outbox is.
"""

from __future__ import annotations

import array
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

import msgspec
import numpy as np

from docfleet.fleet import transport
from docfleet.fleet.wire import Encoded, FrameDecoder, Region, WireError, encode

_HEADER = struct.Struct("<BIQ")
_BY_DESCRIPTOR = 1
_MAX_BODY = (1 << 32) - 1
_MAX_REGION = 1 << 40
_RECEIVE_SIZE = 64 * 1024
_MAX_WAITING_DESCRIPTORS = 64
"""Frames are taken out as they arrive, so a sound peer has one waiting; a flood of them is an attack or a bug."""

_NO_REGION = np.empty(0, np.uint8)

M = TypeVar("M")


class Channel(Generic[M]):
    """One end. Not safe for several threads, but for one that sends and one that receives."""

    def __init__(self, end: socket.socket, decoder: FrameDecoder[M]) -> None:
        self._socket = end
        self._decoder = decoder
        # Frames that wait to be sent; the first may be partly gone: then `_head` is what is left of it.
        self._outbox: deque[Encoded] = deque()
        self._head: list[memoryview] = []
        self._head_descriptor: int | None = None
        self._outbox_bytes = 0
        # Bytes and descriptors that have arrived and do not make a whole frame yet.
        self._inbox = bytearray()
        # Kept: a fresh buffer of this size costs more than the system call.
        self._buffer = memoryview(bytearray(_RECEIVE_SIZE))
        self._descriptors: deque[int] = deque()
        self.drained = True
        """Whether the last `receive` found less than it could have taken: then there was no more at that time.

        Not so on a frame's boundary with a descriptor, where the kernel stops reading.
        """

    def fileno(self) -> int:
        """The socket's descriptor, for a selector."""
        return self._socket.fileno()

    @property
    def unsent(self) -> int:
        """Bytes in the outbox, regions included. More than 0 means: call `flush` when the socket can be written."""
        return self._outbox_bytes + sum(map(len, self._head))

    def post(self, messages: Sequence[msgspec.Struct]) -> None:
        """Put messages into the outbox, as one frame. Arrays must not change until it is sent."""
        frame = encode(messages)
        if len(frame.body) > _MAX_BODY:
            raise TypeError(f"a message of {len(frame.body)} bytes is more than {_MAX_BODY}: send it as an array")
        self._outbox.append(frame)
        self._outbox_bytes += len(frame.body) + frame.region_size

    def flush(self) -> bool:
        """Send as much as the socket takes; True if everything is on the way. Blocks if the socket does.

        Raises OSError if the other end is gone.
        """
        while self._head or self._outbox:
            if not self._head:
                self._open_frame(self._outbox.popleft())
            try:
                self._send_some()
            except BlockingIOError:
                return False
        return True

    def receive(self) -> list[M]:
        """The messages of all frames that one read completes; often none.

        Raises EOFError at the end of the stream, OSError if it broke, WireError for what is no message,
        BlockingIOError if nothing has arrived on a non-blocking socket.
        """
        count, descriptors = _receive_into(self._socket, self._buffer)
        self.drained = count < len(self._buffer)
        self._descriptors.extend(descriptors)
        if len(self._descriptors) > _MAX_WAITING_DESCRIPTORS:
            raise WireError("too many descriptors arrived")
        if not count:
            raise EOFError("the other end is closed")
        self._inbox += self._buffer[:count]
        messages: list[M] = []
        for body, region in self._frames():
            messages += self._decoder.decode(body, region)
        return messages

    def close(self) -> None:
        """Close the socket and every descriptor that is still held. Idempotent."""
        self._socket.close()
        if self._head_descriptor is not None:
            os.close(self._head_descriptor)
            self._head_descriptor = None
        while self._descriptors:
            os.close(self._descriptors.popleft())
        self._outbox.clear()
        self._head.clear()
        self._inbox.clear()
        self._outbox_bytes = 0

    def _open_frame(self, frame: Encoded) -> None:
        self._outbox_bytes -= len(frame.body) + frame.region_size
        flags, chunks = 0, list(frame.chunks)
        if frame.region_size >= transport.INLINE_LIMIT:
            self._head_descriptor = transport.share(frame.chunks, frame.region_size)
            if self._head_descriptor is not None:
                flags, chunks = _BY_DESCRIPTOR, []
        header = _HEADER.pack(flags, len(frame.body), frame.region_size)
        self._head = [memoryview(header + frame.body), *chunks]
        if flags:
            return
        # Small frames that follow go with the same system call.
        size = sum(map(len, self._head))
        while self._outbox and size < transport.INLINE_LIMIT > self._outbox[0].region_size:
            small = self._outbox.popleft()
            header = _HEADER.pack(0, len(small.body), small.region_size)
            self._head += [memoryview(header + small.body), *small.chunks]
            self._outbox_bytes -= len(small.body) + small.region_size
            size += len(small.body) + small.region_size

    def _send_some(self) -> None:
        ancillary = []
        if self._head_descriptor is not None:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self._head_descriptor]))]
        sent = self._socket.sendmsg(self._head[: transport.MAX_CHUNKS], ancillary)
        if self._head_descriptor is not None and sent:
            os.close(self._head_descriptor)
            self._head_descriptor = None
        transport.advance(self._head, sent)

    def _frames(self) -> list[tuple[bytes, Region]]:
        frames = []
        position = 0
        while len(self._inbox) - position >= _HEADER.size:
            flags, body_size, region_size = _HEADER.unpack_from(self._inbox, position)
            if flags & ~_BY_DESCRIPTOR or body_size > _MAX_BODY or region_size > _MAX_REGION:
                raise WireError("a frame's header makes no sense")
            start = position + _HEADER.size
            middle = start + body_size
            end = middle if flags & _BY_DESCRIPTOR else middle + region_size
            if len(self._inbox) < end:
                break
            body = bytes(self._inbox[start:middle])
            frames.append((body, self._region(flags, middle, region_size)))
            position = end
        del self._inbox[:position]
        return frames

    def _region(self, flags: int, start: int, size: int) -> Region:
        if not flags & _BY_DESCRIPTOR:
            # A slice of a bytearray is a copy of its own, which the arrays may write to.
            return np.frombuffer(self._inbox[start : start + size], np.uint8) if size else _NO_REGION
        if not self._descriptors or not size:
            raise WireError("a frame announces a descriptor that did not arrive")
        return transport.receive(self._descriptors.popleft(), size)


class SharedEnd(Generic[M]):
    """The worker's end: blocking, and several threads may send."""

    def __init__(self, channel: Channel[M]) -> None:
        self._channel = channel
        # Held while a frame is written, which blocks while the parent is busy. Nothing else is done under it.
        self._sending = threading.Lock()

    def send(self, *messages: msgspec.Struct) -> None:
        """Everything is on the wire, in one frame, when this returns. Raises TypeError; OSError without a parent."""
        with self._sending:
            self._channel.post(messages)
            self._channel.flush()

    def send_each(self, messages: Sequence[msgspec.Struct]) -> None:
        """The same with a frame for each message: arrays of one do not keep the memory of another's alive."""
        with self._sending:
            for message in messages:
                self._channel.post([message])
            self._channel.flush()

    def receive(self) -> list[M]:
        """Wait for messages; may return none. Raises as `Channel.receive` does."""
        return self._channel.receive()


def _receive_into(end: socket.socket, buffer: memoryview) -> tuple[int, list[int]]:
    # One descriptor per frame, but nothing stops a bad peer from sending more: room for some, so that they are closed.
    size = array.array("i").itemsize
    flags = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
    count, ancillary, result, _ = end.recvmsg_into([buffer], socket.CMSG_SPACE(8 * size), flags)
    descriptors: list[int] = []
    for level, kind, payload in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers = array.array("i")
            numbers.frombytes(payload[: len(payload) - len(payload) % size])
            descriptors += numbers
    if result & socket.MSG_CTRUNC:
        for descriptor in descriptors:
            os.close(descriptor)
        raise WireError("descriptors were lost: this process may have too many open (see ulimit -n)")
    return count, descriptors
