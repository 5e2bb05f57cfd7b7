"""What goes through the fleet: tasks in, one outcome each out.

A task is a place in the order and a payload that only the worker understands. An attempt at it ends in one of

    Done(value)        finished; the value is what the worker's `write` returned
    Failed(failure)    finished; a named reason instead of a value
    Expanded(parts)    not finished: it is several tasks, which take its place in the order

      key (4,)  thesis.pdf   --read-->  Expanded(range(300))
      key (4, 0)  part 0     --read, compute, write-->  Done(...)
      key (4, 1)  part 1     ...
      key (5,)  photo.jpg

Keys compare as tuples, so sorting outcomes by key restores the order of the input however the work was split.
"""

from __future__ import annotations

import errno
import signal as signals
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Key = tuple[int, ...]


class Category(StrEnum):
    """Why a task failed; the same words in results, journals and reports (DESIGN 3.2)."""

    INPUT = "input"
    """Missing, unreadable, corrupt, encrypted, over a limit."""
    PIPELINE = "pipeline"
    """An exception while processing."""
    CRASH = "crash"
    """The worker died with this task alone, `max_attempts` times."""
    TIMEOUT = "timeout"
    MEMORY = "memory"
    OUTPUT = "output"
    """Disk full, not writable."""
    SERVICE = "service"
    """A remote server."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Task:
    """One unit of work."""

    key: Key
    """Place in the order, 0-based; one element for an input, one more for each expansion."""
    payload: Any
    """What the worker needs to know: plain values and arrays. Shared by all parts of an expanded task."""
    part: Any = None
    """Which part of an expanded task this is (of a document: the 0-based page index); None if it never expanded."""
    size: float | None = None
    """Relative cost where it is known beforehand (pixels, bytes, seconds: any unit, one unit per run)."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a task has no result."""

    category: Category
    message: str
    """One line for a person: what, which file, what to do next."""
    detail: str = ""
    """Traceback or native stack, for the log; may be empty."""
    attempts: int = 1
    slot: str | None = None
    """Name of the slot where the last attempt ended."""
    signal: int | None = None
    """Number of the signal that ended the worker, if one did."""


@dataclass(frozen=True, slots=True)
class Done:
    """The task is finished; `value` is what travels to the caller."""

    value: Any


@dataclass(frozen=True, slots=True)
class Failed:
    """The task is finished without a value."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Expanded:
    """The task stands for several: one child for each of `parts`, in this order."""

    parts: Sequence[Any]
    """Plain values; a `range` stays a range on the way. Children are made one by one, never all at once."""
    sizes: Sequence[float] | None = None
    """Relative cost of each part, where known; as long as `parts`."""

    def child(self, parent: Task, index: int) -> Task:
        """Part number `index` (0-based) of `parent` as a task of its own."""
        size = self.sizes[index] if self.sizes is not None else parent.size
        return Task((*parent.key, index), parent.payload, self.parts[index], size)


Outcome = Done | Failed
"""How every task ends, exactly once."""

Event = tuple[Task, Outcome | Expanded]
"""What a consumer is told of a task: how it ended, or that it is a document."""

_SIGNAL_NAMES = {number.value: number.name for number in signals.Signals}


def signal_name(number: int) -> str:
    """`SIGSEGV` for 11; the bare number where the platform has no name for it."""
    return _SIGNAL_NAMES.get(number, f"signal {number}")


def failure_of(error: BaseException, *, writing: bool = False, slot: str | None = None) -> Failure:
    """The failure that an exception amounts to.

    Our own errors carry their category. Of the others, MemoryError counts as `memory`; an OSError while `writing`
    counts as `output`, and a full disk does so anywhere. Everything else is `pipeline`.
    """
    declared = getattr(error, "category", None)
    if declared in tuple(Category):
        category = Category(declared)
    elif isinstance(error, MemoryError):
        category = Category.MEMORY
    elif isinstance(error, OSError) and (writing or error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)):
        category = Category.OUTPUT
    else:
        category = Category.PIPELINE
    text = " ".join(str(error).split()) or "no message"
    message = text if declared else f"{type(error).__name__}: {text}"
    return Failure(category, message, "".join(traceback.format_exception(error)), slot=slot)
