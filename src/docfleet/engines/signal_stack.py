"""A thread's alternate stack for signal handlers, kept through what a library does to it.

OpenVINO's CPU plugin puts a stack of its own in place when it is loaded, and restores the one before only if its own is
still the one in use. Two networks that are released in the order in which they were made leave the thread with a stack
that has been unmapped (seen in 2026.4). Python's handlers run on it: the next Ctrl-C is a segmentation fault.

      before --load a--> a --load b--> b --release a--> b --release b--> a, which is gone

What the plugin wants is room for the registers of AMX. Python's own stack has it: its size follows the kernel's hint.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _Stack(ctypes.Structure):
    """`stack_t` of Linux."""

    _fields_ = (("start", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def kept_signal_stack() -> Iterator[None]:
    """The calling thread leaves the context with the signal stack it had, or with none if it had none. Linux only."""
    if sys.platform != "linux":
        yield
        return
    change = ctypes.CDLL(None).sigaltstack
    change.argtypes = (ctypes.POINTER(_Stack), ctypes.POINTER(_Stack))
    before = _Stack()
    known = change(None, before) == 0
    try:
        yield
    finally:
        # Refused if it is too small for registers that are in use by now; then the library's stays.
        if known:
            change(before, None)
