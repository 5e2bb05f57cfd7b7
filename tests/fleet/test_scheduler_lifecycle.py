"""Slots: starting, replacing and giving up their workers; runs that are cancelled or have nowhere to go."""

from __future__ import annotations

import pytest

from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Assign, Command, Recall, Retired, RunFailed, Start, Stop
from docfleet.fleet.tasks import Category, Done, Failed, Task
from tests.fleet.scheduler_desk import Desk, keys


def of_kind(kind: type, commands: list[Command]) -> list:
    return [command for command in commands if isinstance(command, kind)]


def test_every_slot_is_started_once():
    desk = Desk(slots=3, ready=False)
    assert desk.commands() == [Start(0, 1), Start(1, 2), Start(2, 3)]
    assert desk.commands() == []


def test_nothing_is_assigned_before_a_worker_is_ready():
    desk = Desk(slots=2, ready=False)
    desk.add(2)
    assert of_kind(Assign, desk.commands()) == []
    desk.scheduler.worker_ready(2)
    assert [assign.worker for assign in desk.assigns()] == [2]


def test_a_slot_that_cannot_start_is_retired_and_the_others_go_on():
    desk = Desk(slots=2, ready=False)
    desk.add(2)
    desk.commands()
    desk.scheduler.worker_unable(1, "no such device")
    assert desk.commands() == [Retired(0, "no such device")]
    desk.scheduler.worker_ready(2)
    assert len(desk.finish_all()) == 2
    assert [(slot.state, slot.reason) for slot in desk.scheduler.slots()] == [
        ("retired", "no such device"),
        ("ready", ""),
    ]


def test_without_any_slot_a_run_fails_with_the_reasons():
    desk = Desk(slots=3, ready=False)
    desk.add(2, more=True)
    desk.commands()
    desk.scheduler.worker_unable(1, "no weights")
    desk.scheduler.worker_unable(3, "no weights")
    desk.scheduler.worker_unable(2, "no driver")
    [failed] = of_kind(RunFailed, desk.commands())
    assert failed == RunFailed(desk.run, "gpu:0#0, gpu:2#0: no weights; gpu:1#0: no driver")
    assert [outcome.failure.category for _, outcome in desk.deliver()] == [Category.CANCELLED] * 2
    assert desk.scheduler.is_over(desk.run)
    late = desk.scheduler.open_run()
    assert [failed.run for failed in of_kind(RunFailed, desk.commands())] == [late]


def test_three_deaths_while_starting_retire_a_slot():
    desk = Desk(ready=False)
    desk.add(1)
    for _ in range(3):
        [start] = desk.commands()
        desk.scheduler.worker_died(start.worker, signal=11)
    [retired, failed] = desk.commands()
    assert "3 times while starting" in retired.reason
    assert "SIGSEGV" in failed.reason


def test_deaths_while_starting_are_forgiven_once_it_started():
    desk = Desk(ready=False)
    desk.add(10)
    for turn in range(6):
        [start] = desk.commands()
        if turn in (2, 5):
            desk.scheduler.worker_ready(start.worker)
            desk.finish(desk.assign())
        desk.scheduler.worker_died(start.worker, signal=11)
    assert of_kind(Retired, desk.commands()) == []


def test_a_start_ends_the_row_of_false_starts():
    desk = Desk(ready=False)
    desk.add(10)
    for dies_starting in (True, True, False, True, True):
        [start] = of_kind(Start, desk.commands())
        if not dies_starting:
            desk.scheduler.worker_ready(start.worker)
        desk.scheduler.worker_died(start.worker, signal=11)
    assert [type(command) for command in desk.commands()] == [Start]


def test_three_deaths_over_nothing_retire_a_slot():
    desk = Desk(max_attempts=1)
    desk.add(1)
    for _ in range(3):
        assign = desk.assign()
        desk.scheduler.worker_died(assign.worker, signal=9)
        *starts, last = desk.commands()
        if isinstance(last, Start):
            desk.scheduler.worker_ready(last.worker)
    assert "nothing to blame" in last.reason
    assert starts


def test_a_slot_that_never_finishes_anything_is_retired_in_the_end():
    desk = Desk(max_attempts=3)
    desk.add(1000)
    deaths = 0
    while desk.counts.cancelled == 0:
        for command in desk.commands():
            if isinstance(command, Start):
                desk.scheduler.worker_ready(command.worker)
            elif isinstance(command, Assign):
                desk.compute(command)
                desk.scheduler.worker_died(command.worker, signal=11)
                deaths += 1
    assert deaths == 12
    assert "never finished anything" in desk.scheduler.slots()[0].reason


def test_a_slot_that_kills_what_others_finish_is_retired():
    desk = Desk(slots=2, max_attempts=2)
    desk.add(200)
    bad_slot_deaths = 0
    slot_of = dict(enumerate([0, 1], start=1))
    while not desk.scheduler.is_over(desk.run):
        for command in desk.commands():
            if isinstance(command, Start):
                slot_of[command.worker] = command.slot
                desk.scheduler.worker_ready(command.worker)
            elif isinstance(command, Assign):
                if slot_of[command.worker] == 0:
                    bad_slot_deaths += 1
                    desk.compute(command)
                    desk.scheduler.worker_died(command.worker, signal=11)
                else:
                    desk.finish(command)
        assert all(isinstance(outcome, Done) for _, outcome in desk.deliver())
    assert "other slots finished" in desk.scheduler.slots()[0].reason
    assert bad_slot_deaths <= 6


def test_a_slot_that_works_outlives_any_number_of_tasks_that_kill():
    desk = Desk(slots=1, max_attempts=1)
    desk.add(100)
    while not desk.scheduler.is_over(desk.run):
        for command in desk.commands():
            if isinstance(command, Start):
                desk.scheduler.worker_ready(command.worker)
            elif keys(command)[0][0] % 10 == 0 or keys(command)[0][0] > 50:
                desk.compute(command)
                desk.scheduler.worker_died(command.worker, signal=11)
            else:
                desk.finish(command)
        desk.deliver()
    assert desk.counts.failed == 55
    assert desk.scheduler.slots()[0].deaths == 55


# Recycling


def test_the_new_worker_is_warm_before_the_old_one_leaves():
    desk = Desk(read_ahead=1)
    desk.add(10)
    first, second = desk.ahead()
    desk.scheduler.recycle(first.worker)
    [start] = desk.commands()
    assert start.slot == 0
    desk.finish(first)
    assert desk.commands() == [], "it gets no more work"
    desk.scheduler.worker_ready(start.worker)
    assert {assign.worker for assign in desk.assigns()} == {start.worker}
    desk.finish(second)
    assert desk.commands() == [Stop(first.worker)]
    assert [slot.starts for slot in desk.scheduler.slots()] == [2]


def test_an_idle_worker_leaves_as_soon_as_the_new_one_is_ready():
    desk = Desk()
    desk.scheduler.recycle(desk.worker_of[0])
    [start] = desk.commands()
    desk.scheduler.worker_ready(start.worker)
    assert desk.commands() == [Stop(desk.worker_of[0])]


def test_without_draining_the_old_worker_goes_on_until_then():
    desk = Desk()
    desk.add(10)
    desk.scheduler.recycle(desk.worker_of[0], drain=False)
    [start, assign] = desk.commands()
    desk.finish(assign)
    following = desk.assign()
    assert following.worker == desk.worker_of[0]
    desk.scheduler.worker_ready(start.worker)
    desk.finish(following)
    assert {type(command) for command in desk.commands()} == {Assign, Stop}


def test_a_worker_is_recycled_once_at_a_time():
    desk = Desk()
    for _ in range(3):
        desk.scheduler.recycle(desk.worker_of[0])
    assert len(desk.commands()) == 1


def test_a_worker_whose_replacement_cannot_start_goes_on():
    desk = Desk()
    desk.add(3)
    desk.scheduler.recycle(desk.worker_of[0])
    [start] = of_kind(Start, desk.commands())
    desk.scheduler.worker_unable(start.worker, "no memory left on the device")
    desk.scheduler.recycle(desk.worker_of[0])
    assert len(desk.finish_all()) == 3
    assert [(slot.state, slot.starts) for slot in desk.scheduler.slots()] == [("ready", 2)]


def test_a_worker_that_dies_while_its_replacement_starts_is_not_replaced_twice():
    desk = Desk()
    desk.add(3)
    assign = desk.assign()
    desk.scheduler.recycle(assign.worker)
    [start] = desk.commands()
    desk.scheduler.worker_died(assign.worker, signal=9)
    assert desk.commands() == []
    desk.scheduler.worker_ready(start.worker)
    assert len(desk.finish_all()) == 3


def test_a_replacement_that_dies_starting_is_started_again():
    desk = Desk()
    desk.scheduler.recycle(desk.worker_of[0])
    [start] = desk.commands()
    desk.scheduler.worker_died(start.worker, signal=9)
    [again] = desk.commands()
    desk.scheduler.worker_ready(again.worker)
    assert desk.commands() == [Stop(desk.worker_of[0])]


# Cancelling


def test_cancelling_ends_everything_that_is_not_finished():
    desk = Desk(slots=2, read_ahead=1)
    desk.add(10, more=True)
    first, *_others = desk.assigns()
    desk.finish(first)
    desk.scheduler.cancel(desk.run, "interrupted")
    assert (desk.counts.done, desk.counts.cancelled, desk.counts.queued, desk.counts.assigned) == (1, 9, 0, 0)
    delivered = desk.deliver()
    assert [key for key, _ in delivered] == [(index,) for index in range(10)]
    assert [type(outcome) for _, outcome in delivered] == [Done] + [Failed] * 9
    assert delivered[1][1].failure.message == "interrupted"
    assert desk.scheduler.is_over(desk.run)
    assert desk.scheduler.wants(desk.run) == 0


def test_cancelling_recalls_what_is_not_begun_and_drops_what_comes_back():
    desk = Desk(read_ahead=1)
    desk.add(10)
    first, second = desk.ahead()
    desk.scheduler.cancel(desk.run)
    assert desk.commands() == [Recall(second.worker, second.tickets)]
    desk.scheduler.recalled(second.worker, second.tickets)
    desk.finish(first)
    assert desk.counts.done == 0
    assert all(outcome.failure.category is Category.CANCELLED for _, outcome in desk.deliver())
    other = desk.scheduler.open_run()
    desk.scheduler.add(other, Task((0,), None))
    assert desk.assign().worker == first.worker


def test_cancelling_leaves_other_runs_alone():
    desk = Desk(slots=2)
    other = desk.scheduler.open_run()
    desk.add(5)
    for index in range(5):
        desk.scheduler.add(other, Task((index,), None))
    desk.scheduler.exhausted(other)
    assigns = desk.assigns()
    desk.scheduler.close_run(desk.run)
    while assigns:
        desk.finish(*assigns)
        assigns = of_kind(Assign, desk.commands())
    assert len(desk.scheduler.deliver(other)) == 5


def test_cancelling_abandons_the_parts_of_documents():
    desk = Desk(window=5)
    desk.add(2)
    desk.expand(desk.assign(), 100)
    desk.commands()
    desk.scheduler.cancel(desk.run)
    assert desk.counts.untaken == 100 - (desk.counts.taken - 2)
    assert desk.counts.documents == 1
    desk.deliver()
    assert (desk.counts.documents, desk.scheduler.is_over(desk.run)) == (0, True)


def test_tasks_for_a_cancelled_run_are_ignored():
    desk = Desk()
    desk.scheduler.cancel(desk.run)
    desk.scheduler.add(desk.run, Task((0,), None))
    assert desk.counts.taken == 0


def test_a_death_over_cancelled_work_brings_nothing_back():
    desk = Desk()
    desk.add(2)
    assign = desk.assign()
    desk.compute(assign)
    desk.scheduler.cancel(desk.run)
    desk.scheduler.worker_died(assign.worker, signal=9)
    assert len(of_kind(Start, desk.commands())) == 1
    assert (desk.counts.cancelled, desk.counts.queued) == (2, 0)


def test_what_a_dead_worker_was_to_be_told_is_withdrawn():
    desk = Desk(read_ahead=1, timeout=1.0)
    desk.add(10)
    first, _ = desk.ahead()
    desk.wait(5.0)
    desk.scheduler.cancel(desk.run)
    desk.scheduler.worker_died(first.worker, signal=9)
    assert [type(command) for command in desk.commands()] == [Start]


@pytest.mark.parametrize(
    "options",
    [{"batch_size": 0}, {"window": 0}, {"max_attempts": 0}, {"timeout": 0.0}, {"timeout": float("nan")}],
)
def test_options_out_of_range_are_refused(options):
    desk = Desk()
    with pytest.raises(ValueError, match=r"at least 1|above 0"):
        desk.scheduler.open_run(**options)


def test_a_scheduler_needs_a_slot():
    with pytest.raises(ValueError, match="at least one slot"):
        Scheduler([])
    with pytest.raises(ValueError, match="read_ahead"):
        Desk(read_ahead=-1)


def test_a_slot_counts_what_it_did():
    desk = Desk(batch_size=2)
    desk.add(7)
    desk.finish_all()
    [slot] = desk.scheduler.slots()
    assert (slot.name, slot.state, slot.starts, slot.deaths, slot.tasks) == ("gpu:0#0", "ready", 1, 0, 7)
    assert slot.batches >= 4
