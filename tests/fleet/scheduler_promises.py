"""What the scheduler promises, as seen from outside by the fleet in `scheduler_fleet`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from docfleet.fleet.tasks import Category, Done, Key
from tests.fleet.scheduler_scenarios import HANGS, KILLS, Fate, Health, Plan, leaves_of

if TYPE_CHECKING:
    from tests.fleet.scheduler_fleet import Fleet


def check_books(fleet: Fleet, run: int) -> None:
    plan = fleet.plans[run]
    books = fleet.scheduler.counts(run)
    assert min(books.queued, books.assigned, books.held, books.documents, books.untaken) >= 0
    assert books.taken == (books.expanded + books.done + books.failed + books.cancelled + books.queued + books.assigned)
    assert books.done + books.failed + books.cancelled == books.delivered + books.held
    assert books.delivered == len(fleet.delivered[run])
    if plan.window is not None:
        depth = fleet.depths[run]
        assert books.queued + books.assigned + books.held <= plan.window * (1 + depth)
        assert books.queued + books.assigned + books.held + books.documents <= plan.window * (2 + depth)


def check_nobody_starves(fleet: Fleet) -> None:
    """No worker holds nothing while something waits in a backlog, or while another hoards."""
    dispatch = fleet.scheduler._dispatch
    suspects = sum(len(group.nodes) for group in dispatch._suspects)
    queued = sum(fleet.scheduler.counts(run).queued for run in fleet.plans) - suspects
    leaving = {w.number for w in fleet.scheduler._workers.values() if not w.feeding or w.reserved}
    idle = [
        worker
        for worker in fleet.workers.values()
        if worker.ready and not worker.late and not worker.batches and worker.number not in leaving
    ]
    if idle:
        assert queued == 0
        hoards = [
            worker
            for worker in fleet.workers.values()
            if not worker.late
            and not worker.recalls
            and sum(any(d != "writing" for d in b.doing.values()) for b in worker.batches) > fleet.scenario.concurrency
            and any(
                not b.kept and all(d in ("sent", "reading", "read") for d in b.doing.values()) for b in worker.batches
            )
        ]
        recalls = sum(len(worker.recalls) for worker in fleet.workers.values())
        assert not hoards or recalls >= len(idle)


def check_outcomes(fleet: Fleet, run: int) -> None:
    plan, delivered = fleet.plans[run], fleet.delivered[run]
    books = fleet.scheduler.counts(run)
    keys = [key for key, _ in delivered]
    assert len(keys) == len(set(keys)), "each exactly once"
    if plan.ordered:
        assert keys == sorted(keys)
    assert books.queued == books.assigned == books.held == books.documents == 0
    unopened = {key for key, _ in delivered if fleet.alone[run, key] >= plan.max_attempts}
    expected = {k: f for i, root in enumerate(plan.roots) for k, f in leaves_of((i,), root, unopened).items()}
    whole = not any(run in ended for ended in (fleet.cancelled, fleet.drained, fleet.failed))
    if whole:
        assert sorted(keys) == sorted(expected)
        assert books.untaken == 0
    if run in fleet.documents:
        told = fleet.documents[run]
        assert len(told) == len(set(told)) == books.expanded
    if run in fleet.failed:
        assert fleet.scheduler.slots()[0].state == "retired"
        assert fleet.failed[run]
    for key, outcome in delivered:
        check_outcome(fleet, run, plan, key, expected.get(key), outcome, whole)


def check_outcome(fleet: Fleet, run: int, plan: Plan, key: Key, fate: Fate | None, outcome: Any, whole: bool) -> None:
    alone = fleet.alone[run, key]
    if isinstance(outcome, Done):
        assert outcome.value == key
        assert fate is Fate.DONE
        assert alone < plan.max_attempts
        return
    failure = outcome.failure
    if failure.category is Category.CANCELLED:
        assert not whole
        if run not in fleet.cancelled and run not in fleet.failed:
            assert (run, key) not in fleet.begun, "what was begun is finished"
        return
    if failure.category is Category.TIMEOUT:
        assert fate in HANGS
        assert alone >= 1
        assert fleet.hung[run, key] >= 2 or alone >= plan.max_attempts
        assert failure.attempts == alone
    elif failure.category is Category.CRASH:
        # Exactly when it was alone so often: whether it kills, or is struck by accidents or by a broken slot.
        assert alone == plan.max_attempts == failure.attempts
        assert failure.signal == 11
        blameless = fleet.scenario.accidents == 0 and Health.BROKEN not in fleet.scenario.healths
        assert fate in KILLS or not blameless
    elif failure.category is Category.MEMORY:
        assert fate is Fate.TOO_BIG or alone == plan.max_attempts
    else:
        assert failure.category is Category.PIPELINE
        assert fate is Fate.FAILS
        assert failure.attempts == alone + 1
    assert failure.slot is not None
