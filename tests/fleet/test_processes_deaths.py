"""Workers that die, hang and eat memory, for real: whoever is to blame fails, and nobody else."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import selectors
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from docfleet.errors import StartError
from docfleet.fleet.crew import Patience
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Category, Done
from tests.fleet.conftest import tasks_of

pytestmark = [pytest.mark.kills, pytest.mark.usefixtures("nothing_left")]


def by_key(outcomes):
    return {task.key[0]: outcome for task, outcome in outcomes}


@pytest.mark.parametrize("step", ["read", "compute", "write"])
@pytest.mark.parametrize(
    ("do", "number"),
    [("abort", signal.SIGABRT), ("segfault", signal.SIGSEGV), ("kill", signal.SIGKILL), ("exit", None)],
)
def test_a_poison_page_in_a_batch_fails_alone(fleet, step, do, number):
    payloads: list = list(range(24))
    payloads[11] = {"at": step, "do": do}
    executor = fleet(2, batch_size=8, max_attempts=2)
    outcomes = by_key(executor.run(tasks_of(*payloads)))
    failure = outcomes.pop(11).failure
    assert outcomes == {index: Done(2 * index) for index in range(24) if index != 11}
    assert (failure.category, failure.signal, failure.attempts) == (Category.CRASH, number, 2)
    assert failure.slot in ("cpu#0", "cpu#1")
    if do in ("abort", "segfault"):
        assert "Fatal Python error" in failure.detail
        assert "workers.py" in failure.detail


def test_several_poison_pages_in_one_batch(fleet):
    payloads: list = list(range(32))
    bad = {3, 4, 17, 30}
    for index in bad:
        payloads[index] = {"at": "compute", "do": "abort"}
    outcomes = by_key(fleet(2, batch_size=16, max_attempts=1).run(tasks_of(*payloads)))
    assert {index for index, outcome in outcomes.items() if not isinstance(outcome, Done)} == bad
    assert [outcomes[index].value for index in range(32) if index not in bad] == [
        2 * index for index in range(32) if index not in bad
    ]


@pytest.mark.parametrize("step", ["read", "compute", "write"])
def test_a_worker_that_dies_once_costs_nothing(fleet, step, tmp_path):
    payloads: list = list(range(30))
    payloads[9] = {"at": step, "do": "kill", "once": str(tmp_path / "once"), "value": 9}
    outcomes = by_key(fleet(2, batch_size=4).run(tasks_of(*payloads)))
    outcomes.pop(9) if step == "write" else None
    assert all(isinstance(outcome, Done) for outcome in outcomes.values())
    assert (tmp_path / "once").exists()


def test_a_part_of_a_document_that_kills(fleet):
    """The part is told by its value: doubling it aborts."""
    executor = fleet(2, batch_size=4, max_attempts=1)
    parts = [*range(20), {"at": "compute", "do": "abort"}, *range(20, 40)]
    outcomes = list(executor.run(tasks_of(1, {"parts": parts}, 2)))
    failed = [task.key for task, outcome in outcomes if not isinstance(outcome, Done)]
    assert failed == [(1, 20)]
    assert [task.key for task, _ in outcomes] == [(0,), *((1, part) for part in range(41)), (2,)]


def test_workers_killed_from_outside_again_and_again(fleet):
    executor = fleet(2, batch_size=4)
    me = psutil.Process()
    outcomes = {}
    killed = 0
    for task, outcome in executor.run(tasks_of(*[{"sleep": 0.005, "value": n} for n in range(300)])):
        outcomes[task.key[0]] = outcome
        if len(outcomes) % 60 == 30:
            for child in me.children():
                child.kill()
                killed += 1
    assert killed >= 4
    assert outcomes == {number: Done(2 * number) for number in range(300)}
    assert sum(slot.counts.deaths for slot in executor.statistics()) >= 4


def test_killed_while_it_starts(fleet, tmp_path):
    options = {"start": {"do": "kill", "once": str(tmp_path / "once")}}
    outcomes = by_key(fleet(options=options).run(tasks_of(1, 2, 3)))
    assert [outcomes[index].value for index in range(3)] == [2, 4, 6]


@pytest.mark.parametrize("backwards", [False, True])
def test_what_a_worker_said_before_its_death_counts(fleet, tmp_path, monkeypatch, backwards):
    """The parent is busy while a worker delivers a page and dies: the page is not computed a second time.

    A selector may tell of the death first.
    """
    select = selectors.DefaultSelector.select
    if backwards:
        monkeypatch.setattr(selectors.DefaultSelector, "select", lambda self, timeout: select(self, timeout)[::-1])
    executor = fleet()
    me = psutil.Process()

    class Busy(logging.Handler):
        def emit(self, record):
            for child in me.children():
                psutil.wait_procs([child], timeout=10)

    handler = Busy()
    logging.getLogger("tests.actor").addHandler(handler)
    try:
        last = {"at": "compute", "do": "die soon", "once": str(tmp_path / "once"), "value": "again"}
        outcomes = by_key(executor.run(tasks_of({"reply": "log"}, last)))
    finally:
        logging.getLogger("tests.actor").removeHandler(handler)
    assert outcomes[1] == Done("x" * 100_000)


def test_always_killed_while_it_starts_is_an_end_and_no_loop(fleet, tmp_path):
    options = {"start": {"do": "abort"}, "append": str(tmp_path / "starts")}
    with pytest.raises(StartError, match="SIGABRT"):
        list(fleet(2, options=options).run(tasks_of(1)))
    assert len((tmp_path / "starts").read_text().split()) <= 8


def test_deaths_are_noticed_without_pidfds_too(fleet, monkeypatch, tmp_path):
    monkeypatch.delattr(os, "pidfd_open", raising=False)
    payloads = [1, {"at": "compute", "do": "kill", "once": str(tmp_path / "once"), "value": 2}, 3]
    assert by_key(fleet(2).run(tasks_of(*payloads))) == {0: Done(2), 1: Done(4), 2: Done(6)}


def test_killed_while_nobody_has_work(fleet):
    executor = fleet()
    list(executor.run(tasks_of(1)))
    psutil.Process().children()[0].kill()
    assert by_key(executor.run(tasks_of(2, 3))) == {0: Done(4), 1: Done(6)}


@pytest.mark.parametrize(
    ("step", "do"), [("read", "sleep"), ("compute", "sleep"), ("compute", "hang"), ("write", "sleep")]
)
def test_a_page_that_hangs_is_ended_alone(fleet, step, do):
    payloads: list = list(range(12))
    payloads[5] = {"at": step, "do": do}
    outcomes = by_key(fleet(2, batch_size=2, timeout=0.3, max_attempts=1).run(tasks_of(*payloads)))
    failure = outcomes.pop(5).failure
    assert failure.category == Category.TIMEOUT
    assert "0.3 s" in failure.message
    assert outcomes == {index: Done(2 * index) for index in range(12) if index != 5}


def test_a_worker_that_stops_dead_between_two_pages_is_replaced(fleet, caplog):
    """It has begun with none of the pages that it gets, and cannot say so: no deadline would ever come."""
    executor = fleet(timeout=0.3, patience=Patience(silence=0.5))
    assert by_key(executor.run(tasks_of(1))) == {0: Done(2)}
    [worker] = psutil.Process().children()
    worker.suspend()
    assert by_key(executor.run(tasks_of(*range(5)))) == {number: Done(2 * number) for number in range(5)}
    assert "stands still between two pages" in caplog.text
    assert executor.statistics()[0].counts.deaths == 1


def test_workers_that_stop_dead_at_any_time_cost_no_page(fleet):
    executor = fleet(2, batch_size=2, timeout=0.5, patience=Patience(silence=0.5))
    me = psutil.Process()
    outcomes = {}
    for task, outcome in executor.run(tasks_of(*[{"sleep": 0.005, "value": n} for n in range(200)])):
        outcomes[task.key[0]] = outcome
        if len(outcomes) in (20, 90, 150):
            me.children()[0].suspend()
    assert outcomes == {number: Done(2 * number) for number in range(200)}
    assert sum(slot.counts.deaths for slot in executor.statistics()) >= 1


def test_the_others_go_on_while_one_hangs(fleet, tmp_path):
    """The other slot computes everything before the deadline of the one that hangs has come."""
    executor = fleet(2, timeout=600, patience=Patience(leave=0.2))
    hanging = {"at": "compute", "do": "sleep", "touch": str(tmp_path / "hangs")}
    outcomes = executor.run(tasks_of(hanging, *range(1, 50)), ordered=False)
    assert [task.key[0] for task, _ in itertools.islice(outcomes, 49)]
    assert (tmp_path / "hangs").exists()
    outcomes.close()


def test_closing_while_a_worker_hangs_in_native_code(fleet, tmp_path):
    executor = fleet(patience=Patience(leave=0.2))
    outcomes = executor.run(tasks_of(1, {"at": "compute", "do": "hang", "touch": str(tmp_path / "hangs")}))
    assert next(outcomes)[1] == Done(2)
    while not (tmp_path / "hangs").exists():
        time.sleep(0.005)
    executor.close()


def test_a_worker_that_grows_is_replaced_between_batches(fleet):
    """Every worker is over a limit of 1 MB from the start: they are replaced all the time, and nothing is lost."""
    executor = fleet(2, memory_limit=1 << 20)
    outcomes = list(executor.run(tasks_of(*[{"sleep": 0.05, "reply": "pid"}] * 60)))
    pids = {outcome.value for _, outcome in outcomes}
    assert len(outcomes) == 60
    assert len(pids) > 2
    assert all(slot.counts.deaths == 0 for slot in executor.statistics())


def test_a_worker_that_breaks_the_protocol_is_replaced(fleet, tmp_path):
    """It writes noise into its own socket, once."""
    executor = fleet(target="tests.fleet.workers:Babbler", options={"once": str(tmp_path / "once")})
    outcomes = by_key(executor.run(tasks_of(*range(10))))
    assert outcomes == {number: Done(number) for number in range(10)}
    assert executor.statistics()[0].counts.deaths == 1


def test_a_worker_that_floods_its_output(fleet):
    executor = fleet(2)
    payloads = [{"at": "compute", "do": "flood"}, *range(1, 10)]
    outcomes = by_key(executor.run(tasks_of(*payloads)))
    assert {number: outcomes[number].value for number in range(1, 10)} == {
        number: 2 * number for number in range(1, 10)
    }
    assert isinstance(outcomes[0], Done)


def test_a_program_that_outlives_its_worker_holds_nothing_up(fleet, tmp_path):
    """It has inherited the worker's output; the worker is killed, and the run goes on."""
    executor = fleet()
    bad = {"at": "compute", "do": "orphan and die", "once": str(tmp_path / "once"), "value": 3}
    try:
        assert by_key(executor.run(tasks_of(1, bad))) == {0: Done(2), 1: Done(6)}
        executor.close()
    finally:
        os.kill(int(Path(f"{bad['once']}.pid").read_text()), signal.SIGKILL)


@pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")
def test_a_process_that_cannot_be_killed_holds_nothing_up(fleet, monkeypatch, caplog):
    """As when a driver hangs; here SIGKILL is simply not sent."""
    monkeypatch.setattr(subprocess.Popen, "kill", lambda self: None)
    executor = fleet(timeout=0.2, max_attempts=1, patience=Patience(leave=0.2))
    outcomes = by_key(executor.run(tasks_of(1, {"at": "compute", "do": "sleep"}, 3)))
    workers = psutil.Process().children()
    executor.close()
    assert outcomes[1].failure.category == Category.TIMEOUT
    assert (outcomes[0], outcomes[2]) == (Done(2), Done(6))
    assert "does not end though it was killed" in caplog.text
    for process in workers:
        # It may have seen by itself that nobody talks to it any more; or the end of the supervising thread kills it.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
            process.wait(10)


def test_a_device_that_is_gone_by_the_time_the_worker_starts(fleet, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    with pytest.raises(StartError, match="gpu:3 is not visible"):
        list(fleet(slots=[Slot("gpu", 3)]).run(tasks_of(1)))
