"""Whom a death is blamed on, and what becomes of the others."""

from __future__ import annotations

import signal

import pytest

from docfleet.fleet.scheduling.commands import Assign, Start
from docfleet.fleet.tasks import Category, Done, Failed, Failure
from tests.fleet.scheduler_desk import Desk, keys


def test_what_only_waits_goes_back_to_the_front_unsuspected():
    desk = Desk(slots=1, read_ahead=1)
    desk.add(5)
    first, second = desk.ahead()
    desk.read(second)
    desk.die(first)
    assert keys(desk.assign()) == [(1,)], "the slot is on trial with it, alone"
    assert desk.counts.failed == 0


def test_a_death_with_one_task_under_suspicion_is_an_attempt():
    desk = Desk(max_attempts=2)
    desk.add(1)
    desk.compute(desk.assign())
    desk.die(Assign(desk.worker_of[0], 1, (), ()))
    again = desk.assign()
    desk.compute(again)
    desk.scheduler.worker_died(again.worker, signal=signal.SIGSEGV, detail="the stack")
    failure = desk.failure()
    assert (failure.category, failure.attempts, failure.signal, failure.slot, failure.detail) == (
        Category.CRASH,
        2,
        signal.SIGSEGV,
        "gpu:0#0",
        "the stack",
    )
    assert "2 times" in failure.message
    assert "SIGSEGV" in failure.message


@pytest.mark.parametrize(
    ("how", "words"),
    [({"exitcode": 3}, "exited with status 3"), ({}, "died"), ({"signal": 9}, "SIGKILL"), ({"memory": True}, "memory")],
)
def test_the_message_says_how_the_worker_ended(how, words):
    desk = Desk(max_attempts=1)
    desk.add(1)
    assign = desk.assign()
    desk.compute(assign)
    desk.scheduler.worker_died(assign.worker, **how)
    failure = desk.failure()
    assert words in failure.message
    assert failure.category is (Category.MEMORY if "memory" in how else Category.CRASH)


def test_suspects_in_company_are_halved_and_not_counted():
    desk = Desk(batch_size=4, max_attempts=1, window=1000)
    desk.add(100, more=True)
    assign = desk.warm(4)
    bad = keys(assign)
    desk.compute(assign)
    desk.die(assign)
    trial = desk.assign()
    assert len(trial.tasks) == 1
    assert keys(trial)[0] not in bad
    desk.finish(trial)
    assert keys(desk.assign()) == bad[:2]
    assert desk.counts.failed == 0


def test_bisection_finds_the_one_that_kills_and_delivers_its_neighbours():
    desk = Desk(batch_size=8, max_attempts=3, window=1000)
    desk.add(80)
    desk.finish(desk.assign())
    deaths = 0
    poison = (37,)
    while not desk.scheduler.is_over(desk.run):
        for command in desk.scheduler.commands():
            if isinstance(command, Start):
                desk.scheduler.worker_ready(command.worker)
            elif poison in keys(command):
                desk.compute(command)
                desk.scheduler.worker_died(command.worker, signal=11)
                deaths += 1
            else:
                desk.finish(command)
        for key, outcome in desk.deliver():
            assert isinstance(outcome, Done) is (key != poison)
    assert deaths == 6, "8, 4 and 2 together, then three times alone"


def test_reading_and_computing_are_suspected_apart():
    desk = Desk(batch_size=2, read_ahead=1, window=1000)
    desk.add(100, more=True)
    first = desk.warm(2)
    desk.compute(first)
    second = desk.assign()
    desk.scheduler.reading(second.worker, second.tickets[0], 0.0)
    desk.die(first)
    desk.finish(desk.assign())
    groups = []
    for _ in range(3):
        assign = desk.assigns()[0]
        groups.append(keys(assign))
        desk.finish(assign)
    assert groups == [keys(first)[:1], keys(first)[1:], keys(second)[:1]]
    assert desk.counts.failed == 0


def test_suspects_run_alone_in_their_worker():
    desk = Desk(slots=2, read_ahead=2, max_attempts=2)
    desk.add(30)
    suspect, other = desk.assigns()
    desk.compute(suspect)
    desk.compute(other)
    others = [other, *(assign for assign in desk.assigns() if assign.worker == other.worker)]
    assert len(others) == 3
    desk.scheduler.worker_died(suspect.worker, signal=11)
    assert all(isinstance(command, Start) for command in desk.commands()), "the other worker is drained"
    desk.finish(*others)
    isolated = desk.assign()
    assert keys(isolated) == keys(suspect)
    assert desk.assigns() == [], "and nothing joins it"
    desk.finish(isolated)
    assert desk.assign().worker == other.worker


def test_suspects_go_to_slots_that_did_not_die_around_them():
    desk = Desk(slots=3, max_attempts=3)
    desk.add(200, more=True)
    slot_of = {worker: slot for slot, worker in desk.worker_of.items()}
    poison, died_in = (1,), []
    while len(died_in) < 3:
        for command in desk.commands():
            if isinstance(command, Start):
                slot_of[command.worker] = command.slot
                desk.scheduler.worker_ready(command.worker)
            elif keys(command) == [poison]:
                desk.compute(command)
                desk.scheduler.worker_died(command.worker, signal=11)
                died_in.append(slot_of[command.worker])
            else:
                desk.finish(command)
    assert sorted(died_in) == [0, 1, 2]
    [failed] = [outcome for _, outcome in desk.deliver() if isinstance(outcome, Failed)]
    assert failed.failure.attempts == 3


def test_a_suspect_goes_where_it_was_when_no_other_slot_is_left():
    desk = Desk(slots=2, max_attempts=3)
    desk.add(1)
    workers = []
    while desk.counts.failed == 0:
        for command in desk.commands():
            if isinstance(command, Start):
                desk.scheduler.worker_ready(command.worker)
            elif isinstance(command, Assign):
                workers.append(command.worker)
                desk.compute(command)
                desk.scheduler.worker_died(command.worker, signal=11)
    assert len(workers) == 3


def test_a_slot_on_trial_gets_one_task_at_a_time_until_one_is_done():
    desk = Desk(batch_size=4, read_ahead=1, window=1000)
    desk.add(100, more=True)
    assign = desk.assign()
    desk.compute(assign)
    desk.die(assign)
    for _ in range(4):
        trial = desk.assign()
        assert len(trial.tasks) == 1
        desk.compute(trial)
        assert desk.assigns() == [], "and reads nothing ahead"
        desk.scheduler.finished(trial.worker, trial.tickets[0], Failed(Failure(Category.INPUT, "no")))
    desk.finish(desk.assign())
    assert len(desk.assign().tasks) > 1


def test_a_suspect_that_only_waited_stays_a_suspect():
    desk = Desk(batch_size=4, read_ahead=1, max_attempts=3, window=1000)
    desk.add(100, more=True)
    assign = desk.warm(4)
    desk.compute(assign)
    desk.die(assign)
    desk.finish(desk.assign())
    pair = next(each for each in desk.assigns() if keys(each) == keys(assign)[:2])
    desk.scheduler.reading(pair.worker, pair.tickets[0], 0.0)
    desk.die(pair)
    desk.finish(desk.assign())
    isolated = []
    for _ in range(3):
        group = desk.assign()
        desk.compute(group)
        assert desk.assigns() == []
        desk.finish(group)
        isolated.append(keys(group))
    assert sorted(isolated) == sorted([keys(assign)[2:], keys(assign)[1:2], keys(assign)[:1]])


def test_a_cancelled_task_beside_it_is_company():
    desk = Desk(slots=1, concurrency=2, max_attempts=1)
    other = desk.scheduler.open_run(max_attempts=1)
    desk.add(1)
    mine = desk.assign()
    desk.compute(mine)
    desk.scheduler.add(other, mine.tasks[0])
    theirs = desk.assign()
    desk.compute(theirs)
    desk.scheduler.cancel(other)
    desk.die(mine)
    assert desk.counts.failed == 0


def test_a_failure_of_the_worker_is_final_and_names_the_slot():
    desk = Desk()
    desk.add(1)
    assign = desk.assign()
    desk.scheduler.finished(assign.worker, assign.tickets[0], Failed(Failure(Category.INPUT, "not a PDF")))
    assert desk.failure() == Failure(Category.INPUT, "not a PDF", attempts=1, slot="gpu:0#0")


def test_a_failure_after_a_death_counts_both_attempts():
    desk = Desk()
    desk.add(1)
    assign = desk.assign()
    desk.compute(assign)
    desk.die(assign)
    again = desk.assign()
    desk.scheduler.finished(again.worker, again.tickets[0], Failed(Failure(Category.PIPELINE, "no")))
    assert desk.failure().attempts == 2


def test_messages_of_the_dead_and_about_the_past_are_ignored():
    desk = Desk(timeout=10.0)
    desk.add(2)
    assign = desk.assign()
    desk.compute(assign)
    desk.die(assign)
    before = desk.counts
    desk.scheduler.finished(assign.worker, assign.tickets[0], Done("late"))
    desk.scheduler.reading(assign.worker, assign.tickets[0], 0.0)
    desk.scheduler.computing(assign.worker, assign.tickets, 0.0)
    desk.scheduler.recalled(assign.worker, assign.tickets)
    desk.scheduler.out_of_memory(assign.worker, assign.tickets)
    desk.scheduler.worker_died(assign.worker)
    desk.scheduler.worker_ready(assign.worker)
    assert desk.counts == before
    assert desk.scheduler.next_deadline() is None
    other = desk.assign()
    desk.finish(other)
    desk.scheduler.finished(other.worker, other.tickets[0], Done("twice"))
    assert desk.counts.done == 1
