"""What the fleet costs: pages that do nothing, through real worker processes.

    python benchmarks/overhead.py                   the table
    python benchmarks/overhead.py --million         memory of the parent over one million pages from a generator

"parent us/page" is CPU time of the parent process, all threads, source and consumer included; "pages/s" is wall time.
Start-up of the workers is left out: the clock starts at the hundredth outcome.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docfleet.fleet.devices import Slot
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.tasks import Task
from docfleet.fleet.worker import WorkerSpec

WARM = 100


class NoOp:
    """Gives back what it gets."""

    def __init__(self, options: Mapping[str, Any], slot: Slot) -> None:
        pass

    def read(self, task: Task) -> Any:
        return task.payload

    def compute(self, items: Sequence[Any]) -> Sequence[Any]:
        return items

    def write(self, task: Task, value: Any) -> Any:
        return value

    def close(self) -> None:
        pass


def tasks(count: int) -> Iterator[Task]:
    """Tasks as a pipeline makes them: a small payload each."""
    return (Task((number,), {"path": f"folder/page{number}.png"}) for number in range(count))


def executor(slots: int, batch_size: int) -> ProcessExecutor:
    """A fleet of workers that do nothing."""
    places = [Slot("cpu", instance=number) for number in range(slots)]
    return ProcessExecutor(WorkerSpec("overhead:NoOp"), places, batch_size=batch_size)


def measure(slots: int, batch_size: int, count: int) -> tuple[float, float]:
    """Microseconds of parent CPU per page, and pages per second."""
    with executor(slots, batch_size) as fleet:
        outcomes = fleet.run(tasks(count + WARM))
        for _ in itertools.islice(outcomes, WARM):
            pass
        wall, cpu = time.perf_counter(), time.process_time()
        done = sum(1 for _ in outcomes)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert done == count
    return cpu / count * 1e6, count / wall


def resident_mb() -> float:
    """Resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def million() -> None:
    """One million pages from a generator: the parent's memory every 100,000."""
    with executor(2, 32) as fleet:
        began = time.perf_counter()
        for number, _ in enumerate(fleet.run(tasks(1_000_000)), start=1):
            if number % 100_000 == 0 or number == 1_000:
                print(
                    f"| {number:,} | {resident_mb():.1f} | {number / (time.perf_counter() - began):,.0f} |", flush=True
                )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--million", action="store_true")
    parser.add_argument("--runs", type=int, default=5)
    args = parser.parse_args()
    if args.million:
        print("| pages | parent MB | pages/s |\n|---|---|---|")
        million()
        return 0
    print("| slots | batch | parent us/page, median (min-max) | pages/s, median (min-max) |\n|---|---|---|---|")
    for slots, batch_size, count in ((1, 1, 5_000), (2, 1, 5_000), (1, 32, 50_000), (2, 32, 50_000)):
        runs = [measure(slots, batch_size, count) for _ in range(args.runs)]
        cost, rate = [one[0] for one in runs], [one[1] for one in runs]
        print(
            f"| {slots} | {batch_size} | {statistics.median(cost):.0f} ({min(cost):.0f}-{max(cost):.0f}) "
            f"| {statistics.median(rate):,.0f} ({min(rate):,.0f}-{max(rate):,.0f}) |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
