"""Memory that two processes share, without a name in any file system: nothing is left of it, whatever dies."""

from __future__ import annotations

import mmap
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

if sys.platform == "linux":
    import fcntl

STANDING_BYTES = 32 * 1024**2
"""Pages up to this size (A4 at 300 dpi is one) go through one region that two processes share for as long as they live,
and are copied out of it. New memory costs ten times that copy, for the pages of memory that the kernel has to clear. A
larger page gets memory of its own, which is not copied: it should not be there twice."""


def make(size: int) -> int:
    """A descriptor of `size` bytes that read as zero, for the caller to close. Its size stays as it is.

    Without that promise a process that has parsed hostile data could shorten it and kill who looks at it with SIGBUS.
    """
    if sys.platform == "linux":
        descriptor = os.memfd_create("docfleet-page", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    try:
        os.ftruncate(descriptor, size)
        if sys.platform == "linux":
            fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def holding(data: bytes) -> Iterator[int]:
    """A descriptor from which `data` can be read, for as long as the context lasts."""
    descriptor = make(len(data))
    try:
        with mmap.mmap(descriptor, len(data)) as memory:
            memory[:] = data
        yield descriptor
    finally:
        os.close(descriptor)


def mapped(descriptor: int, size: int) -> NDArray[np.uint8]:
    """Shared memory as an array. It stays mapped as long as the array is used; the descriptor may be closed."""
    return np.frombuffer(mmap.mmap(descriptor, size), np.uint8)
