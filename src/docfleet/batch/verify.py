"""Whether pages come out the same when they are done again by one fresh instance that does nothing else.

      pages of this run --sample--> (task, digest of its files) --one instance, batches of one--> digest --> the same?

A page's result must not depend on what it was computed with, nor on which instance did it. Here that is not assumed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from docfleet.documents.sources import Source, printable
from docfleet.fleet.devices import Slot
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.tasks import Category, Failed, Task
from docfleet.fleet.worker import WorkerSpec


@dataclass(frozen=True, slots=True)
class _Sampled:
    task: Task
    digest: bytes


class Sample:
    """At most `size` of the pages that are offered, each with the same chance."""

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.missed = 0
        """Pages that were not done again: their document was gone or had changed, or it was to be enough."""
        self._random = random.Random(seed)
        self._seen = 0
        self._kept: list[_Sampled] = []

    def offer(self, task: Task, digest: bytes) -> None:
        """One more page (Algorithm R, Vitter 1985)."""
        self._seen += 1
        if len(self._kept) < self.size:
            self._kept.append(_Sampled(task, digest))
        elif (place := self._random.randrange(self._seen)) < self.size:
            self._kept[place] = _Sampled(task, digest)

    def __len__(self) -> int:
        return len(self._kept)

    def compare(
        self,
        spec: WorkerSpec,
        slot: Slot,
        *,
        timeout: float | None,
        max_attempts: int,
        stopped: Callable[[], bool] = lambda: False,
    ) -> list[str]:
        """Do the pages again; what is to be said of those that did not come out the same.

        `spec`: a publisher that writes nothing. `stopped`: asked after each page whether that is enough. Raises
        StartError if it cannot start.
        """
        tasks = [Task((number,), one.task.payload, one.task.part) for number, one in enumerate(self._kept)]
        complaints = []
        with ProcessExecutor(spec, [slot], timeout=timeout, max_attempts=max_attempts) as executor:
            for task, outcome in executor.run(tasks):
                if stopped():
                    self.missed += len(tasks) - task.key[0]
                    break
                if isinstance(outcome, Failed) and outcome.failure.category is Category.INPUT:
                    # The document is gone, or another one by now: nothing to compare with.
                    self.missed += 1
                elif isinstance(outcome, Failed):
                    complaints.append(f"{_place(task)}: failed when it was done again: {outcome.failure.message}")
                elif outcome.value["digest"] != self._kept[task.key[0]].digest:
                    complaints.append(f"{_place(task)}: came out differently when it was done again")
        return complaints


def _place(task: Task) -> str:
    path = Source.from_payload(task.payload["source"]).input_path
    page = "" if task.part is None else f" page {task.part + 1}"
    return f"{printable(path or '')}{page}"
