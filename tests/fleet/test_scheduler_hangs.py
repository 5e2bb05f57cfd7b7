"""Deadlines: who is killed for being late, and what is concluded from it."""

from __future__ import annotations

import signal

from docfleet.fleet.scheduling.commands import Assign, Kill
from docfleet.fleet.tasks import Category, Done, Failed, Failure
from tests.fleet.scheduler_desk import Desk, keys


def test_the_deadline_is_the_timeout_times_the_batch_from_its_start():
    desk = Desk(batch_size=2, timeout=10.0, window=1000, read_ahead=1)
    deadlines = desk.scheduler._dispatch.deadlines
    desk.add(100, more=True)
    first = desk.warm(2)
    assert deadlines.next() is None
    desk.wait(100.0)
    desk.read(first)
    assert deadlines.next() is None, "waiting has none"
    desk.scheduler.computing(first.worker, first.tickets, 100.0)
    assert deadlines.next() == 120.0
    second = desk.assign()
    desk.scheduler.reading(second.worker, second.tickets[0], 101.0)
    assert deadlines.next() == 111.0
    desk.scheduler.read(second.worker, second.tickets[0])
    desk.scheduler.writing(first.worker, first.tickets, 102.0)
    assert deadlines.next() == 122.0
    for ticket in first.tickets:
        desk.scheduler.finished(first.worker, ticket, Done(None))
    assert deadlines.next() is None


def test_only_the_worker_past_its_deadline_is_killed():
    desk = Desk(slots=2, timeout=10.0)
    desk.add(4)
    slow, quick = desk.assigns()
    desk.compute(slow)
    desk.wait(5.0)
    desk.compute(quick)
    desk.wait(9.9)
    assert desk.commands() == []
    desk.wait(10.0)
    assert desk.commands() == [Kill(slow.worker, slow.tickets)]
    desk.wait(11.0)
    assert desk.commands() == [], "it is killed once"
    desk.finish(quick)
    assert desk.assign().worker == quick.worker


def hang(desk: Desk, assign: Assign) -> None:
    desk.compute(assign)
    desk.wait(desk.now + 10.0 * len(assign.tickets))
    desk.scheduler.worker_died(assign.worker, signal=signal.SIGKILL)


def test_a_task_that_hangs_alone_twice_has_failed():
    desk = Desk(slots=2, timeout=10.0)
    desk.add(1)
    first = desk.assign()
    hang(desk, first)
    assert desk.counts.failed == 0
    second = next(command for command in desk.commands() if isinstance(command, Assign))
    assert second.worker != first.worker
    hang(desk, second)
    failure = desk.failure()
    assert (failure.category, failure.attempts, failure.signal) == (Category.TIMEOUT, 2, None)
    assert "10 s" in failure.message


def test_one_hang_is_enough_with_one_attempt():
    desk = Desk(timeout=10.0, max_attempts=1)
    desk.add(1)
    hang(desk, desk.assign())
    assert desk.failure().category is Category.TIMEOUT


def test_a_hang_in_company_and_one_alone_are_two():
    desk = Desk(batch_size=2, timeout=10.0, window=1000)
    desk.add(50, more=True)
    assign = desk.warm(2)
    hang(desk, assign)
    desk.start()
    desk.finish(desk.assign())
    suspect = desk.assign()
    assert keys(suspect) == keys(assign)[:1]
    hang(desk, suspect)
    assert desk.counts.failed == 1


def test_a_hang_while_another_is_read_is_not_counted():
    desk = Desk(read_ahead=1, timeout=10.0, max_attempts=1)
    desk.add(5)
    first, second = desk.ahead()
    desk.wait(5.0)
    desk.scheduler.reading(second.worker, second.tickets[0], 5.0)
    desk.wait(10.0)
    desk.scheduler.worker_died(first.worker, signal=signal.SIGKILL)
    assert desk.counts.failed == 0


def test_what_is_not_overdue_when_another_hangs_is_not_halved():
    desk = Desk(batch_size=2, read_ahead=1, timeout=10.0, window=1000)
    desk.add(100, more=True)
    pair = desk.warm(2)
    desk.compute(pair)
    ahead = desk.assign()
    desk.wait(5.0)
    desk.scheduler.reading(ahead.worker, ahead.tickets[0], 5.0)
    desk.wait(15.0)
    desk.die(pair)
    desk.finish(desk.assign())
    groups = []
    for _ in range(2):
        groups.append(desk.assign())
        desk.finish(groups[-1])
    assert [keys(group) for group in groups] == [keys(pair), keys(ahead)[:1]]


def test_what_finishes_before_the_kill_leaves_nobody_to_suspect():
    desk = Desk(read_ahead=1, timeout=10.0, max_attempts=1)
    desk.add(2)
    first, second = desk.ahead()
    desk.wait(10.0)
    desk.scheduler.reading(second.worker, second.tickets[0], 10.0)
    desk.scheduler.finished(first.worker, first.tickets[0], Done(None))
    desk.die(first)
    assert (desk.counts.done, desk.counts.failed, desk.counts.queued) == (1, 0, 1)
    assert keys(desk.assign()) == [(1,)]


def test_a_worker_is_killed_once_though_more_of_it_becomes_overdue():
    desk = Desk(read_ahead=1, timeout=10.0)
    desk.add(5)
    first, second = desk.ahead()
    desk.wait(5.0)
    desk.scheduler.reading(second.worker, second.tickets[0], 5.0)
    desk.wait(10.0)
    desk.wait(15.0)
    assert desk.commands() == [Kill(first.worker, first.tickets)]


def test_kills_that_came_too_late_are_not_held_against_the_slot():
    desk = Desk(timeout=10.0)
    desk.add(5)
    for turn in range(4):
        assign = desk.assign()
        desk.wait(100.0 * turn)
        desk.scheduler.reading(assign.worker, assign.tickets[0], desk.now)
        desk.wait(desk.now + 10.0)
        assert Kill(assign.worker, assign.tickets) in desk.commands()
        desk.scheduler.finished(assign.worker, assign.tickets[0], Failed(Failure(Category.INPUT, "no")))
        desk.die(assign)
    assert [slot.state for slot in desk.scheduler.slots()] == ["ready"]


def test_what_is_watched_stays_bounded_while_one_task_hangs():
    desk = Desk(slots=2, timeout=1e9, window=10_000)
    desk.add(5_000)
    stuck, quick = desk.assigns()
    desk.scheduler.reading(stuck.worker, stuck.tickets[0], 0.0)
    for _ in range(4_000):
        desk.finish(quick)
        quick = desk.assign()
    deadlines = desk.scheduler._dispatch.deadlines
    assert len(deadlines._line) + len(deadlines._heap) < 200
    assert deadlines.next() == 1e9
