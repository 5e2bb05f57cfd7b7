"""Who gets what: pull, credit, batches, read-ahead, recall, longest first, runs side by side."""

from __future__ import annotations

import pytest

from docfleet.fleet.devices import Slot
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Assign, Recall
from docfleet.fleet.scheduling.slots import QUICK_AHEAD
from docfleet.fleet.tasks import Done, Expanded, Task
from tests.fleet.scheduler_desk import Desk, keys


def numbers(*assigns: Assign) -> list[list[int]]:
    return [[key[-1] for key in keys(assign)] for assign in assigns]


def test_a_worker_that_finishes_gets_the_next_batch_at_once():
    desk = Desk(slots=2)
    desk.add(4)
    slow, quick = desk.assigns()
    desk.finish(quick)
    following = desk.assign()
    assert (following.worker, numbers(following)) == (quick.worker, [[2]])
    assert slow.worker != quick.worker


def test_every_worker_has_something_to_compute_before_any_reads_ahead():
    desk = Desk(slots=3, read_ahead=1)
    desk.add(2, more=True)
    first, second = desk.assigns()
    desk.compute(first)
    desk.compute(second)
    desk.add(2)
    third, ahead = desk.assigns()
    assert len({first.worker, second.worker, third.worker}) == 3
    assert ahead.worker in (first.worker, second.worker)


def test_a_worker_reads_ahead_only_while_it_computes():
    desk = Desk(read_ahead=1)
    desk.add(5)
    first = desk.assign()
    desk.read(first)
    assert desk.assigns() == []
    desk.scheduler.computing(first.worker, first.tickets, 0.0)
    second = desk.assign()
    desk.finish(first)
    assert desk.assigns() == [], "the second is next, and what comes after it can wait until it is begun"
    desk.compute(second)
    assert numbers(desk.assign()) == [[2]]


@pytest.mark.parametrize(("concurrency", "read_ahead"), [(1, 0), (1, 1), (1, 2), (4, 1)])
def test_a_worker_never_has_more_than_its_credit(concurrency, read_ahead):
    desk = Desk(concurrency=concurrency, read_ahead=read_ahead)
    desk.add(50)
    assigns = desk.assigns()
    assert len(assigns) == concurrency
    for assign in assigns:
        desk.compute(assign)
    ahead = desk.assigns()
    assert len(ahead) == read_ahead
    desk.read(*ahead)
    assert desk.assigns() == []
    desk.finish(assigns[0])
    assert len(desk.assigns()) == (1 if concurrency > 1 or read_ahead == 0 else 0)


def test_a_worker_with_quick_tasks_holds_more_of_them():
    desk = Desk(read_ahead=1)
    desk.add(50)
    first, second = desk.ahead()
    desk.scheduler.quick(first.worker, True)
    third, *others = desk.assigns()
    assert len([second, third, *others]) == QUICK_AHEAD
    desk.scheduler.quick(first.worker, False)
    desk.finish(first, second, third)
    desk.compute(others[0])
    assert desk.assigns() == [], "what it holds is more than its usual credit"
    desk.finish(*others[:-1])
    desk.compute(others[-1])
    assert len(desk.assigns()) == 1


def test_a_quick_slot_on_trial_gets_one_task_at_a_time():
    desk = Desk(read_ahead=1)
    desk.add(50)
    first = desk.assign()
    desk.compute(first)
    desk.scheduler.quick(desk.die(first), True)
    trial = desk.assign()
    desk.compute(trial)
    assert desk.assigns() == []


def test_what_is_being_written_makes_room_for_one_more():
    desk = Desk(read_ahead=0)
    desk.add(10)
    first = desk.assign()
    desk.compute(first)
    desk.scheduler.writing(first.worker, first.tickets, 0.0)
    second = desk.assign()
    desk.compute(second)
    desk.scheduler.writing(second.worker, second.tickets, 0.0)
    assert desk.assigns() == [], "a writer that is slow stops the worker in the end"
    desk.scheduler.finished(first.worker, first.tickets[0], Done(None))
    assert numbers(desk.assign()) == [[2]]


def test_a_fresh_worker_begins_with_small_batches():
    desk = Desk(batch_size=16, window=1000)
    desk.add(1000)
    sizes = []
    for _ in range(6):
        assign = desk.assign()
        sizes.append(len(assign.tasks))
        desk.finish(assign)
    assert sizes == [1, 2, 4, 8, 16, 16]


def test_batches_shrink_towards_the_end():
    desk = Desk(slots=2, batch_size=8, window=1000)
    desk.add(100)
    sizes = []
    while assigns := desk.assigns():
        sizes += [len(assign.tasks) for assign in assigns]
        desk.finish(*assigns)
    assert sum(sizes) == 100
    assert max(sizes) == 8
    assert sizes[-4:] == [1, 1, 1, 1]
    tail = sizes[sizes.index(8) :]
    assert tail == sorted(tail, reverse=True)


def test_few_tasks_are_shared_out():
    desk = Desk(slots=4, batch_size=8)
    desk.add(4)
    assert numbers(*desk.assigns()) == [[0], [1], [2], [3]]


def test_what_a_slow_source_gives_is_shared_out():
    desk = Desk(slots=2, batch_size=8)
    desk.add(20)
    desk.finish_all()
    again = desk.scheduler.open_run(batch_size=8)
    for index in range(4):
        desk.scheduler.add(again, Task((index,), None))
    first, second = desk.assigns()[:2]
    assert {first.worker, second.worker} == set(desk.worker_of.values())


def test_idle_workers_share_what_there_is_though_more_is_to_come():
    desk = Desk(slots=2, batch_size=4, window=8)
    for _ in range(6):
        desk.add(desk.scheduler.wants(desk.run), more=True)
        while assigns := desk.assigns():
            desk.finish(*assigns)
        desk.deliver(4)
    desk.add(4, more=True)
    assert [len(assign.tasks) for assign in desk.assigns()] == [2, 2]


def test_a_batch_has_consecutive_pages_of_one_document():
    desk = Desk(batch_size=4, window=100)
    desk.add(2)
    desk.expand(desk.assign(), 40)
    for _ in range(4):
        desk.finish(desk.assign())
    pages = keys(desk.assign())
    assert len(pages) == 4
    assert pages == [(0, pages[0][1] + index) for index in range(4)]


def test_a_worker_goes_on_with_the_document_it_has_open():
    desk = Desk(slots=2, window=100)
    desk.add(2)
    first, second = desk.assigns()
    desk.expand(first, 20)
    desk.expand(second, 20)
    for _ in range(10):
        for assign in desk.assigns():
            document = 0 if assign.worker == first.worker else 1
            assert keys(assign)[0][0] == document
            desk.finish(assign)


def test_a_worker_leaves_its_document_when_others_have_finished_the_rest():
    desk = Desk(slots=2, window=100)
    desk.add(2)
    first, second = desk.assigns()
    desk.expand(first, 1)
    desk.expand(second, 20)
    for _ in range(3):
        assigns = desk.assigns()
        assert len(assigns) == 2, "nearness never costs an idle worker"
        desk.finish(*assigns)


def test_longest_first_once_the_end_is_known():
    desk = Desk()
    desk.add(5, sizes=[1.0, 2.0, 9.0, 5.0, 7.0])
    order = []
    for _ in range(5):
        assign = desk.assign()
        order += numbers(assign)[0]
        desk.finish(assign)
    assert order == [0, 2, 4, 3, 1]
    assert desk.delivered_keys() == [(n,) for n in range(5)]


def test_tasks_of_unknown_size_have_every_second_turn_once_the_end_is_known():
    """They may be documents, and long; but whoever only opens documents has nothing to compute."""
    desk = Desk()
    desk.add(7, sizes=[1.0, 2.0, 9.0, None, float("nan"), 7.0, -1.0])
    desk.finish(desk.assign())
    order = []
    for _ in range(6):
        assign = desk.assign()
        order += numbers(assign)[0]
        desk.finish(assign)
    assert order == [2, 3, 5, 4, 1, 6]


def test_the_first_batch_of_a_worker_is_not_of_the_longest():
    """It would have nothing to compute while that is read."""
    desk = Desk(slots=2, read_ahead=1)
    desk.add(50, sizes=[1.0] * 40 + [5.0] * 10)
    first, second = desk.assigns()
    assert numbers(first, second) == [[0], [1]]
    desk.compute(first)
    desk.compute(second)
    assert numbers(*desk.assigns()) == [[40], [41]]


def test_in_order_while_more_is_to_come():
    desk = Desk(window=100)
    desk.add(100, sizes=[1.0, 2.0] * 50, more=True)
    assert numbers(desk.assign()) == [[0]]


def test_a_task_that_could_outlast_all_that_is_in_sight_is_begun_early():
    desk = Desk(window=100)
    desk.add(100, sizes=[1.0] * 70 + [40.0] + [1.0] * 29, more=True)
    desk.finish(desk.assign())
    assert numbers(desk.assign()) == [[70]]


def test_the_longest_do_not_share_a_batch():
    desk = Desk(slots=4, batch_size=8, window=1000)
    desk.add(404, sizes=[1.0] * 200 + [200.0] * 16 + [1.0] * 188)
    giants = 0
    while giants < 16:
        assigns = desk.assigns()
        for batch in numbers(*assigns):
            among = sum(200 <= number < 216 for number in batch)
            assert among <= 1
            giants += among
        desk.finish(*assigns)


def test_all_that_a_worker_holds_is_no_more_than_its_share_of_what_is_left():
    """It computes one batch and reads two ahead, so each is a third of what a lane has left; but for single tasks."""
    desk = Desk(slots=2, batch_size=8, read_ahead=2, window=1000)
    sizes = [float(1 + number % 7) for number in range(200)]
    desk.add(200, sizes=sizes)
    left = sum(sizes)
    several = 0
    while desk.counts.done < 200:
        assigns = desk.assigns()
        for assign in assigns:
            work = sum(task.size or 0.0 for task in assign.tasks)
            assert len(assign.tasks) == 1 or work <= left / 2 / 3 + 1e-9
            several += len(assign.tasks) > 1
            left -= work
        for assign in assigns:
            desk.finish(assign)
    assert several > 10


def test_inputs_have_turns_while_few_parts_wait():
    desk = Desk(slots=4, window=100, ready=False)
    desk.commands()
    desk.scheduler.worker_ready(1)
    desk.add(6, more=True)
    desk.expand(desk.assign(), 5)
    parts = []
    for _ in range(6):
        assign = desk.assign()
        parts.append(assign.tasks[0].part is not None)
        desk.finish(assign)
    assert parts in ([True, False] * 3, [False, True] * 3)


def test_parts_do_not_wait_in_a_batch_for_inputs():
    desk = Desk(slots=1, batch_size=8, window=1000)
    desk.add(200, more=True)
    while len((assign := desk.assign()).tasks) < 8:
        desk.finish(assign)
    desk.scheduler.finished(assign.worker, assign.tickets[0], Expanded(range(3)))
    for ticket in assign.tickets[1:]:
        desk.scheduler.finished(assign.worker, ticket, Done(None))
    batches = []
    for _ in range(3):
        assign = desk.assign()
        batches.append([task.part is not None for task in assign.tasks])
        desk.finish(assign)
    assert [True] * 3 in batches
    assert all(len(set(batch)) == 1 for batch in batches)


def test_somebody_who_waits_for_the_oldest_ends_nearness():
    desk = Desk(slots=2, window=8)
    desk.add(2, more=True)
    first, second = desk.assigns()
    desk.expand(second, 30)
    for _ in range(4):
        desk.finish(desk.assign())
    desk.expand(first, 4)
    order = []
    for _ in range(4):
        for assign in desk.assigns():
            order += keys(assign)
            desk.finish(assign)
    assert order[:4] == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_an_idle_worker_gets_what_another_only_hoards():
    desk = Desk(slots=2, read_ahead=1)
    desk.add(4)
    a, b = desk.assigns()
    desk.compute(a)
    a_next = desk.assign()
    desk.compute(b)
    b_next = desk.assign()
    assert (a.worker, b.worker) == (a_next.worker, b_next.worker)
    desk.finish(b, b_next)
    [recall] = desk.commands()
    assert recall == Recall(a.worker, a_next.tickets)
    assert desk.commands() == [], "it is asked once"
    desk.scheduler.recalled(a.worker, a_next.tickets)
    moved = desk.assign()
    assert (moved.worker, moved.tasks) == (b.worker, a_next.tasks)
    desk.finish(moved, a)
    assert desk.delivered_keys() == [(0,), (1,), (2,), (3,)]


def test_half_of_a_waiting_batch_is_recalled_the_later_half():
    desk = Desk(slots=2, read_ahead=1, batch_size=5, window=1000)
    desk.add(300, more=True)
    slow, quick = desk.assigns()
    while len(slow.tasks) < 5:
        desk.finish(slow, quick)
        slow, quick = desk.assigns()
    desk.compute(slow)
    waiting = desk.assign()
    assert len(waiting.tasks) == 5
    desk.scheduler.exhausted(desk.run)
    commands: list = [quick]
    while isinstance(commands[0], Assign):
        # The other worker finishes everything else that there is.
        desk.finish(*commands)
        commands = desk.commands()
    assert commands == [Recall(slow.worker, waiting.tickets[2:])]


def test_what_a_worker_does_not_give_back_stays_with_it():
    desk = Desk(slots=2, read_ahead=1)
    desk.add(3)
    a, b = desk.assigns()
    desk.compute(b)
    b_next = desk.assign()
    desk.finish(a)
    [recall] = desk.commands()
    assert recall == Recall(b.worker, b_next.tickets)
    desk.scheduler.recalled(b.worker, ())
    assert desk.commands() == [], "it is not asked again and again"
    desk.finish(b, b_next)
    assert desk.delivered_keys() == [(0,), (1,), (2,)]


def test_a_second_batch_is_not_read_ahead_when_little_is_left():
    for count, ahead in ((12, 1), (13, 2)):
        desk = Desk(slots=4, read_ahead=2)
        desk.add(count)
        first, *_others = desk.assigns()
        desk.compute(first)
        assert len(desk.assigns()) == ahead, "seven are left, or eight, for four slots"


def test_a_worker_with_concurrency_gets_many():
    desk = Desk(concurrency=8, read_ahead=1)
    desk.add(100)
    assert len(desk.assigns()) == 8


def test_runs_take_turns():
    scheduler = Scheduler([Slot("cpu")], read_ahead=0)
    runs = [scheduler.open_run(), scheduler.open_run(), scheduler.open_run()]
    scheduler.worker_ready(scheduler.commands()[0].worker)
    for run, count in zip(runs, (50, 50, 2), strict=True):
        for index in range(count):
            scheduler.add(run, Task((index,), None))
    served = []
    for _ in range(10):
        [assign] = scheduler.commands()
        served.append(assign.run)
        scheduler.finished(assign.worker, assign.tickets[0], Done(None))
    assert served == [1, 2, 3, 1, 2, 3, 1, 2, 1, 2]


def test_runs_have_their_own_keys_order_and_end():
    scheduler = Scheduler([Slot("cpu")], read_ahead=0)
    one, two = scheduler.open_run(), scheduler.open_run(ordered=False)
    scheduler.worker_ready(scheduler.commands()[0].worker)
    for run in (one, two):
        scheduler.add(run, Task((0,), run))
        scheduler.exhausted(run)
    for _ in range(2):
        [assign] = scheduler.commands()
        scheduler.finished(assign.worker, assign.tickets[0], Done(assign.tasks[0].payload))
    assert scheduler.deliver(two) == [(Task((0,), two), Done(two))]
    assert (scheduler.is_over(one), scheduler.is_over(two)) == (False, True)
    assert scheduler.deliver(one) == [(Task((0,), one), Done(one))]
    assert scheduler.close_run(one).delivered == 1


def test_a_document_of_another_run_is_not_near():
    scheduler = Scheduler([Slot("cpu")], read_ahead=0)
    runs = [scheduler.open_run(), scheduler.open_run()]
    scheduler.worker_ready(scheduler.commands()[0].worker)
    for run in runs:
        scheduler.add(run, Task((0,), run))
        scheduler.exhausted(run)
    served = []
    while not all(scheduler.is_over(run) for run in runs):
        [assign] = scheduler.commands()
        [task] = assign.tasks
        assert task.payload == assign.run
        served.append(assign.run)
        outcome = Done(None) if task.part is not None else Expanded(range(3))
        scheduler.finished(assign.worker, assign.tickets[0], outcome)
        assert all(task.payload == run for run in runs for task, _ in scheduler.deliver(run))
    assert served == [1, 2, 1, 2, 1, 2, 1, 2]


def test_what_has_ended_before_a_recall_came_was_not_kept():
    """A document that was opened in the meantime: the rest of its batch is asked for."""
    desk = Desk(slots=2, read_ahead=1, batch_size=2, window=1000)
    desk.add(100, more=True)
    slow, quick = desk.assigns()
    while len(slow.tasks) < 2:
        desk.finish(slow, quick)
        slow, quick = desk.assigns()
    desk.compute(slow)
    waiting = desk.assign()
    desk.scheduler.exhausted(desk.run)
    commands: list = [quick]
    while isinstance(commands[0], Assign):
        desk.finish(*commands)
        commands = desk.commands()
    first, second = waiting.tickets
    assert commands == [Recall(slow.worker, (second,))]
    desk.scheduler.finished(slow.worker, second, Expanded([]))
    desk.scheduler.recalled(slow.worker, ())
    assert desk.commands() == [Recall(slow.worker, (first,))]
