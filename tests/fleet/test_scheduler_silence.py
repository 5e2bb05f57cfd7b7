"""Workers that have frozen, and drivers that were not there to listen."""

from __future__ import annotations

import math

import pytest

from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.clock import BEAT
from docfleet.fleet.scheduling.commands import Kill, Start
from docfleet.fleet.tasks import Done
from tests.fleet.scheduler_desk import Desk, keys


def killed(desk: Desk, until: float) -> list[Kill]:
    desk.wait(until)
    return [command for command in desk.commands() if isinstance(command, Kill)]


# Frozen workers.


def test_a_worker_that_never_says_that_it_begins_is_frozen():
    desk = Desk(silence=10.0, timeout=5.0)
    desk.add(3)
    assign = desk.assign()
    assert killed(desk, 9.9) == []
    assert killed(desk, 15.0) == [Kill(assign.worker, assign.tickets, frozen=True)]
    assert killed(desk, 100.0) == [], "it is killed once"


def test_its_tasks_are_innocent_and_go_on_in_the_next_worker():
    desk = Desk(silence=10.0, timeout=5.0, batch_size=2, read_ahead=1, max_attempts=1, window=100)
    desk.add(50, more=True)
    assign = desk.warm(2)
    desk.wait(15.0)
    desk.die(assign)
    first = desk.assign()
    desk.finish(first)
    assert (keys(first) + keys(desk.assign()))[:2] == keys(assign)
    assert desk.counts.failed == 0


@pytest.mark.parametrize("kind", ["reading", "computing", "writing"])
def test_no_step_however_long_is_silence(kind):
    """A batch of eight may take eight times the timeout, which is longer than any patience here."""
    desk = Desk(silence=1.0, timeout=100.0, batch_size=8, window=1000)
    desk.add(500, more=True)
    assign = desk.warm(8)
    if kind == "reading":
        desk.scheduler.reading(assign.worker, assign.tickets[0], 0.0)
        assert killed(desk, 99.0) == []
        return
    desk.compute(assign)
    if kind == "writing":
        desk.scheduler.writing(assign.worker, assign.tickets, 0.0)
    assert killed(desk, 799.0) == []
    assert killed(desk, 801.0) == [Kill(assign.worker, assign.tickets)]


def test_the_patience_is_the_timeout_where_that_is_longer():
    desk = Desk(silence=1.0, timeout=100.0)
    desk.add(1)
    desk.assign()
    assert killed(desk, 99.0) == []
    assert len(killed(desk, 150.0)) == 1


SIGNS = {
    "reading": lambda scheduler, worker, now: scheduler.reading(worker, 99, now),
    "read": lambda scheduler, worker, now: scheduler.read(worker, 99),
    "computing": lambda scheduler, worker, now: scheduler.computing(worker, [99], now),
    "writing": lambda scheduler, worker, now: scheduler.writing(worker, [99], now),
    "finished": lambda scheduler, worker, now: scheduler.finished(worker, 99, Done(None)),
    "recalled": lambda scheduler, worker, now: scheduler.recalled(worker, []),
    "out of memory": lambda scheduler, worker, now: scheduler.out_of_memory(worker, [99]),
}


@pytest.mark.parametrize("sign", SIGNS)
def test_every_message_is_a_sign_of_life(sign):
    desk = Desk(silence=10.0, timeout=5.0)
    desk.add(1)
    assign = desk.assign()
    while desk.now < 100.0:
        assert killed(desk, desk.now + 4.0) == []
        SIGNS[sign](desk.scheduler, assign.worker, desk.now)
    assert len(killed(desk, 115.0)) == 1


def test_a_worker_is_watched_again_with_its_next_work():
    desk = Desk(silence=10.0, timeout=5.0, window=1)
    desk.add(1, more=True)
    desk.finish(desk.assign())
    desk.deliver()
    desk.wait(50.0)
    assert desk.scheduler.next_deadline() is None, "it has nothing"
    desk.add(1)
    desk.assign()
    assert killed(desk, 59.9) == []
    assert len(killed(desk, 65.0)) == 1


def test_work_without_a_timeout_is_waited_for():
    desk = Desk(silence=10.0)
    desk.add(1)
    desk.assign()
    assert desk.scheduler.next_deadline() is None
    assert killed(desk, 1e3) == []


def test_the_shorter_patience_of_two_runs_counts_from_when_it_begins():
    desk = Desk(silence=10.0, timeout=1e4, read_ahead=1)
    desk.add(1)
    slow = desk.assign()
    desk.compute(slow)
    desk.scheduler.finished(slow.worker, slow.tickets[0], Done(None))
    quick = desk.scheduler.open_run(timeout=20.0)
    desk.scheduler.add(quick, slow.tasks[0])
    desk.assign()
    assert len(killed(desk, 30.0)) == 1


def test_the_dead_and_the_idle_are_not_watched():
    desk = Desk(slots=2, silence=10.0, timeout=5.0)
    desk.add(2)
    one, other = desk.assigns()
    desk.finish(other)
    desk.scheduler.worker_died(one.worker, signal=9)
    [start, again] = desk.commands()
    assert isinstance(start, Start)
    desk.finish(again)
    assert desk.scheduler.next_deadline() is None


def test_a_slot_whose_workers_freeze_whatever_they_get_is_given_up():
    desk = Desk(silence=10.0, timeout=5.0)
    desk.add(5)
    for _ in range(3):
        assign = desk.assign()
        [kill] = killed(desk, desk.now + 15.0)
        assert kill.frozen
        desk.scheduler.worker_died(assign.worker, signal=9)
        for command in desk.commands():
            if isinstance(command, Start):
                desk.scheduler.worker_ready(command.worker)
    [slot] = desk.scheduler.slots()
    assert slot.state == "retired"
    assert "stood still between two pages" in slot.reason
    assert desk.counts.cancelled == 5


def test_one_that_begins_in_the_moment_of_its_death_is_not_suspected_of_it():
    desk = Desk(silence=10.0, timeout=5.0, max_attempts=1)
    desk.add(1)
    assign = desk.assign()
    desk.wait(15.0)
    desk.compute(assign)
    desk.die(assign)
    assert desk.counts.failed == 0
    assert desk.assign().tasks == assign.tasks


# Drivers that were not there.


def test_the_driver_is_asked_to_come_by_while_anything_has_a_deadline():
    desk = Desk(timeout=60.0)
    assert desk.scheduler.next_deadline() is None
    desk.add(1)
    desk.compute(desk.assign())
    assert desk.scheduler.next_deadline() == BEAT
    desk.wait(59.5)
    assert desk.scheduler.next_deadline() == 60.0


def test_what_was_said_while_the_driver_was_stopped_is_heard_first():
    """It was stopped right before a deadline that the worker has kept."""
    desk = Desk(timeout=60.0)
    desk.add(2)
    assign = desk.assign()
    desk.compute(assign)
    desk.wait(59.5)
    desk.scheduler.tick(1000.0)
    assert desk.commands() == []
    desk.now = 1000.0
    desk.finish(assign)
    desk.wait(1001.0)
    assert desk.counts.done == 1
    assert len(desk.assigns()) == 1


@pytest.mark.parametrize("first", ["tick", "message"])
def test_a_pause_of_the_driver_is_no_time_for_its_workers(first):
    """As after Ctrl-Z and fg: the workers were stopped too."""
    desk = Desk(slots=2, timeout=60.0)
    desk.add(4)
    long, other = desk.assigns()
    desk.compute(long)
    desk.wait(10.0)
    desk.now = 1000.0
    if first == "tick":
        desk.scheduler.tick(1000.0)
    desk.compute(other)
    assert killed(desk, 1000.0 + 49.0) == []
    assert killed(desk, 1000.0 + 51.0) == [Kill(long.worker, long.tickets)]
    assert killed(desk, 1000.0 + 59.0) == []
    assert killed(desk, 1000.0 + 61.0) == [Kill(other.worker, other.tickets)]


def test_a_pause_of_the_driver_is_no_silence():
    desk = Desk(silence=10.0, timeout=5.0)
    desk.add(1)
    desk.assign()
    for _ in range(4):
        assert killed(desk, desk.now + 1.0) == []
        desk.now += 1000.0
        desk.scheduler.tick(desk.now)
        assert desk.commands() == []
    assert killed(desk, desk.now + 5.0) == []
    assert len(killed(desk, desk.now + 6.0)) == 1


def test_a_driver_that_is_always_late_ends_what_hangs_in_the_end():
    desk = Desk(timeout=10.0)
    desk.add(1)
    assign = desk.assign()
    desk.compute(assign)
    kills = []
    while not kills and desk.now < 1000.0:
        desk.now += 5.0
        desk.scheduler.tick(desk.now)
        kills = desk.commands()
    assert kills == [Kill(assign.worker, assign.tickets)]


def test_silence_is_a_number_of_seconds():
    for silence in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="silence"):
            Desk(silence=silence)
    assert isinstance(Desk(silence=math.inf).scheduler, Scheduler)
