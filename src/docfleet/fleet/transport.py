"""The bytes of arrays, from one process to another, without a name in the file system.

      sender                                        receiver
      arrays --writev--> memfd, sealed  --socket--> mmap, private --> arrays
                         (descriptor closed)        (descriptor closed at once; unmapped with the last array)

A memfd is memory with a descriptor. Nothing has to be cleaned up: the kernel frees it when the last descriptor and the
last mapping are gone, whatever died. Before it is sent it is sealed, and the receiver checks the seals: a sender that
could shorten the file afterwards could kill the receiver with SIGBUS, and one that could write to it could change a
result behind the receiver's back. The receiver may write to its arrays: its mapping is private.

Small regions, and all of them where there is no memfd (macOS), travel through the socket itself. `SharedMemory` would
save a copy there, but it has names, and names outlive a killed process group.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import os
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np

from docfleet.fleet.wire import Region, WireError

if sys.platform == "linux":
    import fcntl

    _SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE

INLINE_LIMIT = 64 * 1024
"""Bytes. Below, two copies through the socket cost less than a descriptor, a mapping and its page faults."""

MAX_CHUNKS = 512
"""Of one writev; the kernel takes 1024."""


def share(chunks: Sequence[memoryview], size: int) -> int | None:
    """A sealed memfd with these bytes: its descriptor, for the caller to send and close; None if there can be none.

    There can be none on other systems than Linux, with no descriptor left, or where the administrator forbids it. The
    bytes then travel in the socket.
    """
    if sys.platform != "linux":
        return None
    try:
        descriptor = os.memfd_create("docfleet", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError:
        return None
    try:
        _write_all(descriptor, chunks)
        if os.fstat(descriptor).st_size != size:
            raise RuntimeError(f"{os.fstat(descriptor).st_size} bytes written to a region of {size}")
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    except BaseException as error:
        os.close(descriptor)
        if isinstance(error, OSError):
            return None
        raise
    return descriptor


def receive(descriptor: int, size: int) -> Region:
    """Map what `share` made, and close the descriptor. The arrays made of the region keep the mapping alive.

    Raises WireError for anything but a sealed memfd of at least this size.
    """
    try:
        if sys.platform != "linux" or _seals(descriptor) & _SEALS != _SEALS or os.fstat(descriptor).st_size < size:
            raise WireError("a descriptor arrived that is not a sealed region of the announced size")
        try:
            return np.asarray(_Mapping(descriptor, size))
        except OSError:
            # No room for one more mapping: the kernel allows 65,530, and a caller may keep more results than that.
            region = np.empty(size, np.uint8)
            _read_all(descriptor, region.data)
            return region
    finally:
        os.close(descriptor)


class _Mapping:
    """Private, writable memory of a memfd, unmapped when the last array that refers to it is gone.

    `mmap.mmap` would do, but before Python 3.13 it keeps a descriptor open for as long as it lives: a caller who
    collects a thousand results would run out of them.
    """

    def __init__(self, descriptor: int, size: int) -> None:
        self._unmap, self._size = _libc().munmap, size
        self._address: int | None = None
        protection, flags = mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_PRIVATE | getattr(mmap, "MAP_POPULATE", 0)
        address = _libc().mmap(None, size, protection, flags, descriptor, 0)
        if address == ctypes.c_void_p(-1).value:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
        self._address = address
        self.__array_interface__ = {"version": 3, "typestr": "|u1", "shape": (size,), "data": (address, False)}

    def __del__(self) -> None:
        if self._address is not None:
            self._unmap(self._address, self._size)


@functools.cache
def _libc() -> Any:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc


def _seals(descriptor: int) -> int:
    try:
        return fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        return 0


def _write_all(descriptor: int, chunks: Sequence[memoryview]) -> None:
    waiting = list(chunks)
    while waiting:
        advance(waiting, os.writev(descriptor, waiting[:MAX_CHUNKS]))


def advance(waiting: list[memoryview], written: int) -> None:
    """Drop the first `written` bytes."""
    done = 0
    while done < len(waiting) and written >= len(waiting[done]):
        written -= len(waiting[done])
        done += 1
    del waiting[:done]
    if written:
        waiting[0] = waiting[0][written:]


def _read_all(descriptor: int, target: memoryview) -> None:
    position = 0
    while position < len(target):
        count = os.preadv(descriptor, [target[position:]], position)
        if not count:
            raise WireError("a region is shorter than announced")
        position += count
