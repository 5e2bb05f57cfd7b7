"""A run in its caller's hands, the same for both executors: told of documents, drained, closed, never deaf for long."""

from __future__ import annotations

import gc
import itertools
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from docfleet.errors import ClosedError
from docfleet.fleet.devices import Slot
from docfleet.fleet.handles import RunHandle
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.serial import SerialExecutor
from docfleet.fleet.tasks import Category, Done, Event, Expanded, Failed, Task
from docfleet.fleet.worker import WorkerSpec
from tests.fleet.conftest import ACTOR, tasks_of

pytestmark = pytest.mark.usefixtures("nothing_left")

Make = Callable[..., SerialExecutor | ProcessExecutor]
LIMIT_S = 60


@pytest.fixture(params=["serial", "processes"])
def make(request: pytest.FixtureRequest, fleet: Make) -> Iterator[Make]:
    """An executor of one slot, closed at the end."""
    serials = []

    def make_serial(*, batch_size: int = 1) -> SerialExecutor:
        serials.append(SerialExecutor(WorkerSpec(ACTOR), Slot("cpu"), batch_size=batch_size))
        return serials[-1]

    yield make_serial if request.param == "serial" else fleet
    for serial in serials:
        serial.close()


def rest_of(run: RunHandle, timeout: float | None = None) -> list[Event]:
    """Everything that is still to come."""
    events = []
    end = time.monotonic() + LIMIT_S
    while not run.over:
        assert time.monotonic() < end, "it does not end"
        events += run.advance(timeout)
    return events


def next_of(run: RunHandle, count: int) -> list[Event]:
    """So many events, or a few more."""
    events: list[Event] = []
    end = time.monotonic() + LIMIT_S
    while len(events) < count:
        assert time.monotonic() < end, "nothing comes"
        events += run.advance(1.0)
    return events


def values_of(events: Iterable[Event]) -> list[object]:
    return [outcome.value if isinstance(outcome, Done) else type(outcome) for _, outcome in events]


@pytest.mark.parametrize("timeout", [None, 0.0, 1.0])
def test_everything_comes_in_order_and_then_it_is_over(make: Make, timeout: float | None) -> None:
    with make(batch_size=3).start(tasks_of(*range(20))) as run:
        assert not run.over
        assert values_of(rest_of(run, timeout)) == [2 * number for number in range(20)]
        assert run.over
        assert run.advance() == []


def test_no_tasks_are_over_at_once(make: Make) -> None:
    run = make().start([])
    assert rest_of(run) == []


def test_nothing_is_taken_before_it_is_asked_for(make: Make) -> None:
    taken = []

    def source() -> Iterator[Task]:
        for task in tasks_of(1, 2):
            taken.append(task)
            yield task

    run = make().start(source())
    assert taken == []
    assert values_of(rest_of(run)) == [2, 4]


# A source that has nothing just now.


def test_none_between_tasks_loses_nothing(make: Make) -> None:
    one, two, three, four = tasks_of(*range(4))
    run = make(batch_size=8).start([None, one, None, None, two, three, None, four, None])
    assert values_of(rest_of(run)) == [0, 2, 4, 6]


def test_none_hands_control_back_at_once(make: Make) -> None:
    """However long the caller would wait, and though nothing has come of anything yet."""
    asked = 0

    def source() -> Iterator[Task | None]:
        nonlocal asked
        while asked < 5:
            asked += 1
            yield None
        yield from tasks_of(1)

    run = make().start(source())
    for turn in range(1, 6):
        assert run.advance() == []
        assert asked == turn
    assert values_of(rest_of(run)) == [2]


def test_what_was_taken_before_none_is_done_though_no_batch_is_full(make: Make) -> None:
    """The source has nothing more until the first task is done."""
    done: list[Event] = []

    def source() -> Iterator[Task | None]:
        first, second = tasks_of(1, 2)
        yield first
        while not done:
            yield None
        yield second

    run = make(batch_size=8).start(source())
    end = time.monotonic() + LIMIT_S
    while not done:
        assert time.monotonic() < end, "it is held back"
        done += run.advance(1.0)
    assert values_of([*done, *rest_of(run)]) == [2, 4]


# Documents.


def test_a_document_is_told_of_once_and_before_its_parts(make: Make) -> None:
    with make(batch_size=2).start(tasks_of(1, {"parts": range(5)}, {"parts": []}, 2)) as run:
        events = rest_of(run)
    documents = {task.key: len(outcome.parts) for task, outcome in events if isinstance(outcome, Expanded)}
    assert documents == {(1,): 5, (2,): 0}
    assert sum(isinstance(outcome, Expanded) for _, outcome in events) == 2
    keys = [task.key for task, _ in events]
    assert keys.index((1,)) < keys.index((1, 0))
    ended = [(task.key, outcome) for task, outcome in events if not isinstance(outcome, Expanded)]
    assert ended == [((0,), Done(2)), *(((1, part), Done(2 * part)) for part in range(5)), ((3,), Done(4))]


# Errors of the source.


def test_what_the_source_raises_comes_after_what_it_had_given(make: Make) -> None:
    def source() -> Iterator[Task]:
        yield from tasks_of(1, {"parts": range(3)}, 2)
        raise RuntimeError("the list is torn")

    run = make(batch_size=2).start(source())
    events = []
    with pytest.raises(RuntimeError, match="torn"):
        while not run.over:
            events += run.advance()
    assert values_of(event for event in events if not isinstance(event[1], Expanded)) == [2, 0, 2, 4, 4]
    assert run.over
    assert run.advance() == []


# Ending early.


def test_draining_gives_every_task_that_was_taken_its_one_outcome(make: Make) -> None:
    taken = []

    def source() -> Iterator[Task]:
        for number in itertools.count():
            taken.append((number,))
            yield Task((number,), {"sleep": 0.005, "value": number})

    run = make(batch_size=4).start(source())
    events = next_of(run, 5)
    run.drain("lunch")
    before = len(taken)
    events += rest_of(run)
    assert len(taken) == before
    assert [task.key for task, _ in events] == taken
    done = [outcome for _, outcome in events if isinstance(outcome, Done)]
    assert done == [Done(2 * number) for number in range(len(done))]
    cancelled = [outcome.failure for _, outcome in events[len(done) :] if isinstance(outcome, Failed)]
    assert len(cancelled) == len(events) - len(done)
    assert {(failure.category, failure.message) for failure in cancelled} <= {(Category.CANCELLED, "lunch")}


def test_draining_before_the_first_step_takes_nothing(make: Make) -> None:
    taken = []
    run = make().start(taken.append(task) or task for task in tasks_of(1, 2))  # type: ignore[func-returns-value]
    run.drain("not today")
    assert rest_of(run) == []
    assert taken == []


def test_draining_opens_no_further_part_and_forgets_those_that_are_no_tasks(make: Make) -> None:
    run = make().start(tasks_of({"parts": range(100_000)}), window=50)
    events = next_of(run, 20)
    run.drain("enough")
    events += rest_of(run)
    assert isinstance(events[0][1], Expanded)
    assert len(events) < 1_000
    keys = [task.key for task, _ in events[1:]]
    assert keys == [(0, part) for part in range(len(keys))]


def test_only_the_first_reason_counts(make: Make) -> None:
    """Two tasks are read, and would be computed with a third."""
    run = make(batch_size=3).start(tasks_of({"at": "read", "do": "nap"}, 1, 2))
    run.advance(0.0)
    run.advance(0.0)
    run.drain("")
    run.drain("again")
    failures = [outcome.failure for _, outcome in rest_of(run) if isinstance(outcome, Failed)]
    assert len(failures) >= 2
    assert {failure.message for failure in failures} == {"the run was ended early"}
    run.drain("it is over")
    assert run.over


def test_a_source_is_let_go_of_when_its_run_is_drained_or_closed(make: Make) -> None:
    for end in (lambda run: run.drain("enough"), lambda run: run.close()):
        source = (task for task in tasks_of(*range(10_000)))
        gone = weakref.ref(source)
        run = make().start(source, window=4)
        del source
        next_of(run, 1)
        end(run)
        gc.collect()
        assert gone() is None
        run.close()


def test_a_closed_run_is_over_and_leaves_the_executor_to_others(make: Make) -> None:
    executor = make(batch_size=2)
    with executor.start(Task((number,), number) for number in itertools.count()) as run:
        next_of(run, 3)
    run.close()
    assert run.over
    assert run.advance() == []
    assert values_of(executor.run(tasks_of(1))) == [2]


def test_a_run_that_is_forgotten_is_closed(make: Make) -> None:
    executor = make()
    run = executor.start(Task((number,), number) for number in itertools.count())
    next_of(run, 1)
    gone = weakref.ref(run)
    del run
    gc.collect()
    assert gone() is None
    assert values_of(executor.run(tasks_of(1))) == [2]


def test_closing_the_executor_is_an_error_for_its_runs(make: Make) -> None:
    executor = make()
    run = executor.start(Task((number,), number) for number in itertools.count())
    next_of(run, 1)
    executor.close()
    with pytest.raises(ClosedError):
        while True:
            run.advance()
    with pytest.raises(ClosedError):
        executor.start([])
    run.close()
    assert run.over


# What only processes can do: work on while nobody advances the run.


def test_advance_comes_back_when_the_time_is_up(fleet: Make, tmp_path: Path) -> None:
    run = fleet().start(tasks_of({"wait": str(tmp_path / "go"), "value": 1}))
    assert [run.advance(0.01) for _ in range(3)] == [[], [], []]
    assert not run.over
    (tmp_path / "go").touch()
    assert values_of(rest_of(run)) == [2]


def test_draining_finishes_what_is_computed_and_cancels_the_rest_meanwhile(fleet: Make, tmp_path: Path) -> None:
    """Each of two workers computes one batch of two, and has read ahead."""
    go = str(tmp_path / "go")
    payloads = [{"wait": go, "touch": f"{tmp_path}/begun{number}", "value": number} for number in range(40)]
    executor = fleet(2, batch_size=2)
    run = executor.start(tasks_of(*payloads), ordered=False)
    while len(begun := list(tmp_path.glob("begun*"))) < 2:
        assert run.advance(0.01) == []
    run.drain("stopped by Ctrl-C")
    cancelled: list[Event] = []
    while sum(slot.counts.tasks for slot in executor.statistics()) or len(cancelled) < 36:
        cancelled += run.advance(0.01)
    assert not run.over
    Path(go).touch()
    events = [*cancelled, *rest_of(run)]
    assert sorted(task.key for task, _ in events) == [(number,) for number in range(40)]
    done = {f"begun{task.key[0]}" for task, outcome in events if isinstance(outcome, Done)}
    assert done >= {path.name for path in begun}
    assert len(done) <= 4
    assert {path.name for path in tmp_path.glob("begun*")} == done


@pytest.mark.timeout(LIMIT_S)
def test_who_waits_hears_at_once_of_what_a_worker_gives_back(fleet: Make, tmp_path: Path) -> None:
    executor = fleet()
    run = executor.start(tasks_of({"wait": str(tmp_path / "go"), "value": 1}, 2), ordered=False)
    while executor.statistics()[0].counts.batches < 2:
        run.advance(0.01)
    run.drain("stopped")
    [(task, outcome)] = run.advance()
    assert task.key == (1,)
    assert isinstance(outcome, Failed)
    (tmp_path / "go").touch()
    assert values_of(rest_of(run)) == [2]


@pytest.mark.kills
def test_a_worker_that_dies_after_draining_is_not_given_its_pages_again(fleet: Make, tmp_path: Path) -> None:
    tasks = tasks_of({"touch": str(tmp_path / "begun"), "at": "compute", "do": "sleep"}, 1, 2)
    run = fleet().start(tasks)
    while not (tmp_path / "begun").exists():
        run.advance(0.01)
    run.drain("stopped")
    (tmp_path / "begun").unlink()
    [worker] = psutil.Process().children()
    worker.kill()
    failures = [outcome.failure for _, outcome in rest_of(run) if isinstance(outcome, Failed)]
    assert [(failure.category, failure.attempts) for failure in failures] == [
        (Category.CANCELLED, 1),
        (Category.CANCELLED, 0),
        (Category.CANCELLED, 0),
    ]
    assert not (tmp_path / "begun").exists()
