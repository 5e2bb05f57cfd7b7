"""Order, window, documents: what the consumer gets, and how much there is at a time."""

from __future__ import annotations

import gc

import pytest

from docfleet.fleet.scheduling.commands import Assign
from docfleet.fleet.scheduling.order import Node
from docfleet.fleet.tasks import Category, Done, Task
from tests.fleet.scheduler_desk import Desk


def test_delivered_in_order_though_finished_in_reverse():
    desk = Desk(slots=3)
    desk.add(3)
    first, second, third = desk.assigns()
    desk.finish(third, second)
    assert desk.deliver() == []
    desk.finish(first, value="x")
    assert [key for key, _ in desk.deliver()] == [(0,), (1,), (2,)]
    assert desk.scheduler.is_over(desk.run)


def test_unordered_delivers_as_finished():
    desk = Desk(slots=3, ordered=False)
    desk.add(3)
    first, second, third = desk.assigns()
    desk.finish(third, first, second)
    assert desk.delivered_keys() == [(2,), (0,), (1,)]


def test_deliver_gives_no_more_than_asked_for():
    desk = Desk()
    desk.add(3)
    desk.finish(desk.assign())
    desk.finish(desk.assign())
    assert [key for key, _ in desk.deliver(1)] == [(0,)]
    assert [key for key, _ in desk.deliver(5)] == [(1,)]


def test_the_window_counts_what_is_not_delivered():
    desk = Desk(slots=2, window=4)
    assert desk.scheduler.wants(desk.run) == 4
    desk.add(4, more=True)
    first, second = desk.assigns()
    desk.finish(first, second)
    assert desk.scheduler.wants(desk.run) == 0, "a slow consumer slows the source"
    desk.deliver(1)
    assert desk.scheduler.wants(desk.run) == 1
    desk.deliver()
    assert desk.scheduler.wants(desk.run) == 2


def test_an_exhausted_source_is_asked_for_nothing():
    desk = Desk()
    desk.add(1)
    assert desk.scheduler.wants(desk.run) == 0
    with pytest.raises(ValueError, match="exhausted"):
        desk.add(1)


def test_keys_ascend():
    desk = Desk()
    desk.scheduler.add(desk.run, Task((3,), None))
    with pytest.raises(ValueError, match=r"\(3,\) cannot follow \(3,\)"):
        desk.scheduler.add(desk.run, Task((3,), None))


def test_an_empty_run_is_over_at_once():
    desk = Desk()
    desk.add(0)
    assert desk.scheduler.is_over(desk.run)


def test_parts_take_the_place_of_their_document():
    desk = Desk(slots=2)
    desk.add(3)
    document, image = desk.assigns()
    desk.finish(image)
    desk.expand(document, 2)
    assert [key for key, _ in desk.finish_all()] == [(0, 0), (0, 1), (1,), (2,)]
    assert (desk.counts.taken, desk.counts.expanded, desk.counts.done) == (5, 1, 4)


def test_a_part_knows_its_document_its_index_and_its_size():
    desk = Desk()
    desk.add(1)
    desk.expand(desk.assign(), 2, sizes=[5.0, 7.0])
    assert desk.assign().tasks == (Task((0, 1), "input 0", 1, 7.0),)


def test_parts_are_made_as_there_is_room():
    desk = Desk(window=10)
    desk.add(1)
    desk.expand(desk.assign(), 3000)
    desk.commands()
    assert (desk.counts.taken, desk.counts.untaken) == (11, 2990)


def test_parts_come_before_new_inputs():
    desk = Desk(window=10)
    desk.add(1, more=True)
    desk.expand(desk.assign(), 300)
    assert desk.scheduler.wants(desk.run) == 0
    for _ in range(295):
        desk.finish(desk.assign())
        desk.deliver()
    assert desk.scheduler.wants(desk.run) == 10 - 5 - 1, "five parts are left, and the document counts as one"


def test_a_document_at_the_head_goes_on_though_the_window_is_full_of_later_results():
    desk = Desk(slots=2, window=4)
    desk.add(4)
    document, other = desk.assigns()
    while other is not None:
        desk.finish(other)
        other = next(iter(desk.assigns()), None)
    assert desk.counts.held == 3
    desk.expand(document, 50)
    delivered = desk.finish_all()
    assert [key for key, _ in delivered] == [(0, index) for index in range(50)] + [(1,), (2,), (3,)]


def test_a_document_at_the_head_goes_on_though_another_has_filled_the_window():
    desk = Desk(slots=2, window=4)
    desk.add(2)
    first, second = desk.assigns()
    desk.expand(second, 50)
    for _ in range(3):
        desk.finish(desk.assign())
    assert desk.assigns() == [], "the window is full of the second document"
    desk.expand(first, 50)
    assert len(desk.finish_all()) == 100


def test_many_documents_at_once_do_not_lock_up():
    for ordered in (True, False):
        desk = Desk(slots=8, window=8, ordered=ordered)
        desk.add(8)
        for assign in desk.assigns():
            desk.expand(assign, 20)
        assert len(desk.finish_all()) == 160


def test_a_document_within_a_document():
    desk = Desk()
    desk.add(2)
    desk.expand(desk.assign(), 2)
    desk.expand(desk.assign(), 2)
    assert [key for key, _ in desk.finish_all()] == [(0, 0, 0), (0, 0, 1), (0, 1), (1,)]


def test_a_document_without_parts_disappears():
    desk = Desk()
    desk.add(2)
    desk.expand(desk.assign(), 0)
    assert [key for key, _ in desk.finish_all()] == [(1,)]
    assert (desk.counts.taken, desk.counts.expanded, desk.counts.delivered) == (2, 1, 1)


def test_sizes_that_do_not_fit_the_parts_fail_the_document():
    desk = Desk()
    desk.add(1)
    desk.expand(desk.assign(), 3, sizes=[1.0])
    assert desk.failure().category is Category.PIPELINE


def nodes_alive() -> int:
    return sum(isinstance(each, Node) for each in gc.get_objects())


@pytest.mark.parametrize("ordered", [True, False])
def test_many_tasks_from_an_endless_source_stay_within_the_window(ordered):
    desk = Desk(slots=4, window=50, ordered=ordered, batch_size=4, timeout=1e9, read_ahead=1)
    gc.collect()
    before = nodes_alive()
    alive = []
    for turn in range(1000):
        desk.add(desk.scheduler.wants(desk.run), more=True)
        for command in desk.commands():
            if isinstance(command, Assign):
                desk.finish(command)
        desk.deliver()
        if turn % 250 == 249:
            alive.append(nodes_alive() - before)
    assert desk.counts.delivered > 10_000
    # What heaps drop late is bounded as well: twice what waits, and 64.
    assert max(alive) <= 50 + 2 * 50 + 64 + 1


def test_tasks_that_overtake_leave_nothing_behind():
    desk = Desk(slots=4, window=8, ordered=False)
    gc.collect()
    before = nodes_alive()
    for _ in range(500):
        wanted = desk.scheduler.wants(desk.run)
        # Each is longer than all before it, so that the first ones wait and wait.
        desk.add(wanted, sizes=[1.5 ** (desk.added // 2 + index) for index in range(wanted)], more=True)
        for assign in desk.assigns():
            desk.finish(assign)
        desk.deliver()
    assert desk.counts.delivered > 1500
    assert nodes_alive() - before <= 8 + 3 * (2 * 8 + 64)


def test_one_slow_task_keeps_an_ordered_run_within_its_window():
    desk = Desk(slots=2, window=20)
    desk.add(20, more=True)
    _slow, quick = desk.assigns()
    finished = 0
    while quick is not None:
        desk.finish(quick)
        finished += 1
        quick = next(iter(desk.assigns()), None)
    assert finished == 19
    assert desk.scheduler.wants(desk.run) == 0


def test_outcomes_are_delivered_as_the_worker_gave_them():
    desk = Desk()
    desk.add(1)
    desk.finish(desk.assign(), value={"text": "x"})
    assert desk.deliver() == [((0,), Done({"text": "x"}))]
