"""The executor as its consumer sees it: order, bounds, errors of the source, several runs, closing."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

from docfleet.errors import ClosedError, StartError, UsageError
from docfleet.fleet.crew import Patience
from docfleet.fleet.devices import Slot
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.serial import SerialExecutor
from docfleet.fleet.tasks import Category, Done, Failed, Task
from docfleet.fleet.worker import WorkerSpec
from tests.fleet.conftest import ACTOR, descriptors, tasks_of

pytestmark = pytest.mark.usefixtures("nothing_left")


def values(outcomes):
    return [outcome.value for _, outcome in outcomes]


@pytest.mark.parametrize(("instances", "batch_size"), [(1, 1), (2, 1), (3, 8)])
def test_outcomes_come_in_order(fleet, instances, batch_size):
    executor = fleet(instances, batch_size=batch_size)
    outcomes = list(executor.run(Task((number,), number) for number in range(500)))
    assert [task.key for task, _ in outcomes] == [(number,) for number in range(500)]
    assert values(outcomes) == [2 * number for number in range(500)]


def test_without_order_what_is_finished_comes_first(fleet, tmp_path):
    executor = fleet(2)
    slow = {"wait": str(tmp_path / "go"), "value": 7}
    outcomes = executor.run(tasks_of(slow, 1, 2, 3), ordered=False)
    first = [task.key[0] for task, _ in itertools.islice(outcomes, 3)]
    (tmp_path / "go").touch()
    assert sorted(first) == [1, 2, 3]
    assert [(task.key[0], outcome.value) for task, outcome in outcomes] == [(0, 14)]


def test_a_slow_page_does_not_stop_the_others(fleet, tmp_path):
    """Ordered: nothing can be delivered before page 0, and still all pages of the window are computed."""
    executor = fleet(2)
    log = tmp_path / "computed"
    slow = {"wait": str(tmp_path / "go")}
    payloads = [slow, *({"touch": str(log) + str(number)} for number in range(1, 20))]
    outcomes = executor.run(tasks_of(*payloads), window=20)
    result = []
    consumer = threading.Thread(target=lambda: result.extend(outcomes))
    consumer.start()
    while not all((tmp_path / f"computed{number}").exists() for number in range(1, 20)):
        time.sleep(0.01)
    (tmp_path / "go").touch()
    consumer.join()
    assert [task.key[0] for task, _ in result] == list(range(20))


def test_it_agrees_with_the_serial_twin(fleet):
    payloads = [3, {"at": "read", "do": "reject"}, {"parts": range(5)}, {"parts": []}, np.arange(4), "ab"]
    payloads += [{"at": "compute", "do": "fail"}, {"parts": ["x", 1.5]}, {"at": "write", "do": "fail"}, 1]
    with SerialExecutor(WorkerSpec(ACTOR), Slot("cpu"), batch_size=3) as serial:
        expected = list(serial.run(tasks_of(*payloads)))
    got = list(fleet(2, batch_size=3).run(tasks_of(*payloads)))
    assert [task.key for task, _ in got] == [task.key for task, _ in expected]
    for (_, one), (_, other) in zip(got, expected, strict=True):
        if isinstance(other, Failed):
            assert (one.failure.category, one.failure.message) == (other.failure.category, other.failure.message)
        else:
            assert np.array_equal(one.value, other.value)


def test_a_document_is_expanded_in_the_workers_and_delivered_in_place(fleet):
    executor = fleet(2, batch_size=4)
    outcomes = list(executor.run(tasks_of(1, {"parts": range(300)}, 2)))
    assert [task.key for task, _ in outcomes] == [(0,), *((1, part) for part in range(300)), (2,)]
    assert values(outcomes)[1:-1] == [2 * part for part in range(300)]


@pytest.mark.parametrize("size", [10, 100_000])
def test_arrays_there_and_back(fleet, size):
    executor = fleet(1, batch_size=2)
    arrays = [np.full(size, number, ">i4") for number in range(20)]
    outcomes = values(executor.run(tasks_of(*arrays)))
    for array, outcome in zip(arrays, outcomes, strict=True):
        assert np.array_equal(outcome, array * 2)
    outcomes[3][0] = 5
    assert outcomes[3][0] == 5
    del outcomes


def test_a_payload_or_value_that_cannot_travel_fails_alone(fleet):
    executor = fleet(batch_size=3)
    outcomes = [outcome for _, outcome in executor.run(tasks_of(1, object(), {"at": "compute", "do": "unencodable"}))]
    assert outcomes[0] == Done(2)
    for outcome in outcomes[1:]:
        assert outcome.failure.category == Category.PIPELINE
        assert "cannot travel" in outcome.failure.message


def test_options_that_cannot_travel():
    with pytest.raises(TypeError, match=r"options\['x'\]"):
        ProcessExecutor(WorkerSpec(ACTOR, {"x": object()}), [Slot("cpu")])


@pytest.mark.parametrize(
    "arguments",
    [{"slots": []}, {"batch_size": 0}, {"timeout": 0}, {"timeout": float("nan")}, {"max_attempts": 0}],
)
def test_numbers_that_make_no_sense(arguments):
    with pytest.raises(UsageError):
        ProcessExecutor(WorkerSpec(ACTOR), **{"slots": [Slot("cpu")], **arguments})


def test_the_source_is_taken_lazily_and_within_the_window(fleet):
    taken = 0

    def source():
        nonlocal taken
        for number in itertools.count():
            taken += 1
            yield Task((number,), number)

    executor = fleet(2)
    outcomes = executor.run(source(), window=40)
    assert taken == 0
    for delivered, _ in enumerate(itertools.islice(outcomes, 300), 1):
        # Beyond the window: what was taken out of it together and is about to be yielded.
        assert taken <= delivered + 40 + 32
    outcomes.close()
    before = taken
    time.sleep(0.05)
    assert taken == before


def test_the_source_runs_in_the_consumers_thread(fleet):
    threads = set()

    def source():
        for number in range(50):
            threads.add(threading.current_thread())
            yield Task((number,), number)

    list(fleet(2).run(source()))
    assert threads == {threading.current_thread()}


def test_a_slow_source_gets_its_outcomes_meanwhile(fleet):
    """Outcomes are not held back until the window is full."""
    executor = fleet(2, batch_size=8)
    got: list = []
    list(executor.run(tasks_of(1)))  # The workers have started.

    def source():
        for number in range(5):
            yield Task((number,), number)
            end = time.monotonic() + 0.2
            while time.monotonic() < end:
                time.sleep(0.005)
            before.append(len(got))

    before: list[int] = []
    for task, outcome in executor.run(source()):
        got.append((task, outcome))
    assert values(got) == [0, 2, 4, 6, 8]
    # By far: a second has passed since the first task was there.
    assert before[-1] >= 1


def test_an_error_of_the_source_comes_after_what_it_yielded(fleet):
    def source():
        yield from tasks_of(1, 2, 3)
        raise RuntimeError("the list is torn")

    got = []
    with pytest.raises(RuntimeError, match="torn"):
        for _, outcome in fleet(2).run(source()):
            got.append(outcome.value)
    assert got == [2, 4, 6]


def test_keys_out_of_order_are_an_error_of_the_caller(fleet):
    with pytest.raises(ValueError, match="ascend"):
        list(fleet().run([Task((1,), 1), Task((0,), 0)]))


def test_no_tasks(fleet):
    assert list(fleet().run([])) == []


def test_two_runs_consumed_alternately_in_one_thread(fleet):
    executor = fleet(2, batch_size=4)
    one = executor.run(tasks_of(*range(200)), window=10)
    other = executor.run(tasks_of(*range(1000, 1200)), window=10)
    for number, ((_, first), (_, second)) in enumerate(zip(one, other, strict=True)):
        assert (first.value, second.value) == (2 * number, 2000 + 2 * number)


def test_runs_in_several_threads(fleet):
    executor = fleet(2, batch_size=4)
    results = {}

    def consume(base):
        results[base] = values(executor.run(tasks_of(*range(base, base + 200))))

    threads = [threading.Thread(target=consume, args=(base,)) for base in range(0, 4000, 1000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {base: [2 * number for number in range(base, base + 200)] for base in range(0, 4000, 1000)}


def test_a_run_that_is_not_consumed_does_not_stop_another(fleet):
    executor = fleet()
    stuck = executor.run(tasks_of(*range(100)), window=5)
    next(stuck)
    assert values(executor.run(tasks_of(*range(100)))) == [2 * number for number in range(100)]
    assert values(stuck) == [2 * number for number in range(1, 100)]


def test_breaking_out_of_the_loop_cancels_the_run_only(fleet):
    executor = fleet(2)
    for _ in executor.run(Task((number,), {"sleep": 0.01}) for number in itertools.count()):
        break
    gc.collect()
    assert values(executor.run(tasks_of(1, 2))) == [2, 4]


def test_an_exception_in_the_consumer_closes_everything(fleet):
    with pytest.raises(ZeroDivisionError), fleet(2) as executor:
        for _ in executor.run(Task((number,), number) for number in itertools.count()):
            raise ZeroDivisionError


def test_closing_ends_a_run_in_another_thread(fleet, tmp_path):
    executor = fleet()
    outcomes = executor.run(tasks_of({"touch": str(tmp_path / "begun"), "sleep": 0.2}))
    errors = []

    def consume():
        try:
            list(outcomes)
        except ClosedError as error:
            errors.append(error)

    consumer = threading.Thread(target=consume)
    consumer.start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.005)
    executor.close()
    consumer.join()
    assert len(errors) == 1


def test_closed_is_closed(fleet):
    executor = fleet()
    started = executor.run(tasks_of(*range(500)))
    next(started)
    waiting = executor.run(tasks_of(1))
    executor.close()
    executor.close()
    for use in (lambda: list(started), lambda: next(waiting), lambda: list(executor.run([])), executor.__enter__):
        with pytest.raises(ClosedError):
            use()


def test_closing_lets_the_step_end_and_closes_the_workers(fleet, tmp_path):
    executor = fleet(2, options={"closed": str(tmp_path / "closed")})
    pids = set(values(executor.run(tasks_of(*[{"reply": "pid"}] * 20))))
    executor.close()
    closed = {int(line) for line in (tmp_path / "closed").read_text().split()}
    assert pids <= closed  # The other one may not have been ready.


def test_a_worker_that_does_not_leave_is_killed(fleet, tmp_path):
    executor = fleet(patience=Patience(leave=0.1))
    outcomes = executor.run(tasks_of({"touch": str(tmp_path / "begun"), "at": "compute", "do": "sleep"}))

    def consume():
        with pytest.raises(ClosedError):
            next(outcomes)

    threading.Thread(target=consume).start()
    while not (tmp_path / "begun").exists():
        time.sleep(0.005)
    executor.close()


def test_closing_while_the_workers_start(fleet):
    fleet(3).close()


def test_forgetting_the_executor_closes_it():
    executor = ProcessExecutor(WorkerSpec(ACTOR), [Slot("cpu")])
    assert values(executor.run(tasks_of(1))) == [2]
    gone = weakref.ref(executor)
    del executor
    gc.collect()
    assert gone() is None


def test_a_forgotten_run_keeps_its_executor():
    outcomes = ProcessExecutor(WorkerSpec(ACTOR), [Slot("cpu")]).run(tasks_of(1, 2))
    gc.collect()
    assert values(outcomes) == [2, 4]
    del outcomes
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_after_a_fork_it_belongs_to_the_parent(fleet):
    executor = fleet()
    running = executor.run(tasks_of(1, 2, 3), window=1)
    next(running)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            uses = (lambda: list(executor.run([])), lambda: next(running), lambda: executor.__enter__())
            refused = 0
            for use in uses:
                try:
                    use()
                except ClosedError as error:
                    refused += "forked" in str(error)
            executor.close()
            status = 0 if refused == len(uses) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert values(running) == [4, 6]


def test_one_slot_that_cannot_start_leaves_the_others(fleet):
    executor = fleet(2, options={"start": {"do": "refuse", "slot": "cpu#1"}})
    assert values(executor.run(tasks_of(*range(50)))) == [2 * number for number in range(50)]
    # One slot may have done all the work before the other has found out that it cannot start.
    end = time.monotonic() + 30
    while executor.statistics()[1].counts.state == "starting" and time.monotonic() < end:
        time.sleep(0.01)
    one, other = executor.statistics()
    assert (one.counts.state, other.counts.state) == ("ready", "retired")
    assert "weights" in other.counts.reason


def test_no_slot_that_can_start_ends_the_run_with_the_reason(fleet):
    executor = fleet(2, options={"start": {"do": "refuse"}})
    with pytest.raises(StartError, match="docfleet models pull"):
        list(executor.run(Task((number,), number) for number in itertools.count()))
    # And so does the next, at once.
    with pytest.raises(StartError, match="docfleet models pull"):
        list(executor.run(tasks_of(1)))


def test_a_worker_that_cannot_be_imported(fleet):
    with pytest.raises(StartError, match="no_such_module"):
        list(fleet(target="no_such_module:Worker").run(tasks_of(1)))


def test_a_worker_that_is_late_to_get_ready(fleet):
    executor = fleet(options={"start": {"do": "sleep"}}, patience=Patience(start=0.2))
    with pytest.raises(StartError, match=r"get ready within 0\.2 s"):
        list(executor.run(tasks_of(1)))


def test_a_batch_too_large_for_memory_becomes_smaller(fleet):
    executor = fleet(batch_size=8, options={"fits": 2})
    assert values(executor.run(tasks_of(*range(40)))) == [2 * number for number in range(40)]


def test_a_page_too_large_for_memory_fails_alone(fleet):
    executor = fleet(batch_size=4)
    payloads = [1, 2, {"at": "compute", "do": "memory"}, 4, 5]
    outcomes = [outcome for _, outcome in executor.run(tasks_of(*payloads))]
    assert outcomes[2].failure.category == Category.MEMORY
    assert [outcome.value for index, outcome in enumerate(outcomes) if index != 2] == [2, 4, 8, 10]


def test_statistics_tell_where_the_time_went(fleet):
    executor = fleet()
    list(executor.run(tasks_of(*[{"sleep": 0.05}] * 8)))
    (slot,) = executor.statistics()
    assert (slot.counts.name, slot.counts.tasks, slot.counts.deaths) == ("cpu#0", 8, 0)
    assert set(slot.stages) == {"read", "compute", "write"}
    assert slot.stages["compute"][0] > 0.2
    assert slot.resident > 10**6


def test_logs_of_workers_arrive_under_their_name_with_their_slot(fleet, caplog):
    with caplog.at_level(logging.INFO):
        executor = fleet()
        list(executor.run(tasks_of({"reply": "log"})))
        executor.close()
    records = [record for record in caplog.records if record.name == "tests.actor"]
    assert [record.levelname for record in records] == ["WARNING", "ERROR"]
    assert {record.slot for record in records} == {"cpu#0"}
    assert "ValueError: this page is bad" in caplog.text
    printed = [record.getMessage() for record in caplog.records if record.name == "docfleet.worker.output"]
    assert "cpu#0: printed é" in printed
    assert "nobody asked" not in caplog.text


def test_memory_stays_flat_over_many_pages(fleet):
    """Outcomes of 400 kB that nobody keeps: neither mappings nor descriptors pile up."""

    executor = fleet(batch_size=2)
    most = 0
    open_before = descriptors()
    for count, _ in enumerate(executor.run(Task((n,), np.zeros(50_000)) for n in range(600))):
        if count % 20 == 0:
            most = max(most, Path("/proc/self/maps").read_text().count("memfd:docfleet"))
            assert descriptors() <= open_before + 12
    # The window at most, and what is on its way out of it.
    assert most <= 64 + 32 + 8
