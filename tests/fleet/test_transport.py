"""Regions of memory between processes: nothing stays open, nothing can be changed from the other side."""

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from docfleet.fleet import transport
from docfleet.fleet.wire import WireError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def mappings():
    return Path("/proc/self/maps").read_text().count("memfd:docfleet")


def share(data):
    descriptor = transport.share([memoryview(data)], len(data))
    assert descriptor is not None
    return descriptor


def test_bytes_arrive():
    chunks = [memoryview(bytes([number])) for number in range(200)] * 10
    descriptor = transport.share(chunks, 2000)
    assert descriptor is not None
    assert transport.receive(descriptor, 2000).tobytes() == bytes(range(200)) * 10


def test_the_mapping_lives_as_long_as_the_last_array():
    before = descriptors(), mappings()
    region = transport.receive(share(bytes(8000)), 8000)
    array = region[800:1600].view("<f8").reshape(10, 10)
    assert (descriptors(), mappings()) == (before[0], before[1] + 1)
    del region
    array[3, 4] = 1.5
    assert array.sum() == 1.5
    row = array[3]
    del array
    assert row[4] == 1.5
    del row
    gc.collect()
    assert (descriptors(), mappings()) == before


def test_the_sender_can_no_longer_change_anything():
    descriptor = share(b"x" * 5000)
    ours = os.dup(descriptor)
    try:
        region = transport.receive(descriptor, 5000)
        for change in (
            lambda: os.truncate(ours, 10),
            lambda: os.pwrite(ours, b"y", 0),
            lambda: os.truncate(ours, 9999),
        ):
            with pytest.raises(PermissionError):
                change()
        assert region.tobytes() == b"x" * 5000
    finally:
        os.close(ours)


def make_unsealed(_path):
    descriptor = os.memfd_create("docfleet", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(descriptor, bytes(100))
    return descriptor


def make_short(_path):
    return share(bytes(99))


def make_file(path):
    (path / "file").write_bytes(bytes(100))
    return os.open(path / "file", os.O_RDWR)


def make_pipe(_path):
    reading, writing = os.pipe()
    os.close(writing)
    return reading


@pytest.mark.parametrize("make", [make_unsealed, make_short, make_file, make_pipe])
def test_anything_else_is_refused_and_closed(make, tmp_path):
    before = descriptors()
    with pytest.raises(WireError):
        transport.receive(make(tmp_path), 100)
    assert descriptors() == before


def test_without_room_for_a_mapping_the_bytes_are_copied(monkeypatch):
    class Full:
        def mmap(self, *_):
            return 2**64 - 1

        munmap = None

    data = np.random.default_rng(1).integers(0, 255, 100_000, np.uint8)
    monkeypatch.setattr(transport, "_libc", Full)
    assert np.array_equal(transport.receive(share(data), len(data)), data)


def test_without_a_descriptor_left_there_is_no_region(monkeypatch):
    def refuse(*_):
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "memfd_create", refuse)
    assert transport.share([memoryview(b"abc")], 3) is None
