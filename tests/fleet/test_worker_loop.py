"""The loop of a worker, in this process: no step begins before it has been announced. Its ends are in test_worker_main.

A step finds its announcement where the parent would: among the messages that have arrived, or on the board.
"""

import os
import random
import socket
import sys
import threading
import time

import pytest

from docfleet.fleet import board, messages
from docfleet.fleet.board import Board, BoardView, Stage
from docfleet.fleet.channel import Channel, SharedEnd
from docfleet.fleet.statistics import StageClock
from docfleet.fleet.tasks import Done, Task
from docfleet.fleet.worker_loop import WorkerLoop

QUICK_S, SLOW_S = 0.05, 0.06
ANNOUNCEMENTS = {
    Stage.READ: messages.Reading,
    Stage.COMPUTE: messages.Computing,
    Stage.WRITE: messages.Writing,
}


class Parent:
    """The other end of a loop's channel and board."""

    def __init__(self, *, with_board: bool):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.view = BoardView()
        self.board = Board(os.dup(self.view.fileno())) if with_board else None
        self.end = SharedEnd(Channel(theirs, messages.to_worker()))
        self.heard: list = []
        self._channel = Channel(ours, messages.to_parent())
        self._theirs = theirs
        # Guards the channel: the steps look from three threads.
        self._lock = threading.Lock()

    def assign(self, *batches):
        tasks = [[messages.task_message(number, Task((number,), None)) for number in batch] for batch in batches]
        self.tell(*map(messages.Assign, tasks))

    def tell(self, *several):
        with self._lock:
            self._channel.post(several)
            assert self._channel.flush()

    def listen(self):
        with self._lock:
            try:
                while True:
                    self.heard += self._channel.receive()
            except BlockingIOError:
                pass
            return list(self.heard)

    def knows(self, stage: Stage, number: int) -> str:
        """How a step has been announced: "board" or "message"."""
        if self.view.look().get(stage) == number:
            return "board"
        for message in self.listen():
            if isinstance(message, ANNOUNCEMENTS[stage]):
                tickets = [message.ticket] if stage is Stage.READ else message.tickets
                if number in tickets:
                    return "message"
        return ""

    def close(self):
        self._channel.close()
        self._theirs.close()
        self.view.close()


class Witness:
    """Notes how each of its steps has been announced, when it begins. Some take long."""

    def __init__(self, parent: Parent, slow: set[tuple[Stage, int]]):
        self.parent, self.slow = parent, slow
        self.announced: dict[tuple[Stage, int], str] = {}

    def read(self, task):
        self._step(Stage.READ, task.key[0])
        return task.key[0]

    def compute(self, items):
        for number in items:
            self._step(Stage.COMPUTE, number)
        return items

    def write(self, task, value):
        self._step(Stage.WRITE, value)
        return value

    def close(self):
        pass

    def _step(self, stage, number):
        self.announced[stage, number] = self.parent.knows(stage, number)
        if (stage, number) in self.slow:
            time.sleep(SLOW_S)


@pytest.fixture
def work(monkeypatch):
    """Runs a loop over batches of tasks; gives the witness and all that the parent has heard."""
    # Far above what a busy machine makes of a step that does nothing.
    monkeypatch.setattr(board, "QUICK_S", QUICK_S)

    def run(batches, *, slow=frozenset(), with_board=True):
        parent = Parent(with_board=with_board)
        witness = Witness(parent, slow)
        loop = threading.Thread(target=WorkerLoop(witness, parent.end, parent.board).run)
        loop.start()
        waiting = list(batches)
        count, given = sum(map(len, batches)), 0
        end = time.monotonic() + 60
        while len(finished := [each for each in parent.listen() if isinstance(each, messages.Finished)]) < count:
            assert time.monotonic() < end, parent.heard
            # Three batches at a time, as the scheduler gives them.
            while waiting and given < len(finished) + 3 * len(waiting[0]):
                given += len(waiting[0])
                parent.assign(waiting.pop(0))
        parent.tell(messages.Stop())
        loop.join(60)
        assert not loop.is_alive()
        heard = parent.listen()
        parent.close()
        # Closes the board's memory, which a later test would miss among its descriptors.
        witness.parent = parent.board = None
        assert {message.ticket: message.attempt() for message in finished} == {
            number: Done(number) for batch in batches for number in batch
        }
        return witness, heard

    return run


def singles(count):
    return [[number] for number in range(count)]


@pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")
def test_every_step_is_announced_before_it_begins(work):
    order = random.Random(4)
    batches, number = [], 0
    while number < 200:
        size = order.choice([1, 1, 1, 1, 3])
        batches.append(list(range(number, number + size)))
        number += size
    slow = {(stage, order.randrange(200)) for stage in Stage for _ in range(6)}
    witness, _ = work(batches, slow=slow)
    assert len(witness.announced) == 3 * number
    assert set(witness.announced.values()) == {"board", "message"}
    for stage in Stage:
        assert "board" in {how for (each, _), how in witness.announced.items() if each is stage}


def test_without_a_board_every_step_is_announced_by_a_message(work):
    witness, heard = work(singles(20), with_board=False)
    assert set(witness.announced.values()) == {"message"}
    for kind in (messages.Reading, messages.Read, messages.Computing, messages.Writing, messages.Finished):
        assert len([message for message in heard if isinstance(message, kind)]) == 20


@pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")
def test_the_end_of_a_slow_step_is_told_however_it_began(work):
    """The parent has found it on the board, and would take it for under way until its deadline."""
    slow = {(Stage.READ, 30), (Stage.COMPUTE, 40), (Stage.WRITE, 50)}
    _, heard = work(singles(60), slow=slow)
    assert messages.Read(30) in heard
    assert heard.index(messages.Computing([40])) < heard.index(messages.Writing([40]))
    assert {message.ticket for message in heard if isinstance(message, messages.Finished)} == set(range(60))


@pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")
def test_what_is_told_of_a_quick_page_is_that_it_is_finished(work):
    witness, heard = work(singles(60))
    quick = [number for number in range(60) if all(witness.announced[stage, number] == "board" for stage in Stage)]
    assert quick
    for number in quick:
        told = [
            message
            for message in heard
            if number == getattr(message, "ticket", None) or number in getattr(message, "tickets", ())
        ]
        assert told == [messages.Finished(number, messages.WireDone(number), untold=True)]


def test_seconds_add_up_by_state():
    now = 100.0
    clock = StageClock(lambda: now)
    now = 101.0
    clock.switch("busy")
    now = 103.0
    assert clock.seconds() == (2.0, 1.0, 0.0)
    clock.switch("blocked")
    now = 107.0
    clock.switch("starved")
    now = 107.5
    assert clock.seconds() == (2.0, 1.5, 4.0)
