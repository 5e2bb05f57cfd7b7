"""Messages between a reader and its decoder process: JSON behind its length, with descriptors beside it."""

from __future__ import annotations

import json
import os
import socket
import struct
from typing import Any

_LENGTH = struct.Struct(">I")
_MAX_BYTES = 1 << 20
"""Of a message. The largest lists the sizes of 2,000 pages."""


def send(connection: socket.socket, message: dict[str, Any], descriptors: tuple[int, ...] = ()) -> None:
    """Send one message. Raises OSError if the other end is gone."""
    body = json.dumps(message).encode("ascii")
    data = memoryview(_LENGTH.pack(len(body)) + body)
    sent = socket.send_fds(connection, [data], descriptors)
    connection.sendall(data[sent:])


def receive(connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """The next message, and its descriptors, for the caller to close.

    Raises EOFError if the other end is gone, ValueError if what it says is no message.
    """
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 1)
    try:
        head += _exactly(connection, _LENGTH.size - len(head)) if head else b""
        if not head:
            raise EOFError
        (length,) = _LENGTH.unpack(head)
        if length > _MAX_BYTES:
            raise ValueError(f"a message of {length} bytes")
        message = json.loads(_exactly(connection, length))
        if not isinstance(message, dict):
            raise ValueError("a message that is no object")  # noqa: TRY004 - not the type of an argument
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise
    return message, descriptors


def _exactly(connection: socket.socket, size: int) -> bytes:
    parts = []
    while size:
        part = connection.recv(size)
        if not part:
            raise EOFError
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
