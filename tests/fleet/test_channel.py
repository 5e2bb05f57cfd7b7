"""Frames over a socket: whole, in order, never blocking the parent, and no descriptor left."""

import array
import os
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest

from docfleet.fleet import channel, messages, transport, wire
from docfleet.fleet.channel import Channel, SharedEnd
from docfleet.fleet.tasks import Done, Task
from tests.fleet.conftest import descriptors


@pytest.fixture
def sockets():
    ours, theirs = socket.socketpair()
    before = descriptors()
    yield ours, theirs
    ours.close()
    theirs.close()
    if before:
        assert descriptors() == before - 2


@pytest.fixture
def ends(sockets):
    ours, theirs = sockets
    ours.setblocking(False)
    parent, worker = Channel(ours, messages.to_parent()), Channel(theirs, messages.to_worker())
    yield parent, worker
    parent.close()
    worker.close()


def result(ticket, value):
    return messages.finished_message(ticket, Done(value))


def receive_all(parent, count):
    said = []
    while len(said) < count:
        try:
            said += parent.receive()
        except BlockingIOError:
            continue
    return said


@pytest.mark.parametrize("memfd", [True, False], ids=["memfd", "inline"])
def test_thousands_of_arrays_of_all_sizes(ends, memfd, monkeypatch):
    if not memfd:
        monkeypatch.setattr(transport, "share", lambda *_: None)
    parent, worker = ends
    random = np.random.default_rng(0)
    sizes = [0, 1, 63, 5_000, transport.INLINE_LIMIT - 1, transport.INLINE_LIMIT, 300_000]
    values = [random.integers(0, 255, size, np.uint8) for size in sizes]

    def send():
        end = SharedEnd(worker)
        for ticket in range(1000):
            end.send_each([result(ticket, {"a": values[ticket % 7], "b": values[ticket % 3]}), messages.Read(ticket)])

    sender = threading.Thread(target=send)
    sender.start()
    said = receive_all(parent, 2000)
    sender.join()
    for ticket in range(1000):
        finished, read = said[2 * ticket : 2 * ticket + 2]
        assert (finished.ticket, read.ticket) == (ticket, ticket)
        value = finished.attempt().value
        assert np.array_equal(value["a"], values[ticket % 7])
        assert np.array_equal(value["b"], values[ticket % 3])


def test_a_worker_that_does_not_read_never_blocks_the_parent(ends):
    parent, worker = ends
    image = np.arange(100_000, dtype=np.int32)
    open_before = descriptors()
    for ticket in range(600):
        parent.post([messages.Assign([messages.task_message(ticket, Task((ticket,), image))])])
        parent.flush()
    assert parent.unsent > 0
    # The waiting regions have not been made yet: one at most is in the parent's hands.
    assert descriptors() <= open_before + 1

    received = []

    def read():
        while len(received) < 600:
            for message in worker.receive():
                received.append(message.tasks[0].ticket)
                assert np.array_equal(message.tasks[0].payload, image)

    reader = threading.Thread(target=read)
    reader.start()
    while not parent.flush():
        pass
    reader.join()
    assert received == list(range(600))
    assert parent.unsent == 0


def test_small_frames_share_a_system_call(ends):
    parent, worker = ends
    calls = []
    inner = parent._socket

    class Counting:
        def send(self, data):
            calls.append(len(data))
            return inner.send(data)

        def close(self):
            inner.close()

    parent._socket = Counting()
    for ticket in range(20):
        parent.post([messages.Recall([ticket])])
    parent.flush()
    assert len(calls) == 1
    assert [message.tickets for message in worker.receive()] == [[ticket] for ticket in range(20)]


def test_frames_cut_anywhere(sockets):
    ours, theirs = sockets
    worker = Channel(theirs, messages.to_worker())
    encoded = wire.FrameEncoder().encode(
        [messages.Assign([messages.task_message(1, Task((1,), np.arange(5)))]), messages.Stop()]
    )
    region = b"".join(encoded.chunks)
    data = struct.pack("<BIQ", 0, len(encoded.body), len(region)) + encoded.body + region
    said = []
    for position in range(len(data)):
        ours.send(data[position : position + 1])
        said += worker.receive()
    assert np.array_equal(said[0].tasks[0].payload, np.arange(5))
    assert isinstance(said[1], messages.Stop)
    worker.close()


def test_the_end_of_the_stream(ends):
    parent, worker = ends
    worker.close()
    with pytest.raises(EOFError):
        parent.receive()
    parent.post([messages.Stop()])
    with pytest.raises(OSError):
        parent.flush()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<BIQ", 7, 0, 0),
        struct.pack("<BIQ", 0, 0, 2**50),
        struct.pack("<BIQ", 1, 1, 5) + b"\x90",
        struct.pack("<BIQ", 0, 1, 0) + b"\xc1",
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    ids=["flags", "size", "no descriptor", "no message", "http"],
)
def test_a_peer_that_talks_nonsense(sockets, data):
    ours, theirs = sockets
    parent = Channel(ours, messages.to_parent())
    theirs.send(data)
    with pytest.raises(wire.WireError):
        parent.receive()
    parent.close()


def test_a_flood_of_descriptors_is_refused_and_closed(sockets):
    ours, theirs = sockets
    parent = Channel(ours, messages.to_parent())
    with Path(os.devnull).open() as file:
        numbers = array.array("i", [file.fileno()] * 8)
        with pytest.raises(wire.WireError):
            for _ in range(channel._MAX_WAITING_DESCRIPTORS):
                theirs.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
                parent.receive()
        parent.close()


def test_more_descriptors_than_there_is_room_for(sockets):
    ours, theirs = sockets
    parent = Channel(ours, messages.to_parent())
    with Path(os.devnull).open() as file:
        numbers = array.array("i", [file.fileno()] * 100)
        theirs.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, numbers)])
    with pytest.raises(wire.WireError):
        parent.receive()
    parent.close()


def test_closing_with_frames_half_sent_leaves_nothing_open(ends):
    parent, _ = ends
    for ticket in range(400):
        parent.post([messages.Assign([messages.task_message(ticket, Task((0,), np.zeros(20_000)))])])
    assert not parent.flush()
    parent.close()
    parent.close()


def test_several_threads_send_whole_frames(ends):
    parent, worker = ends
    end = SharedEnd(worker)
    threads = [
        threading.Thread(target=lambda base=base: [end.send(result(base + n, "x" * n)) for n in range(500)])
        for base in (0, 1000, 2000)
    ]
    for thread in threads:
        thread.start()
    said = receive_all(parent, 1500)
    for thread in threads:
        thread.join()
    for base in (0, 1000, 2000):
        mine = [message for message in said if base <= message.ticket < base + 500]
        assert [message.ticket for message in mine] == list(range(base, base + 500))
        assert all(message.attempt().value == "x" * (message.ticket - base) for message in mine)
