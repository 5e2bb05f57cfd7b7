"""The serial twin: order, batches, expansion, failures as values, laziness."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest

from docfleet.errors import ClosedError, InputError, StartError
from docfleet.fleet.devices import Slot
from docfleet.fleet.serial import SerialExecutor
from docfleet.fleet.tasks import Category, Done, Expanded, Failed, Task
from docfleet.fleet.worker import WorkerSpec

SLOT = Slot("cpu")


class Doubler:
    """Doubles numbers; text tells it what else to do. Remembers the company in which items were computed."""

    def __init__(self, options: Mapping[str, Any], slot: Slot) -> None:
        self.fits = options.get("fits", 100)
        self.batches: list[list[Any]] = []
        self.closed = False
        if options.get("broken"):
            raise StartError("no weights here")

    def read(self, task: Task) -> Any:
        payload = task.payload if task.part is None else task.part
        if isinstance(payload, range):
            return Expanded(payload)
        if payload == "missing":
            raise InputError("missing: no such file")
        return payload

    def compute(self, items: Sequence[Any]) -> list[Any]:
        self.batches.append(list(items))
        if len(items) > self.fits or "huge" in items:
            raise MemoryError("does not fit")
        if "bad" in items:
            raise RuntimeError("cannot double this")
        return [ValueError("odd one") if item == "odd" else item * 2 for item in items]

    def write(self, task: Task, value: Any) -> Any:
        if value == "fullfull":
            raise OSError(28, "No space left on device")
        return value

    def close(self) -> None:
        self.closed = True


def executor(batch_size: int = 1, **options: Any) -> SerialExecutor:
    return SerialExecutor(WorkerSpec(f"{__name__}:Doubler", options), SLOT, batch_size=batch_size)


def tasks(payloads: Sequence[Any]) -> list[Task]:
    return [Task((number,), payload) for number, payload in enumerate(payloads)]


def outcomes(serial: SerialExecutor, payloads: Sequence[Any]) -> list[Any]:
    """The value, or the failure's category, of each task in order of delivery."""
    return [
        outcome.value if isinstance(outcome, Done) else outcome.failure.category
        for _, outcome in serial.run(tasks(payloads))
    ]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_order_is_the_inputs_whatever_fails(batch_size: int) -> None:
    serial = executor(batch_size)
    given = [1, "missing", 2, "bad", range(3), "odd", 4, "full", 5]
    wanted = [2, Category.INPUT, 4, Category.PIPELINE, 0, 2, 4, Category.PIPELINE, 8, Category.OUTPUT, 10]
    assert outcomes(serial, given) == wanted


def test_keys_of_parts_follow_their_document() -> None:
    keys = [task.key for task, _ in executor(2).run(tasks([7, range(2), 8]))]
    assert keys == [(0,), (1, 0), (1, 1), (2,)]


def test_a_bad_item_costs_only_itself() -> None:
    serial = executor(4)
    assert outcomes(serial, [1, "bad", 3, 4]) == [2, Category.PIPELINE, 6, 8]
    assert serial._worker.batches == [[1, "bad", 3, 4], [1], ["bad"], [3], [4]]  # type: ignore[union-attr]


def test_a_batch_that_does_not_fit_is_halved() -> None:
    serial = executor(8, fits=2)
    assert outcomes(serial, list(range(8))) == [number * 2 for number in range(8)]
    assert [len(batch) for batch in serial._worker.batches] == [8, 4, 2, 2, 4, 2, 2]  # type: ignore[union-attr]


def test_an_item_that_never_fits_fails_alone_with_memory() -> None:
    assert outcomes(executor(4), [1, "huge", 3, 4]) == [2, Category.MEMORY, 6, 8]


def test_failures_say_where_and_why() -> None:
    [(_, outcome)] = executor().run(tasks(["bad"]))
    assert isinstance(outcome, Failed)
    assert outcome.failure.message == "RuntimeError: cannot double this"
    assert outcome.failure.slot == "cpu#0"
    assert 'raise RuntimeError("cannot double this")' in outcome.failure.detail


def test_input_is_taken_only_as_needed() -> None:
    taken = []

    def source() -> Iterator[Task]:
        for task in tasks(range(100)):
            taken.append(task.key)
            yield task

    run = executor(4).run(source())
    next(run)
    assert len(taken) == 4


def test_a_lone_failure_does_not_wait_for_a_full_batch() -> None:
    taken = []

    def source() -> Iterator[Task]:
        for task in tasks(["missing", 1, 2]):
            taken.append(task.payload)
            yield task

    next(executor(8).run(source()))
    assert taken == ["missing"]


def test_two_runs_can_be_interleaved() -> None:
    serial = executor(2)
    pairs = zip(serial.run(tasks([1, 2, 3])), serial.run(tasks([4, 5, 6])), strict=True)
    assert [(a[1].value, b[1].value) for a, b in pairs] == [(2, 8), (4, 10), (6, 12)]


def test_several_threads_can_share_it() -> None:
    serial = executor(2)
    found: dict[int, list[Any]] = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: outcomes(serial, [n] * 50)}))  # type: ignore[misc]
        for n in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: [2 * n] * 50 for n in range(4)}


def test_closing_releases_the_worker_and_ends_use() -> None:
    serial = executor()
    worker = serial._worker
    run = serial.run(tasks([1, 2]))
    next(run)
    serial.close()
    serial.close()
    assert worker.closed  # type: ignore[union-attr]
    with pytest.raises(ClosedError, match="closed"):
        next(run)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")
def test_use_after_fork_is_refused() -> None:
    serial = executor()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            next(serial.run(tasks([1])))
            os.write(writing, b"worked")
        except ClosedError as error:
            os.write(writing, str(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        assert b"before fork()" in pipe.read()
    os.waitpid(child, 0)
    serial.close()


def test_a_worker_that_cannot_start_says_why() -> None:
    with pytest.raises(StartError, match="no weights here"):
        executor(broken=True)


@pytest.mark.parametrize("target", ["no.such.module:thing", f"{__name__}:nothing", "nonsense"])
def test_a_worker_that_cannot_be_imported_is_named(target: str) -> None:
    with pytest.raises(StartError, match="cannot be imported"):
        SerialExecutor(WorkerSpec(target), SLOT)


def test_a_wrong_number_of_values_is_a_failure_not_a_shift() -> None:
    class Short(Doubler):
        def compute(self, items: Sequence[Any]) -> list[Any]:
            return [] if len(items) == 1 else list(items[:-1])

    serial = executor(2)
    serial._worker = Short({}, SLOT)
    assert outcomes(serial, [1, 2]) == [Category.PIPELINE, Category.PIPELINE]
