"""The bytes of one document, wherever they are: in a file, or in memory.

      path   --> exists? regular? empty? too large? --> FileContent  --+--> head, read(), descriptor()
      bytes  --> empty? too large? ------------------> BytesContent --+

Everything that can be refused without opening is refused without opening, because a pipe would block and a device may
do worse.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol

from docfleet.documents import anonymous
from docfleet.documents.checks import check_bytes
from docfleet.documents.kinds import HEAD_BYTES
from docfleet.documents.pages import Limits
from docfleet.errors import InputError

Identity = tuple[str, int, int, int, int]
"""Path, device, inode, size and time of change: another file under the same name is another document."""


class Content(Protocol):
    """Bytes of a document, while they are at hand."""

    size: int
    head: bytes
    """The first `HEAD_BYTES`."""

    def read(self) -> bytes:
        """All of them."""

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        """A descriptor to read them from, for as long as the context lasts."""


class FileContent:
    """An open file."""

    def __init__(self, file: BinaryIO, identity: Identity, name: str) -> None:
        self._file = file
        self._name = name
        self.size = identity[3]
        with file_errors(name):
            self.head = file.read(HEAD_BYTES)

    def read(self) -> bytes:
        with file_errors(self._name):
            self._file.seek(0)
            return self._file.read(self.size)  # Not to the end: it may have grown since its size was checked.

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        yield self._file.fileno()


class BytesContent:
    """Bytes in memory."""

    def __init__(self, data: bytes, *, name: str, limits: Limits) -> None:
        check_bytes(len(data), name=name, limits=limits)
        self._data = data
        self.size = len(data)
        self.head = data[:HEAD_BYTES]

    def read(self) -> bytes:
        return self._data

    @contextmanager
    def descriptor(self) -> Iterator[int]:
        with anonymous.holding(self._data) as descriptor:
            yield descriptor


def identify(path: str, *, name: str, limits: Limits) -> Identity:
    """What file there is at `path`. Raises InputError unless it is one that can be read."""
    with file_errors(name):
        info = os.stat(path)  # noqa: PTH116 - a Path changes "./" and "//"
    return _identity(path, info, name=name, limits=limits)


@contextmanager
def open_file(path: str, *, name: str, limits: Limits) -> Iterator[FileContent]:
    """The file at `path`. Raises InputError if it cannot be read."""
    with file_errors(name):
        # Should it have become a pipe since it was identified, opening it does not wait for somebody to write.
        file = open(path, "rb", opener=lambda name, flags: os.open(name, flags | getattr(os, "O_NONBLOCK", 0)))  # noqa: SIM115
    with file:
        with file_errors(name):
            info = os.fstat(file.fileno())
        yield FileContent(file, _identity(path, info, name=name, limits=limits), name)


@contextmanager
def file_errors(name: str) -> Iterator[None]:
    """Turn what the file system says into InputError."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file or folder") from error
    except PermissionError as error:
        raise InputError(f"{name}: permission denied") from error
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have, as one with a null byte.
        raise InputError(f"{name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _identity(path: str, info: os.stat_result, *, name: str, limits: Limits) -> Identity:
    if stat.S_ISDIR(info.st_mode):
        raise InputError(f"{name}: is a folder, not a file")
    if not stat.S_ISREG(info.st_mode):
        raise InputError(f"{name}: is not a regular file")
    check_bytes(info.st_size, name=name, limits=limits)
    return path, info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns
