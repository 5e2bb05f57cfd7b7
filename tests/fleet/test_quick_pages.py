"""Pages so small that their steps are announced on the board alone: one that kills or hangs is found all the same."""

from __future__ import annotations

import sys

import pytest

from docfleet.fleet.tasks import Category, Done
from tests.fleet.conftest import tasks_of

pytestmark = [
    pytest.mark.kills,
    pytest.mark.skipif(sys.platform != "linux", reason="there is a board on Linux only"),
]

BAD = 300


def pages_with(bad):
    payloads: list = list(range(400))
    payloads[BAD] = bad
    return tasks_of(*payloads)


def all_but_the_bad_one(outcomes):
    """Its failure, when everything else is delivered."""
    by_key = {task.key[0]: outcome for task, outcome in outcomes}
    failed = by_key.pop(BAD)
    assert by_key == {number: Done(2 * number) for number in range(400) if number != BAD}
    return failed.failure


@pytest.mark.parametrize("step", ["read", "compute", "write"])
@pytest.mark.parametrize("instances", [1, 2])
def test_the_page_that_kills_fails_alone(fleet, step, instances):
    executor = fleet(instances, max_attempts=2)
    failure = all_but_the_bad_one(executor.run(pages_with({"at": step, "do": "abort"})))
    assert (failure.category, failure.attempts) == (Category.CRASH, 2)
    # Once in company at most: had nobody been blamed for that, it would have killed there again.
    assert sum(slot.counts.deaths for slot in executor.statistics()) <= 3


@pytest.mark.parametrize("step", ["read", "compute", "write"])
def test_the_page_that_hangs_is_found_without_a_word_of_its_worker(fleet, step):
    """In native code, with the interpreter's lock held: not even another thread of the worker could tell."""
    executor = fleet(2, timeout=1.0)
    failure = all_but_the_bad_one(executor.run(pages_with({"at": step, "do": "hang"})))
    assert failure.category is Category.TIMEOUT
    assert sum(slot.counts.deaths for slot in executor.statistics()) <= 3
