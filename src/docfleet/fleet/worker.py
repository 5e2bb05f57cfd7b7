"""What a worker is: three steps over tasks, and the few lines every executor runs them with.

      read ahead                        compute                            write
      task -> read_one -> item   --->   items -> compute_all -> values --->  value -> write_one -> Done
                 |                                    |                              |
                 +-> Expanded, Failed                 +-> Failed, one by one         +-> Failed

In a worker process the three steps run in three threads, so that the next batch is read and the last one written while
this one is computed. The serial twin runs them one after another in the caller's thread. Both go through the three
functions below, so an error becomes the same value in both.

A Worker is named by import path (`module:attr`), because it is built in another interpreter that never imports the
caller's `__main__`. An example that is not OCR:

    class Thumbnails:
        def __init__(self, options, slot): self.side = options["side"]
        def read(self, task): return PIL.Image.open(task.payload)
        def compute(self, items): return [image.resize((self.side, self.side)) for image in items]
        def write(self, task, value): value.save(f"{task.payload}.thumb.png"); return {"saved": True}
        def close(self): pass

    spec = WorkerSpec("my_package.thumbnails:Thumbnails", {"side": 128})
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

from docfleet.errors import StartError
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Done, Expanded, Failed, Outcome, Task, failure_of


class Worker(Protocol):
    """One instance on one slot. Each method is called from one thread only, but the three may overlap.

    Values that travel (payloads, `write`'s result) are None, bool, int, float, str, bytes, list, tuple, dict with
    string keys, and NumPy arrays. Tuples arrive as lists.
    """

    def read(self, task: Task) -> Any:
        """Fetch and decode one task: returns an item for `compute`, or `Expanded` if it is really several tasks.

        Raises: any exception; it fails this task alone.
        """

    def compute(self, items: Sequence[Any]) -> Sequence[Any]:
        """Process items together, in order: one value per item; an exception instance as value fails that item alone.

        Raises: any exception; if there was more than one item, each is then tried alone. A value must not depend on
        the company its item was computed in. A MemoryError is not retried here: the caller halves the batch.
        """

    def write(self, task: Task, value: Any) -> Any:
        """Save or slim down a value: what is returned travels to the caller.

        Raises: any exception; it fails this task alone.
        """

    def close(self) -> None:
        """Release what the instance holds. Called once, after the last step."""


class WorkerFactory(Protocol):
    """What a spec's `module:attr` must be."""

    def __call__(self, options: Mapping[str, Any], slot: Slot) -> Worker: ...


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """A worker by name: enough to build it in any interpreter."""

    target: str
    """`module:attr` of a `WorkerFactory`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Plain values, passed to the factory as they are."""

    def build(self, slot: Slot) -> Worker:
        """Import the factory and make the instance.

        Raises StartError if the target cannot be imported, and whatever the factory raises.
        """
        module, _, attr = self.target.partition(":")
        try:
            factory = cast(WorkerFactory, getattr(importlib.import_module(module), attr))
        except (ImportError, AttributeError, ValueError) as error:
            raise StartError(f"the worker {self.target!r} cannot be imported: {error}") from error
        return factory(self.options, slot)


def read_one(worker: Worker, task: Task) -> tuple[Any, Expanded | Failed | None]:
    """Read one task: `(item, None)`, or `(None, what it ended in)`."""
    try:
        item = worker.read(task)
        if isinstance(item, Expanded) and item.sizes is not None and len(item.sizes) != len(item.parts):
            raise RuntimeError(f"the worker gave {len(item.sizes)} sizes for {len(item.parts)} parts")
    except Exception as error:  # noqa: BLE001 - becomes a Failure that the caller sees
        return None, Failed(failure_of(error))
    return (None, item) if isinstance(item, Expanded) else (item, None)


def compute_all(worker: Worker, items: Sequence[Any]) -> list[Any]:
    """Compute items in company; where that fails, each alone. One value or `Failed` per item, in order.

    MemoryError with more than one item is raised on: only the scheduler can choose a smaller batch and remember it.
    """
    try:
        values = worker.compute(items)
        if len(values) != len(items):
            raise RuntimeError(f"the worker returned {len(values)} values for {len(items)} items")
    except Exception as error:
        if len(items) == 1:
            return [Failed(failure_of(error))]
        if isinstance(error, MemoryError):
            raise
        return [value for item in items for value in compute_all(worker, [item])]
    return [Failed(failure_of(value)) if isinstance(value, Exception) else value for value in values]


def write_one(worker: Worker, task: Task, value: Any) -> Outcome:
    """Write one computed value; a value that already is `Failed` passes through."""
    if isinstance(value, Failed):
        return value
    try:
        return Done(worker.write(task, value))
    except Exception as error:  # noqa: BLE001 - becomes a Failure that the caller sees
        return Failed(failure_of(error, writing=True))
