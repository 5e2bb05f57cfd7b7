"""What the scheduler makes of pages that take unequal time, beside what others do, in simulated time.

    PYTHONPATH=src python benchmarks/scheduling.py            # two minutes; prints Markdown
    PYTHONPATH=src python benchmarks/scheduling.py --pages 2000 --seeds 1
    PYTHONPATH=src python benchmarks/scheduling.py --real     # five minutes, asleep

The scheduler is the real one, driven by simulated workers (`_scheduling_model`); its delivery is in order, its window
and read-ahead are the defaults. Everything is given as makespan / (work / slots): 1.000 is perfect. Exit status 1 if a
target is missed, other than those below that no blind order guarantees. The default seeds were not used for tuning.
Three of them do not show what is rare: try more, with --seeds and --first_seed.

--real does the same work twice: simulated, and by 16 real worker processes that sleep as long as it says. The workers
have started before; nothing else is left out. Target: within 3 %.

Bounds. Whoever does not know the times and leaves no slot idle ends within work/slots + longest page (Graham, 1966), or
+ longest batch. That counts computing only. The longest page may also have to be read first, with nothing left to
compute beside it, which no order that is blind can exclude: + (1 + READ) x longest page is the bound of this model.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean

import _scheduling_baselines as baselines
from _scheduling_model import Result, Simulation
from _scheduling_real import real_makespan
from _scheduling_work import CORRELATION, READ, Document, documents, pages
from docfleet.fleet.devices import Slot
from docfleet.fleet.scheduler import Scheduler
from docfleet.fleet.scheduling.commands import Assign, Recall, Start
from docfleet.fleet.tasks import Done, Task

SLOTS = (4, 16, 64, 256)
BATCHES = (1, 8)
REAL_SLOTS = 16
REAL_SCALE = 0.3


@dataclass(frozen=True, slots=True)
class Case:
    """One line of a table: the same kind of work, several times over."""

    make: Callable[..., list[Document]]
    sigma: float
    slots: int
    batch: int

    def __str__(self) -> str:
        return f"{self.make.__name__}, sigma {self.sigma}, {self.slots} slots, batch {self.batch}"


@dataclass(slots=True)
class Line:
    """What came of a case, averaged over the seeds unless it says worst."""

    case: Case
    ratios: dict[str, float]
    bound_page: float
    bound_batch: float
    used: float
    """Worst share of the slots' time used until nothing waited, without hints."""
    over_page: float
    over_batch: float
    over_read: float
    """By how much the makespan without hints exceeds work / slots + the longest page, + the longest batch, + reading
    and computing the longest page; worst, as a share of work / slots."""
    hinted: float
    """Worst overall use with hints."""


def measure(case: Case, count: int, seeds: Sequence[int]) -> Line:
    """Run a case with the scheduler and the others."""
    ratios: dict[str, list[float]] = {}
    longest_pages, longest_batches, used = [], [], []
    for seed in seeds:
        inputs = case.make(count, case.sigma, seed, hints=False)
        times = [seconds for document in inputs for seconds in document.times]
        wholes = [sum(document.times) for document in inputs]
        share = sum(times) / case.slots
        blind = simulate(inputs, case)
        hinted = simulate(case.make(count, case.sigma, seed, hints=True), case)
        for name, seconds in {
            "docfleet": blind.makespan,
            "docfleet, hints": hinted.makespan,
            "oracle": baselines.oracle(times, case.slots),
            "pull, fixed batches": baselines.pull(baselines.batches(times, case.batch), case.slots),
            "pull, whole files": baselines.pull(wholes, case.slots),
            "shards": baselines.shards(wholes, case.slots),
            "lockstep": baselines.lockstep(times, case.slots, case.batch),
        }.items():
            ratios.setdefault(name, []).append(seconds / share)
        longest_pages.append(max(times) / share)
        longest_batches.append(blind.longest_batch / share)
        used.append(blind.used_until_empty)
    made = ratios["docfleet"]
    return Line(
        case=case,
        ratios={name: fmean(values) for name, values in ratios.items()},
        bound_page=1 + fmean(longest_pages),
        bound_batch=1 + fmean(longest_batches),
        used=min(used),
        over_page=max(ratio - 1 - page for ratio, page in zip(made, longest_pages, strict=True)),
        over_batch=max(ratio - 1 - batch for ratio, batch in zip(made, longest_batches, strict=True)),
        over_read=max(ratio - 1 - (1 + READ) * page for ratio, page in zip(made, longest_pages, strict=True)),
        hinted=1 / max(ratios["docfleet, hints"]),
    )


def simulate(inputs: list[Document], case: Case) -> Result:
    """The real scheduler, ordered, with its default window and read-ahead."""
    return Simulation(inputs, case.slots, batch_size=case.batch).run()


def table(title: str, lines: Sequence[Line], columns: Sequence[str]) -> None:
    """Print one table."""
    print(f"\n### {title}\n")
    head = ["sigma", "slots", "batch", *columns]
    head += ["bound: + page", "bound: + batch", "used until empty", "used overall", "overall, hints"]
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for line in lines:
        case = line.case
        cells = [f"{case.sigma:.1f}", str(case.slots), str(case.batch)]
        cells += [f"{line.ratios[column]:.3f}" for column in columns]
        cells += [f"{line.bound_page:.3f}", f"{line.bound_batch:.3f}", f"{line.used:.1%}"]
        cells += [f"{1 / line.ratios['docfleet']:.1%}", f"{1 / line.ratios['docfleet, hints']:.1%}"]
        print("| " + " | ".join(cells) + " |")


def targets(lines: Sequence[Line]) -> bool:
    """Print what is met and what is not, each at its worst; whether all that can be met is."""
    of_pages = [line for line in lines if line.case.make is pages]
    of_documents = [line for line in lines if line.case.make is documents]
    used = min(lines, key=lambda line: line.used)
    hinted = min(
        (line for line in lines if line.case.slots == 64 and line.case.sigma == 1.0), key=lambda line: line.hinted
    )
    met = True

    def over(what: str, among: Sequence[Line], excess: Callable[[Line], float], *, possible: bool = True) -> None:
        nonlocal met
        worst = max(among, key=excess)
        holds = excess(worst) <= 0.01
        met = met and (holds or not possible)
        verdict = "PASS" if holds else "FAIL" if possible else "FAIL (no blind order guarantees it, see the bounds)"
        print(f"* {verdict}: makespan <= work/slots + {what} + 1 %; {excess(worst):+.1%} at {worst.case}")

    print("\n### Targets (without hints unless it says so; worst case and seed)\n")
    for name, among in (("pages", of_pages), ("documents", of_documents)):
        single = [line for line in among if line.case.batch == 1]
        several = [line for line in among if line.case.batch > 1]
        over(f"longest page, {name}, batch 1", single, lambda line: line.over_page, possible=among is of_pages)
        over(f"reading and computing the longest page, {name}, batch 1", single, lambda line: line.over_read)
        over(f"longest page, {name}, batch 8", several, lambda line: line.over_page, possible=False)
        over(f"longest batch, {name}, batch 8", several, lambda line: line.over_batch)
    print(f"* {_verdict(used.used >= 0.98)}: slots used >= 98 % until nothing waits; {used.used:.1%} at {used.case}")
    print(f"* {_verdict(hinted.hinted >= 0.95)}: >= 95 % overall with hints of correlation {CORRELATION}, 64 slots, "
          f"sigma 1.0; {hinted.hinted:.1%} at {hinted.case}")  # fmt: skip
    return met and used.used >= 0.98 and hinted.hinted >= 0.95


def _verdict(holds: bool) -> str:
    return "PASS" if holds else "FAIL"


def cost(slots: int, batch: int, count: int = 40_000) -> float:
    """Microseconds of this thread per page for everything that goes through the scheduler; the best of three."""
    return min(_drive(slots, batch, count) for _ in range(3))


def _drive(slots: int, batch: int, count: int) -> float:
    scheduler = Scheduler([Slot("gpu", index) for index in range(slots)])
    run = scheduler.open_run(batch_size=batch, timeout=60.0)
    source = (Task((index,), None) for index in range(count))
    sent: deque[Assign] = deque()
    done = Done(None)
    now = 0.0
    begun = time.process_time()
    while not scheduler.is_over(run):
        if wanted := scheduler.wants(run):
            tasks = list(islice(source, wanted))
            for task in tasks:
                scheduler.add(run, task)
            if len(tasks) < wanted:
                scheduler.exhausted(run)
        for command in scheduler.commands():
            match command:
                case Assign():
                    sent.append(command)
                case Start(_, worker):
                    scheduler.worker_ready(worker)
                case Recall(worker, _):
                    scheduler.recalled(worker, ())
        if sent:
            assign = sent.popleft()
            worker, now = assign.worker, now + 0.001
            for ticket in assign.tickets:
                scheduler.reading(worker, ticket, now)
                scheduler.read(worker, ticket)
            scheduler.computing(worker, assign.tickets, now)
            scheduler.writing(worker, assign.tickets, now)
            for ticket in assign.tickets:
                scheduler.finished(worker, ticket, done)
        scheduler.next_deadline()
        scheduler.tick(now)
        scheduler.deliver(run)
    return (time.process_time() - begun) / count * 1e6


def real(count: int, sigma: float, seeds: Sequence[int]) -> bool:
    """Print real processes beside the simulation; whether they agree."""
    print(f"{count:,} pages, sigma {sigma}, {REAL_SLOTS} slots, {REAL_SCALE:g} of the time; makespan in seconds.\n")
    print("| work | batch | seed | simulated | real processes | real / simulated |")
    print("|---|---|---|---|---|---|")
    agree = True
    for make in (pages, documents):
        for batch in BATCHES:
            for seed in seeds:
                case = Case(make, sigma, REAL_SLOTS, batch)
                simulated = simulate(make(count, sigma, seed, hints=False), case).makespan * REAL_SCALE
                seconds = real_makespan(
                    make.__name__, count, sigma, seed, slots=REAL_SLOTS, batch=batch, scale=REAL_SCALE
                )
                agree = agree and abs(seconds / simulated - 1) <= 0.03
                cells = (
                    f"{make.__name__} | {batch} | {seed} | {simulated:.2f} | {seconds:.2f} | {seconds / simulated:.3f}"
                )
                print(f"| {cells} |", flush=True)
    return agree


def main() -> int:
    """Print everything; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, help="10,000; with --real 1,600")
    parser.add_argument("--seeds", type=int, help="3; with --real 1")
    parser.add_argument("--first_seed", type=int, default=1001)
    parser.add_argument("--real", action="store_true", help="compare the simulation with real processes that sleep")
    arguments = parser.parse_args()
    count = arguments.pages or (1_600 if arguments.real else 10_000)
    seeds = range(arguments.first_seed, arguments.first_seed + (arguments.seeds or (1 if arguments.real else 3)))
    if arguments.real:
        return 0 if real(count, 1.0, seeds) else 1

    def lines(make: Callable[..., list[Document]]) -> list[Line]:
        cases = [Case(make, sigma, slots, batch) for sigma in (0.5, 1.0) for slots in SLOTS for batch in BATCHES]
        return [measure(case, count, seeds) for case in cases]

    print(f"Makespan / (work / slots); {count:,} pages, mean of {len(seeds)} seeds (used: the worst).")
    print(f"Reading a page takes {READ:.0%} of computing it, beside it. All but docfleet read for nothing.")
    columns = ["docfleet", "docfleet, hints", "oracle", "pull, fixed batches", "shards", "lockstep"]
    of_pages = lines(pages)
    table("Single pages, lognormal", of_pages, columns)
    columns.insert(4, "pull, whole files")
    of_documents = lines(documents)
    table("Documents of Pareto(1.5) many lognormal pages", of_documents, columns)
    met = targets([*of_pages, *of_documents])
    print("\n### Cost of the scheduler\n")
    print("Microseconds of one core per page: all events, commands and delivery, timeouts on; best of three.\n")
    print("| slots | batch 1 | batch 8 | batch 32 |")
    print("|---|---|---|---|")
    for slots in SLOTS:
        print(f"| {slots} | " + " | ".join(f"{cost(slots, batch):.1f}" for batch in (1, 8, 32)) + " |")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
