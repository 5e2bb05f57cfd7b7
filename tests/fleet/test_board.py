"""Steps that are announced without a message: when they are, and that the parent learns of them all the same."""

import itertools
import os
import signal
import subprocess
import sys

import pytest

from docfleet.fleet import board
from docfleet.fleet.board import Board, BoardView, Lookout, Stage, Steps
from tests.fleet.conftest import descriptors

needs_memfd = pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")


@pytest.fixture
def view():
    before = descriptors()
    made = BoardView()
    yield made
    made.close()
    made.close()
    assert descriptors() == before


@needs_memfd
def test_what_is_posted_is_seen_until_it_is_cleared(view):
    ours = Board(os.dup(view.fileno()))
    assert view.look() == {}
    ours.post(Stage.READ, 0)
    ours.post(Stage.COMPUTE, 2**40)
    assert view.look() == {Stage.READ: 0, Stage.COMPUTE: 2**40}
    ours.clear(Stage.READ)
    ours.post(Stage.COMPUTE, 7)
    assert view.look() == {Stage.COMPUTE: 7}
    view.close()
    assert (view.fileno(), view.look()) == (-1, {})


@needs_memfd
@pytest.mark.kills
def test_it_outlives_the_worker(view):
    script = (
        "import os, signal, sys; from docfleet.fleet.board import Board, Stage; ours = Board(int(sys.argv[1]));"
        "ours.post(Stage.WRITE, 41); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", script, str(view.fileno())]
    ended = subprocess.run(command, pass_fds=[view.fileno()], check=False)
    assert ended.returncode == -signal.SIGKILL
    assert view.look() == {Stage.WRITE: 41}


@needs_memfd
def test_a_board_that_was_cut_short_says_nothing(view):
    os.ftruncate(view.fileno(), 5)
    assert view.look() == {}


def test_without_memfd_every_step_needs_a_message(monkeypatch):
    def refuse(*_):
        raise OSError("not here")

    monkeypatch.setattr(os, "memfd_create", refuse, raising=False)
    view = BoardView()
    assert (view.fileno(), view.look()) == (-1, {})
    view.close()
    lookout = Lookout(view)
    lookout.heard(0.0, working=True)
    assert lookout.due == float("inf")
    steps = Steps(None, Stage.READ)
    for ticket in range(3):
        assert not steps.post(ticket)
        steps.begin()
        assert not steps.end()


@needs_memfd
def test_a_step_is_posted_if_the_one_before_was_quick(view):
    now = 0.0
    steps = Steps(Board(os.dup(view.fileno())), Stage.COMPUTE, lambda: now)
    posted = []
    for ticket, seconds in enumerate([1e-5, 1e-5, 1.0, 1.0, 1e-5, 1e-5]):
        posted.append(steps.post(ticket))
        assert view.look() == ({Stage.COMPUTE: ticket} if posted[-1] else {})
        steps.begin()
        now += seconds
        assert steps.end() is (seconds < board.QUICK_S)
        assert view.look() == {}
    assert posted == [False, True, True, False, False, True]


class Posted:
    """A view that shows what the test puts there."""

    def __init__(self):
        self.steps = {}

    def fileno(self):
        return 0

    def look(self):
        return dict(self.steps)


def test_a_step_that_two_looks_find_is_told_once():
    there = Posted()
    lookout = Lookout(there)
    assert lookout.due == float("inf")
    lookout.heard(10.0, working=True)
    there.steps = {Stage.READ: 4, Stage.COMPUTE: 3}
    assert lookout.look(lookout.due) == []
    there.steps = {Stage.READ: 5, Stage.COMPUTE: 3}
    assert lookout.look(lookout.due) == [(Stage.COMPUTE, 3)]
    assert lookout.look(lookout.due) == [(Stage.READ, 5)]
    # Whatever else is said meanwhile: it would seem to begin again, and never be overdue.
    for now in (20.0, 30.0):
        lookout.heard(now, working=True)
        assert lookout.look(lookout.due) == []
    there.steps = {Stage.READ: 5, Stage.COMPUTE: 6, Stage.WRITE: 3}
    assert lookout.last_look() == [(Stage.COMPUTE, 6), (Stage.WRITE, 3)]


def test_looks_become_rare_and_end_when_there_is_nothing_to_do():
    lookout = Lookout(Posted())
    lookout.heard(0.0, working=True)
    times = []
    while lookout.due < 5:
        times.append(lookout.due)
        lookout.look(lookout.due)
    pauses = [later - sooner for sooner, later in itertools.pairwise(times)]
    assert times[0] <= 0.02
    assert all(later > 0.9 * sooner for sooner, later in itertools.pairwise(pauses))
    assert pauses[-1] > 10 * pauses[0]
    assert len(times) < 20
    lookout.heard(5.0, working=True)
    assert lookout.due <= 5.02
    lookout.heard(5.0, working=False)
    assert lookout.due == float("inf")
