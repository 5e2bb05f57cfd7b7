"""What holds for every test: it leaves no process and no shared memory behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

_GRACE_S = 5.0
"""For what the kernel is still putting away."""


def _is_decoder(process: psutil.Process) -> bool:
    try:
        return "docfleet.documents.decoder_main" in process.cmdline()
    except psutil.Error:
        return False


def _left(*, decoders: bool = False) -> set[str]:
    """The processes below this one, and what lies in shared memory.

    A pipeline that a module's tests share starts its decoder process with the first document, in whichever test that
    is: those are looked for when all tests have ended.
    """
    children = {
        f"process {child.pid}"
        for child in psutil.Process().children(recursive=True)
        if decoders or not _is_decoder(child)
    }
    memory = Path("/dev/shm")
    return children | ({f"/dev/shm/{entry.name}" for entry in memory.iterdir()} if memory.is_dir() else set())


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    """Fails a test that leaves more than it found; pipelines that a module's tests share were there before."""
    if sys.platform != "linux":
        yield
        return
    before = _left()
    yield
    end = time.monotonic() + _GRACE_S
    while (left := _left() - before) and time.monotonic() < end:
        time.sleep(0.02)
    assert not left


@pytest.fixture(autouse=True, scope="session")
def _nothing_left_in_the_end() -> Iterator[None]:
    """Fails the last test if a decoder process is left."""
    if sys.platform != "linux":
        yield
        return
    before = _left(decoders=True)
    yield
    end = time.monotonic() + _GRACE_S
    while (left := _left(decoders=True) - before) and time.monotonic() < end:
        time.sleep(0.02)
    assert not left
