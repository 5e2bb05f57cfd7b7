"""Properties of the scheduler over random orders of events; `scheduler_fleet` makes the events and checks as it goes.

DOCFLEET_SCHEDULER_EXAMPLES=300 looks ten times as hard.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docfleet.fleet.tasks import Category, Done
from tests.fleet.scheduler_fleet import Fleet
from tests.fleet.scheduler_scenarios import HANGS, KILLS, Fate, Health, Plan, Scenario, leaves_of

EXAMPLES = int(os.environ.get("DOCFLEET_SCHEDULER_EXAMPLES", "30"))


def fates(kinds: list[Fate]) -> st.SearchStrategy[Any]:
    leaf = st.sampled_from(kinds)
    inner = st.lists(leaf, max_size=4).map(tuple)
    return st.one_of(leaf, leaf, leaf, st.lists(st.one_of(leaf, leaf, inner), max_size=8).map(tuple))


def plans(
    kinds: list[Fate], *, most: int = 14, cancel: bool = False, drain: bool = False, attempts: int = 1
) -> st.SearchStrategy[Plan]:
    return st.builds(
        Plan,
        roots=st.lists(fates(kinds), max_size=most),
        batch_size=st.integers(1, 8),
        ordered=st.booleans(),
        window=st.sampled_from([1, 2, 3, 7, 20, None]),
        max_attempts=st.integers(attempts, 3),
        sized=st.booleans(),
        cancel_after=st.one_of(st.none(), st.integers(1, 200)) if cancel else st.none(),
        drain_after=st.one_of(st.none(), st.integers(1, 200)) if drain else st.none(),
    )


def scenarios(
    all_plans: st.SearchStrategy[list[Plan]],
    *,
    healths: st.SearchStrategy[list[Health]] | None = None,
    accidents: int = 0,
    recycles: int = 0,
    memory: bool = False,
    freezes: int = 0,
    pauses: int = 0,
) -> st.SearchStrategy[Scenario]:
    return st.builds(
        Scenario,
        seed=st.integers(0, 2**32),
        plans=all_plans,
        healths=healths if healths is not None else st.lists(st.just(Health.GOOD), min_size=1, max_size=5),
        concurrency=st.sampled_from([1, 1, 1, 3]),
        read_ahead=st.integers(0, 2),
        accidents=st.integers(0, accidents),
        recycles=st.integers(0, recycles),
        memory_limit=st.one_of(st.none(), st.integers(1, 4)) if memory else st.none(),
        patience=st.sampled_from([0.0, 0.0, 0.5, 0.95]),
        freezes=st.integers(0, freezes),
        pauses=st.integers(0, pauses),
    )


def one(plan: st.SearchStrategy[Plan]) -> st.SearchStrategy[list[Plan]]:
    return plan.map(lambda p: [p])


quick = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
TAME = [Fate.DONE, Fate.DONE, Fate.DONE, Fate.FAILS]
WILD = [Fate.DONE] * 8 + list(Fate)


@quick
@given(scenarios(one(plans(TAME, most=30))))
def test_every_task_has_one_outcome_in_order(scenario: Scenario) -> None:
    Fleet(scenario).run()


@quick
@given(scenarios(one(plans([Fate.DONE] * 6 + sorted(KILLS, key=str), attempts=1))))
def test_a_task_that_kills_is_found_and_its_neighbours_are_delivered(scenario: Scenario) -> None:
    fleet = Fleet(scenario)
    fleet.run()
    if 1 not in fleet.failed:
        for key, outcome in fleet.delivered[1]:
            fate = {k: f for i, root in enumerate(scenario.plans[0].roots) for k, f in leaves_of((i,), root).items()}[
                key
            ]
            assert isinstance(outcome, Done) is (fate is Fate.DONE)
            assert fate is Fate.DONE or outcome.failure.category is Category.CRASH


@quick
@given(scenarios(one(plans([Fate.DONE] * 6 + sorted(HANGS, key=str)))))
def test_a_task_that_hangs_times_out_and_its_neighbours_are_delivered(scenario: Scenario) -> None:
    fleet = Fleet(scenario)
    fleet.run()
    if 1 not in fleet.failed:
        assert all(
            isinstance(outcome, Done) or outcome.failure.category is Category.TIMEOUT
            for _, outcome in fleet.delivered[1]
        )


@quick
@given(scenarios(one(plans([Fate.DONE] * 8 + [Fate.TOO_BIG])), memory=True))
def test_memory_costs_only_the_task_that_does_not_fit_alone(scenario: Scenario) -> None:
    fleet = Fleet(scenario)
    fleet.run()
    for key, outcome in fleet.delivered[1]:
        fate = {k: f for i, root in enumerate(scenario.plans[0].roots) for k, f in leaves_of((i,), root).items()}[key]
        assert isinstance(outcome, Done) is (fate is Fate.DONE)


@quick
@given(
    scenarios(
        one(plans([Fate.DONE] * 6 + sorted(HANGS, key=str), drain=True)),
        healths=st.lists(st.just(Health.GOOD), min_size=2, max_size=5),
        freezes=2,
        pauses=3,
    )
)
def test_frozen_workers_and_pauses_cost_no_task(scenario: Scenario) -> None:
    """Two freezes in one slot are not enough to give it up."""
    fleet = Fleet(scenario)
    fleet.run()
    assert not fleet.failed
    for key, outcome in fleet.delivered[1]:
        fate = {k: f for i, root in enumerate(scenario.plans[0].roots) for k, f in leaves_of((i,), root).items()}.get(
            key
        )
        if fate is Fate.DONE and not fleet.drained:
            assert isinstance(outcome, Done)


@quick
@given(scenarios(one(plans(WILD, most=30, drain=True)), accidents=2, memory=True, freezes=2))
def test_a_drained_run_finishes_what_it_has_begun_and_nothing_else(scenario: Scenario) -> None:
    Fleet(scenario).run()


@quick
@given(
    scenarios(
        st.lists(plans(WILD, most=8, cancel=True, drain=True), min_size=1, max_size=3),
        healths=st.lists(st.sampled_from([*Health, Health.GOOD, Health.GOOD, Health.GOOD]), min_size=1, max_size=5),
        accidents=4,
        recycles=3,
        memory=True,
        freezes=3,
        pauses=3,
    )
)
def test_everything_at_once(scenario: Scenario) -> None:
    Fleet(scenario).run()


@quick
@given(
    scenarios(
        one(plans(TAME, most=30, attempts=3)),
        healths=st.permutations([Health.GOOD, Health.GOOD, Health.BROKEN, Health.BROKEN]),
    )
)
def test_broken_slots_cost_no_task_while_good_ones_are_left(scenario: Scenario) -> None:
    fleet = Fleet(scenario)
    fleet.run()
    assert not fleet.failed
    assert all(
        isinstance(outcome, Done) or outcome.failure.category is Category.PIPELINE for _, outcome in fleet.delivered[1]
    )


@quick
@given(
    scenarios(
        one(plans(WILD)), healths=st.lists(st.sampled_from([Health.UNABLE, Health.STILLBORN]), min_size=1, max_size=4)
    )
)
def test_a_run_without_a_slot_ends_with_the_reason(scenario: Scenario) -> None:
    fleet = Fleet(scenario)
    fleet.run()
    assert scenario.plans[0].roots == [] or "no such device" in fleet.failed[1] or "while starting" in fleet.failed[1]


@pytest.mark.parametrize("seed", range(3))
def test_many_tasks_on_many_slots(seed: int) -> None:
    rng = random.Random(seed)
    roots: list[Any] = [rng.choice(WILD) if rng.random() < 0.05 else Fate.DONE for _ in range(300)]
    roots[7] = (Fate.DONE,) * 200
    roots[9] = tuple(rng.choice(WILD) for _ in range(30))
    plan = Plan(roots, 4, True, None, 2, False, None)
    scenario = Scenario(seed, [plan], [Health.GOOD] * 16, 1, 1, 5, 3, None, 0.2)
    Fleet(scenario).run()
