"""Batches that do not fit into memory."""

from __future__ import annotations

from docfleet.fleet.scheduling.commands import Start
from docfleet.fleet.tasks import Category, Done, Failed, Failure
from tests.fleet.scheduler_desk import Desk, keys


def test_a_batch_that_does_not_fit_is_halved_and_the_size_is_remembered():
    desk = Desk(batch_size=8, window=1000)
    desk.add(200, more=True)
    assign = desk.warm(8)
    desk.compute(assign)
    desk.scheduler.out_of_memory(assign.worker, assign.tickets)
    for half in (keys(assign)[:4], keys(assign)[4:]):
        part = desk.assign()
        assert keys(part) == half
        desk.finish(part)
    for _ in range(5):
        assign = desk.assign()
        assert len(assign.tasks) == 4
        desk.finish(assign)
    assert desk.counts.failed == 0


def test_one_task_that_does_not_fit_alone_teaches_nothing():
    desk = Desk(batch_size=4, window=1000)
    desk.add(200, more=True)
    assign = desk.warm(4)
    giant = keys(assign)[1]
    while desk.counts.failed == 0:
        desk.compute(assign)
        if giant not in keys(assign):
            desk.finish(assign)
        elif len(assign.tasks) > 1:
            desk.scheduler.out_of_memory(assign.worker, assign.tickets)
        else:
            desk.scheduler.finished(assign.worker, assign.tickets[0], Failed(Failure(Category.MEMORY, "too big")))
        assign = desk.assign()
    while len(assign.tasks) < 4:
        desk.finish(assign)
        assign = desk.assign()
    [failed] = [outcome.failure for _, outcome in desk.deliver() if isinstance(outcome, Failed)]
    assert failed == Failure(Category.MEMORY, "too big", attempts=1, slot="gpu:0#0")


def test_a_task_that_lacks_memory_in_company_is_tried_alone():
    desk = Desk(read_ahead=1)
    desk.add(2)
    first, second = desk.ahead()
    lack = Failed(Failure(Category.MEMORY, "too big"))
    desk.scheduler.finished(first.worker, first.tickets[0], lack)
    assert desk.assigns() == []
    desk.finish(second)
    alone = desk.assign()
    assert keys(alone) == [(0,)]
    desk.scheduler.finished(alone.worker, alone.tickets[0], lack)
    assert [type(outcome) for _, outcome in desk.deliver()] == [Failed, Done]


def test_a_death_for_memory_teaches_a_smaller_batch_too():
    desk = Desk(batch_size=4, window=1000)
    desk.add(200, more=True)
    assign = desk.warm(4)
    desk.compute(assign)
    desk.die(assign, memory=True)
    for _ in range(20):
        assign = desk.assign()
        assert len(assign.tasks) <= 2
        desk.finish(assign)
    assert desk.counts.failed == 0


def test_a_task_that_dies_of_memory_alone_teaches_nothing():
    desk = Desk(batch_size=2, max_attempts=1, window=1000)
    desk.add(200, more=True)
    assign = desk.warm(2)
    giant = keys(assign)[0]
    while desk.counts.failed == 0:
        for command in desk.commands():
            if isinstance(command, Start):
                desk.scheduler.worker_ready(command.worker)
            else:
                assign = command
        desk.compute(assign)
        if giant in keys(assign):
            desk.scheduler.worker_died(assign.worker, memory=True)
        else:
            desk.finish(assign)
    [failed] = [outcome.failure for _, outcome in desk.deliver() if isinstance(outcome, Failed)]
    assert failed.category is Category.MEMORY
    desk.start()
    sizes = []
    for _ in range(5):
        assign = desk.assign()
        sizes.append(len(assign.tasks))
        desk.finish(assign)
    assert max(sizes) == 2
