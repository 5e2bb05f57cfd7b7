"""Ending a run in good order, and telling its consumer of documents."""

from __future__ import annotations

import pytest

from docfleet.fleet.scheduling.commands import Assign, Kill, Recall, Start
from docfleet.fleet.tasks import Category, Done, Expanded, Failed, Failure, Task
from tests.fleet.scheduler_desk import Desk, keys


def cancelled(desk: Desk) -> list[tuple[int, ...]]:
    """Take what can be delivered: the keys of those that were cancelled."""
    return [
        key
        for key, outcome in desk.deliver()
        if isinstance(outcome, Failed) and outcome.failure.category is Category.CANCELLED
    ]


def drained(desk: Desk, reason: str = "stopped") -> list[Recall]:
    """Drain, and fetch the commands: there is nothing but recalls."""
    desk.scheduler.drain(desk.run, reason)
    commands = desk.commands()
    assert all(isinstance(command, Recall) for command in commands), commands
    return commands  # type: ignore[return-value]


# Draining.


def test_what_waits_ends_at_once_with_the_reason():
    desk = Desk(ready=False)
    desk.add(3, more=True)
    desk.scheduler.drain(desk.run, "stopped by Ctrl-C")
    outcomes = dict(desk.deliver())
    assert outcomes == {(n,): Failed(Failure(Category.CANCELLED, "stopped by Ctrl-C", attempts=0)) for n in range(3)}
    assert desk.scheduler.is_over(desk.run)


def test_nothing_more_is_taken_or_begun():
    desk = Desk(slots=2)
    desk.add(1, more=True)
    desk.scheduler.drain(desk.run)
    assert desk.scheduler.wants(desk.run) == 0
    desk.scheduler.add(desk.run, Task((9,), None))
    desk.scheduler.exhausted(desk.run)
    assert desk.counts.taken == 1
    assert desk.assigns() == []


def test_workers_give_back_what_they_have_not_begun_and_finish_the_rest():
    desk = Desk(batch_size=2, read_ahead=2, ordered=False, window=1000)
    desk.add(50, more=True)
    first = desk.warm(2)
    desk.compute(first)
    second, third = desk.assigns()
    desk.scheduler.reading(second.worker, second.tickets[0], 0.0)
    desk.deliver()
    [recall] = drained(desk)
    assert recall.tickets == second.tickets + third.tickets
    desk.deliver()
    # It has begun with one of them in the meantime.
    desk.scheduler.read(second.worker, second.tickets[0])
    desk.scheduler.computing(second.worker, second.tickets[:1], 0.0)
    desk.scheduler.recalled(second.worker, recall.tickets[1:])
    assert cancelled(desk) == keys(second)[1:] + keys(third)
    desk.finish(first)
    desk.finish(Assign(second.worker, desk.run, second.tickets[:1], second.tasks[:1]))
    assert desk.deliver() == [(key, Done(None)) for key in keys(first) + keys(second)[:1]]
    assert desk.scheduler.is_over(desk.run)
    assert desk.counts.assigned == 0


def test_what_is_written_is_finished():
    desk = Desk(batch_size=2, window=1000)
    desk.add(50, more=True)
    assign = desk.warm(2)
    desk.compute(assign)
    desk.scheduler.writing(assign.worker, assign.tickets, 0.0)
    desk.scheduler.finished(assign.worker, assign.tickets[0], Done(None))
    desk.deliver()
    # What it has got since it writes goes back.
    for recall in drained(desk):
        assert not set(recall.tickets) & set(assign.tickets)
        desk.scheduler.recalled(recall.worker, recall.tickets)
    desk.scheduler.finished(assign.worker, assign.tickets[1], Done(None))
    [(key, outcome), *rest] = desk.deliver()
    assert (key, outcome) == (keys(assign)[1], Done(None))
    assert all(isinstance(outcome, Failed) for _, outcome in rest)
    assert desk.scheduler.is_over(desk.run)


def test_the_order_of_delivery_is_kept():
    desk = Desk(slots=2)
    desk.add(6)
    one, other = desk.assigns()
    desk.compute(one)
    desk.compute(other)
    drained(desk)
    assert desk.deliver() == [], "the first is computed still"
    desk.finish(other)
    desk.finish(one)
    assert desk.delivered_keys() == [(n,) for n in range(6)]


def test_suspects_are_not_tried_again():
    desk = Desk(batch_size=2, max_attempts=3, window=1000)
    desk.add(100, more=True)
    assign = desk.warm(2)
    desk.compute(assign)
    desk.die(assign)
    for recall in drained(desk):
        desk.scheduler.recalled(recall.worker, recall.tickets)
    assert set(keys(assign)) < set(cancelled(desk))
    assert desk.scheduler.is_over(desk.run)


def test_a_suspect_that_is_computed_is_finished():
    desk = Desk(slots=2, max_attempts=3)
    desk.add(1)
    first = desk.assign()
    desk.compute(first)
    desk.scheduler.worker_died(first.worker, signal=9)
    again = next(command for command in desk.commands() if isinstance(command, Assign))
    desk.compute(again)
    assert drained(desk) == []
    desk.finish(again)
    assert desk.deliver() == [((0,), Done(None))]


def test_a_worker_that_dies_afterwards_leaves_cancelled_tasks():
    desk = Desk(read_ahead=1, max_attempts=2)
    desk.add(5)
    first, _ = desk.ahead()
    drained(desk)
    assert cancelled(desk) == []
    desk.die(first)
    assert cancelled(desk) == [(n,) for n in range(5)]
    assert desk.scheduler.is_over(desk.run)
    assert desk.assigns() == []


def test_a_task_whose_last_attempt_it_was_has_failed():
    desk = Desk(max_attempts=1)
    desk.add(2)
    first = desk.assign()
    desk.compute(first)
    drained(desk)
    desk.die(first)
    categories = [outcome.failure.category for _, outcome in desk.deliver()]
    assert categories == [Category.CRASH, Category.CANCELLED]


def test_what_hangs_is_ended_by_its_deadline():
    desk = Desk(timeout=10.0, max_attempts=1)
    desk.add(1)
    assign = desk.assign()
    desk.compute(assign)
    drained(desk)
    desk.wait(10.0)
    assert desk.commands() == [Kill(assign.worker, assign.tickets)]
    desk.scheduler.worker_died(assign.worker, signal=9)
    assert desk.failure().category is Category.TIMEOUT


def test_a_worker_that_has_frozen_holds_nothing_up():
    desk = Desk(timeout=10.0, silence=10.0)
    desk.add(2)
    assign = desk.assign()
    [recall] = drained(desk)
    assert recall.tickets == assign.tickets
    desk.wait(15.0)
    assert desk.commands() == [Kill(assign.worker, assign.tickets, frozen=True)]
    desk.scheduler.worker_died(assign.worker, signal=9)
    assert cancelled(desk) == [(0,), (1,)]


def test_what_does_not_fit_into_memory_is_not_tried_in_halves():
    desk = Desk(batch_size=4, window=1000, ordered=False)
    desk.add(100, more=True)
    assign = desk.warm(4)
    desk.compute(assign)
    drained(desk)
    desk.deliver()
    desk.scheduler.out_of_memory(assign.worker, assign.tickets)
    assert cancelled(desk) == keys(assign)
    assert desk.scheduler.is_over(desk.run)


def test_a_document_that_is_opened_afterwards_counts_as_a_task():
    desk = Desk(expansions=True)
    desk.add(1)
    assign = desk.assign()
    drained(desk)
    desk.expand(assign, 100)
    assert cancelled(desk) == [(0,)]
    assert desk.counts.expanded == 0


def test_parts_that_are_no_tasks_never_become_any():
    desk = Desk(window=4)
    desk.add(2, more=True)
    desk.expand(desk.assign(), 100)
    assigned = desk.assign()
    desk.compute(assigned)
    drained(desk)
    desk.finish(assigned)
    assert desk.delivered_keys() == [(0, 0), (0, 1), (0, 2), (0, 3), (1,)]
    assert desk.counts.untaken == 96
    assert desk.scheduler.is_over(desk.run)


def test_cancelling_may_follow_and_waits_for_nothing():
    desk = Desk()
    desk.add(3)
    assign = desk.assign()
    desk.compute(assign)
    drained(desk)
    desk.scheduler.cancel(desk.run, "now")
    outcomes = desk.deliver()
    assert [outcome.failure.message for _, outcome in outcomes] == ["now", "stopped", "stopped"]
    assert desk.scheduler.is_over(desk.run)
    desk.finish(assign)
    assert desk.deliver() == []
    assert desk.counts.done == 0


def test_draining_after_cancelling_and_twice_is_nothing():
    desk = Desk()
    desk.add(2)
    desk.compute(desk.assign())
    drained(desk, "first")
    assert drained(desk, "second") == []
    other = Desk()
    other.add(2)
    other.compute(other.assign())
    other.scheduler.cancel(other.run, "cancelled")
    other.commands()
    assert drained(other) == []
    assert {outcome.failure.message for _, outcome in other.deliver()} == {"cancelled"}


def test_another_run_goes_on():
    desk = Desk(read_ahead=1)
    other = desk.scheduler.open_run()
    desk.add(3)
    for number in range(3):
        desk.scheduler.add(other, Task((number,), None))
    desk.scheduler.exhausted(other)
    first = desk.assign()
    desk.scheduler.drain(desk.run)
    delivered = 0
    for _ in range(20):
        for command in desk.commands():
            if isinstance(command, Assign):
                desk.finish(command)
            elif isinstance(command, Recall):
                desk.scheduler.recalled(command.worker, command.tickets)
        delivered += len(desk.scheduler.deliver(other))
    assert delivered == 3
    assert first.run == desk.run
    assert desk.counts.cancelled == 3


# Documents told of.


@pytest.mark.parametrize("ordered", [True, False])
def test_a_document_is_told_of_before_its_parts_and_out_of_turn(ordered):
    desk = Desk(slots=2, expansions=True, ordered=ordered)
    desk.add(2)
    slow, assign = desk.assigns()
    desk.compute(slow)
    desk.expand(assign, 2)
    [(task, expanded)] = desk.scheduler.deliver(desk.run, 0)
    assert (task.key, expanded) == ((1,), Expanded(range(2)))
    assert desk.scheduler.deliver(desk.run) == [], "once"
    for part in desk.assigns():
        desk.finish(part)
    desk.finish(slow)
    assert sorted(task.key for task, _ in desk.scheduler.deliver(desk.run)) == [(0,), (1, 0)]


def test_a_run_is_not_over_before_it_has_told_of_its_last_document():
    desk = Desk(expansions=True)
    desk.add(1)
    desk.expand(desk.assign(), 0)
    assert not desk.scheduler.is_over(desk.run)
    [(task, _)] = desk.scheduler.deliver(desk.run)
    assert task.key == (0,)
    assert desk.scheduler.is_over(desk.run)


def test_documents_within_documents_are_told_of_too():
    desk = Desk(expansions=True)
    desk.add(1)
    desk.expand(desk.assign(), 1)
    desk.expand(desk.assign(), 1)
    assert [task.key for task, _ in desk.scheduler.deliver(desk.run)] == [(0,), (0, 0)]


def test_who_did_not_ask_is_told_of_no_document():
    desk = Desk()
    desk.add(1)
    desk.expand(desk.assign(), 2)
    assert desk.scheduler.deliver(desk.run) == []


def test_slots_say_what_they_did_and_do():
    desk = Desk(slots=2, batch_size=2, window=1000)
    desk.add(2, more=True)
    document, page = desk.assigns()
    desk.expand(document, 1)
    desk.scheduler.finished(page.worker, page.tickets[0], Failed(Failure(Category.INPUT, "not an image")))
    part = desk.assign()
    desk.compute(part)
    [worker] = [slot for slot in desk.scheduler.slots() if slot.computing]
    assert worker.computing == ((0, 0),)
    desk.finish(part)
    slots = desk.scheduler.slots()
    assert [slot.computing for slot in slots] == [(), ()]
    assert (sum(slot.tasks for slot in slots), sum(slot.pages for slot in slots)) == (3, 2)
    assert sum(slot.batches for slot in slots) == 3
    assert [slot.restarts for slot in slots] == [0, 0]


def test_a_page_that_has_to_be_tried_again_counts_when_it_ends():
    desk = Desk(slots=1, batch_size=2, window=1000)
    desk.add(50, more=True)
    assign = desk.warm(2)
    before = desk.scheduler.slots()[0].pages
    desk.compute(assign)
    for ticket in assign.tickets:
        desk.scheduler.finished(assign.worker, ticket, Failed(Failure(Category.MEMORY, "too big")))
    assert desk.scheduler.slots()[0].pages == before
    for _ in assign.tickets:
        [again] = [command for command in desk.commands() if not isinstance(command, Start)]
        desk.scheduler.finished(again.worker, again.tickets[0], Failed(Failure(Category.MEMORY, "too big")))
    assert desk.scheduler.slots()[0].pages == before + 2
