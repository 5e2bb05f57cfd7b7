"""Fixtures for fleets of processes. What a test starts is gone when it ends: processes, descriptors, threads, files."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from docfleet.fleet.crew import Patience
from docfleet.fleet.devices import Slot
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.tasks import Task
from docfleet.fleet.worker import WorkerSpec

ACTOR = "tests.fleet.workers:Actor"


def shared_memory() -> set[str]:
    folder = Path("/dev/shm")
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def descriptors() -> int:
    """How many are open in this process."""
    return len(list(Path("/proc/self/fd").iterdir())) if sys.platform == "linux" else 0


@pytest.fixture
def nothing_left():
    """Fails the test if anything is left behind. A moment's grace for what the kernel is still putting away."""
    before = descriptors(), shared_memory(), set(threading.enumerate())
    yield
    end = time.monotonic() + 5
    while True:
        children = psutil.Process().children(recursive=True)
        after = descriptors(), shared_memory(), set(threading.enumerate())
        if (not children and after == before) or time.monotonic() > end:
            break
        time.sleep(0.01)
    assert children == []
    assert after == before


@pytest.fixture
def fleet(nothing_left):
    """Makes executors over `instances` slots of one thread, and closes them."""
    executors = []

    def make(instances=1, *, target=ACTOR, options=None, slots=None, **more) -> ProcessExecutor:
        slots = slots or [Slot("cpu", instance=number) for number in range(instances)]
        more.setdefault("patience", Patience(hello=30, start=30, leave=5))
        executor = ProcessExecutor(WorkerSpec(target, options or {}), slots, **more)
        executors.append(executor)
        return executor

    yield make
    while executors:
        executors.pop().close()


def tasks_of(*payloads, first=0):
    """One task for each payload."""
    return [Task((first + index,), payload) for index, payload in enumerate(payloads)]
