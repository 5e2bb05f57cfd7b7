"""What can happen to a fleet: tasks and slots by what they do to workers, and a scenario made of them."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from docfleet.fleet.tasks import Key, Task

TIMEOUT = 10.0


class Fate(Enum):
    """What happens to a task."""

    DONE = auto()
    FAILS = auto()
    KILLS_READING = auto()
    KILLS_COMPUTING = auto()
    KILLS_WRITING = auto()
    HANGS_READING = auto()
    HANGS_COMPUTING = auto()
    HANGS_WRITING = auto()
    TOO_BIG = auto()
    """Runs out of memory in any company and alone."""


KILLS = {Fate.KILLS_READING, Fate.KILLS_COMPUTING, Fate.KILLS_WRITING}
HANGS = {Fate.HANGS_READING, Fate.HANGS_COMPUTING, Fate.HANGS_WRITING}


class Health(Enum):
    """What a slot is like."""

    GOOD = auto()
    UNABLE = auto()
    """Says that it cannot start."""
    STILLBORN = auto()
    """Dies before it is ready."""
    BROKEN = auto()
    """Dies of whatever it computes."""


@dataclass
class Plan:
    """One run."""

    roots: list[Any]
    batch_size: int
    ordered: bool
    window: int | None
    max_attempts: int
    sized: bool
    cancel_after: int | None
    """Cancel when so many steps have been made."""
    drain_after: int | None = None
    """Drain when so many have been made."""


@dataclass
class Scenario:
    """All that is drawn."""

    seed: int
    plans: list[Plan]
    healths: list[Health]
    concurrency: int
    read_ahead: int
    accidents: int
    """Times that a worker dies of nothing."""
    recycles: int
    memory_limit: int | None
    """Largest batch that fits into memory."""
    patience: float
    """Chance that the consumer takes nothing when it could."""
    freezes: int = 0
    """Times that a worker stops dead with work that it has not begun."""
    pauses: int = 0
    """Times that everything stops for a while, driver and workers."""


def fate_of(task: Task) -> Any:
    return task.payload if task.part is None else task.part


def leaves_of(key: Key, fate: Any, unopened: Container[Key] = ()) -> dict[Key, Any]:
    """What a task amounts to; a document that was never opened counts as one."""
    if isinstance(fate, tuple) and key not in unopened:
        return {k: f for i, part in enumerate(fate) for k, f in leaves_of((*key, i), part, unopened).items()}
    return {key: fate}


def depth_of(fate: Any) -> int:
    return 1 + max(map(depth_of, fate), default=0) if isinstance(fate, tuple) else 0
