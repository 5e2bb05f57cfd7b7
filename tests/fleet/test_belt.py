"""What waits inside a worker: in order, bounded, and recalled wherever it lies."""

import threading

import pytest

from docfleet.fleet.belt import Belt
from docfleet.fleet.tasks import Task


def batch(*tickets):
    return [(ticket, Task((ticket,), None)) for ticket in tickets]


@pytest.fixture
def belt():
    return Belt()


def read(belt, count=1):
    """Read so many tasks of the first batch, without offering it."""
    for _ in range(count):
        ticketed = belt.take()
        assert belt.keep(ticketed, f"item {ticketed[0]}") == (True, [])


def tickets_of(items):
    return [ticket for (ticket, _), _ in items]


def test_from_end_to_end(belt):
    belt.add(batch(1, 2))
    belt.add(batch(3))
    assert belt.wait()
    read(belt, 2)
    assert belt.take() is None
    assert belt.offer([]) is False
    items, notes = belt.take_ready()
    assert [(ticketed[0], item) for ticketed, item in items] == [(1, "item 1"), (2, "item 2")]
    assert notes == []
    read(belt)
    belt.offer([])
    assert tickets_of(belt.take_ready()[0]) == [3]


def test_a_recall_finds_everything_but_the_task_in_hand(belt):
    belt.add(batch(1))
    read(belt)
    belt.take()
    belt.offer([])
    belt.add(batch(2, 3, 4))
    belt.add(batch(5, 6))
    read(belt)
    # 1 is ready, 2 is made, 3 waits in the batch that is being read, 5 in the next.
    assert belt.recall([1, 2, 3, 5, 99]) == [3, 5, 2, 1]
    read(belt)
    assert belt.take() is None
    belt.offer([])
    assert tickets_of(belt.take_ready()[0]) == [4]
    assert belt.take()[0] == 6


def test_the_answer_waits_for_the_task_in_hand(belt):
    belt.add(batch(1, 2))
    in_hand = belt.take()
    assert belt.recall([1, 2]) is None
    assert belt.recall([7]) is None
    assert belt.keep(in_hand, "item") == (False, [[2, 1], []])
    assert belt.take() is None
    belt.offer([])
    assert belt.recall([1]) == []


def test_a_task_that_ends_in_hand_is_not_given_back(belt):
    belt.add(batch(1, 2))
    belt.take()
    assert belt.recall([1, 2]) is None
    assert belt.skip() == [[2]]


def test_a_batch_that_was_recalled_altogether(belt):
    belt.add(batch(1, 2))
    assert belt.recall([2, 1]) == [1, 2]
    assert belt.wait()
    assert belt.take() is None
    assert belt.offer([]) is False
    belt.add(batch(3))
    assert belt.take()[0] == 3


def test_notes_go_with_a_batch_that_is_awaited(belt):
    got = []
    main = threading.Thread(target=lambda: got.append(belt.take_ready()))
    main.start()
    belt.add(batch(1))
    while not belt._awaited:
        pass
    read(belt)
    assert belt.take() is None
    assert belt.offer(["a note"]) is True
    main.join()
    assert (tickets_of(got[0][0]), got[0][1]) == ([1], ["a note"])


def test_the_reader_stops_with_two_batches_ready(belt):
    for ticket in range(2):
        belt.add(batch(ticket))
        read(belt)
        belt.take()
        belt.offer([])
    passed = threading.Event()
    reader = threading.Thread(target=lambda: (belt.wait_for_room(1), passed.set()))
    reader.start()
    assert not passed.wait(0.05)
    belt.take_ready()
    assert passed.wait(10)
    reader.join()


@pytest.mark.parametrize("wait", ["wait", "take_ready", "wait_for_room"])
def test_stopping_ends_every_wait(belt, wait):
    for ticket in range(2) if wait == "wait_for_room" else ():
        belt.add(batch(ticket))
        read(belt)
        belt.take()
        belt.offer([])
    results = []
    arguments = [1] if wait == "wait_for_room" else []
    thread = threading.Thread(target=lambda: results.append(getattr(belt, wait)(*arguments)))
    thread.start()
    belt.stop()
    thread.join(10)
    assert results == [{"wait": False, "take_ready": ([], []), "wait_for_room": None}[wait]]
    belt.add(batch(9))
    assert not belt.wait()
    assert belt.stopped
