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
from docfleet.fleet.wire import Encoded, FrameDecoder, FrameEncoder, Region, WireError

_HEADER = struct.Struct("<BIQ")
_BY_DESCRIPTOR = 1
_MAX_BODY = (1 << 32) - 1
_MAX_REGION = 1 << 40
_RECEIVE_SIZE = 64 * 1024
_LINE_SIZE = 64 * 1024
"""Bytes up to which frames are copied behind one another, to go with one system call. A larger frame is not copied."""
_MAX_WAITING_DESCRIPTORS = 64
"""Frames are taken out as they arrive, so a sound peer has one waiting; a flood of them is an attack or a bug."""

_INT_SIZE = array.array("i").itemsize
# One descriptor per frame, but nothing stops a bad peer from sending more: room for some, so that they are closed.
_ANCILLARY_SIZE = socket.CMSG_SPACE(8 * _INT_SIZE) if hasattr(socket, "CMSG_SPACE") else 0
_RECEIVE_FLAGS = int(getattr(socket, "MSG_CMSG_CLOEXEC", 0))
# A plain number: one operation on flags that are an enum takes as long as a small frame.
_TRUNCATED = int(socket.MSG_CTRUNC)

M = TypeVar("M")


class Channel(Generic[M]):
    """One end. Not safe for several threads, but for one that sends and one that receives."""

    def __init__(self, end: socket.socket, decoder: FrameDecoder[M]) -> None:
        self._socket = end
        self._decoder = decoder
        self._encoder = FrameEncoder()
        # What waits to be sent: small frames, header and all, copied together; or one that is large.
        self._outbox: deque[bytearray | Encoded] = deque()
        # A large frame that is partly gone: what is left of it.
        self._head: list[memoryview] = []
        self._head_descriptor: int | None = None
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
        waiting = sum(map(len, self._head))
        for each in self._outbox:
            waiting += len(each) if isinstance(each, bytearray) else len(each.body) + each.region_size
        return waiting

    def post(self, messages: Sequence[msgspec.Struct]) -> None:
        """Put messages into the outbox, as one frame. Arrays must not change until it is sent."""
        self._post(self._encoder.encode(messages))

    def post_each(self, messages: Sequence[msgspec.Struct]) -> None:
        """The same with a region for each message: where it arrives, an array keeps those of its message alive only."""
        frame = self._encoder.encode(messages)
        if not frame.region_size or len(messages) == 1:
            self._post(frame)
            return
        for message in messages:
            self._post(self._encoder.encode([message]))

    def _post(self, frame: Encoded) -> None:
        body, chunks, region_size = frame
        size = len(body) + region_size
        if size >= _LINE_SIZE:
            if len(body) > _MAX_BODY:
                raise TypeError(f"a message of {len(body)} bytes is more than {_MAX_BODY}: send it as an array")
            self._outbox.append(frame)
            return
        line = self._outbox[-1] if self._outbox else None
        if not isinstance(line, bytearray) or len(line) >= _LINE_SIZE:
            line = bytearray()
            self._outbox.append(line)
        line += _HEADER.pack(0, len(body), region_size)
        line += body
        for chunk in chunks:
            line += chunk

    def flush(self) -> bool:
        """Send as much as the socket takes; True if everything is on the way. Blocks if the socket does.

        Raises OSError if the other end is gone.
        """
        outbox = self._outbox
        try:
            while outbox or self._head:
                if self._head:
                    self._send_head()
                    continue
                first = outbox[0]
                if isinstance(first, bytearray):
                    sent = self._socket.send(first)
                    if sent < len(first):
                        del first[:sent]
                        continue
                else:
                    self._open_frame(first)
                outbox.popleft()
        except BlockingIOError:
            return False
        return True

    def receive(self) -> list[M]:
        """The messages of all frames that one read completes; often none.

        Raises EOFError at the end of the stream, OSError if it broke, WireError for what is no message,
        BlockingIOError if nothing has arrived on a non-blocking socket.
        """
        count, ancillary, flags, _ = self._socket.recvmsg_into([self._buffer], _ANCILLARY_SIZE, _RECEIVE_FLAGS)
        self.drained = count < _RECEIVE_SIZE
        if ancillary or flags & _TRUNCATED:
            self._take_descriptors(ancillary, lost=bool(flags & _TRUNCATED))
        if not count:
            raise EOFError("the other end is closed")
        messages: list[M] = []
        if not self._inbox:
            arrived = self._buffer[:count]
            used = self._decode(arrived, messages)
            if used < count:
                self._inbox += arrived[used:]
        else:
            self._inbox += self._buffer[:count]
            used = self._decode(memoryview(self._inbox), messages)
            del self._inbox[:used]
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
        # Not cleared: the traceback of a WireError may still look into it.
        self._inbox = bytearray()

    def _open_frame(self, frame: Encoded) -> None:
        """Make a large frame the head of what is sent."""
        flags, chunks = 0, list(frame.chunks)
        if frame.region_size >= transport.INLINE_LIMIT:
            self._head_descriptor = transport.share(frame.chunks, frame.region_size)
            if self._head_descriptor is not None:
                flags, chunks = _BY_DESCRIPTOR, []
        header = _HEADER.pack(flags, len(frame.body), frame.region_size)
        self._head = [memoryview(header + frame.body), *chunks]

    def _send_head(self) -> None:
        ancillary = []
        if self._head_descriptor is not None:
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [self._head_descriptor]))]
        sent = self._socket.sendmsg(self._head[: transport.MAX_CHUNKS], ancillary)
        if self._head_descriptor is not None and sent:
            os.close(self._head_descriptor)
            self._head_descriptor = None
        transport.advance(self._head, sent)

    def _take_descriptors(self, ancillary: Sequence[tuple[int, int, bytes]], *, lost: bool) -> None:
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(payload[: len(payload) - len(payload) % _INT_SIZE])
                self._descriptors += numbers
        if lost:
            raise WireError("descriptors were lost: this process may have too many open (see ulimit -n)")
        if len(self._descriptors) > _MAX_WAITING_DESCRIPTORS:
            raise WireError("too many descriptors arrived")

    def _decode(self, arrived: memoryview, messages: list[M]) -> int:
        """Append the messages of all whole frames; gives the bytes that they took."""
        position, available = 0, len(arrived)
        while available - position >= _HEADER.size:
            flags, body_size, region_size = _HEADER.unpack_from(arrived, position)
            if flags & ~_BY_DESCRIPTOR or region_size > _MAX_REGION:
                raise WireError("a frame's header makes no sense")
            start = position + _HEADER.size
            end = middle = start + body_size
            if not flags:
                end += region_size
            if available < end:
                break
            body = arrived[start:middle]
            if region_size or flags:
                messages += self._decoder.decode(body, self._region(flags, arrived[middle:end], region_size))
            else:
                messages += self._decoder.decode(body)
            position = end
        return position

    def _region(self, flags: int, arrived: memoryview, size: int) -> Region:
        if not flags:
            # A copy of its own, which the arrays may write to.
            return np.frombuffer(bytearray(arrived), np.uint8)
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
        """The same, but that arrays of one message do not keep the memory of another's alive where it arrives."""
        with self._sending:
            self._channel.post_each(messages)
            self._channel.flush()

    def receive(self) -> list[M]:
        """Wait for messages; may return none. Raises as `Channel.receive` does."""
        return self._channel.receive()
