"""One thing that was looked at: how it is, in a line, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How it is."""

    OK = "ok"
    ATTENTION = "attention"
    """A job would start; something about it may not be what one expects."""
    PROBLEM = "problem"
    """It would keep a job from starting, or from writing a result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was found."""

    name: str
    level: Level
    text: str
    advice: str = ""
    """What to do; empty where there is nothing to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The job that is thought of."""

    pipeline: str
    device: str | None = None
    instances_per_device: int | None = None
    output_dir: str = "output"


Examination = Callable[[Question], Iterator[Check | str]]
"""Looks at one subject and yields what it finds. Before it does something that may crash or hang it yields what that
is, as the beginning of a sentence: `importing cv2`."""


def ok(name: str, text: str) -> Check:
    return Check(name=name, level=Level.OK, text=text)


def attention(name: str, text: str, advice: str) -> Check:
    return Check(name=name, level=Level.ATTENTION, text=text, advice=advice)


def problem(name: str, text: str, advice: str) -> Check:
    return Check(name=name, level=Level.PROBLEM, text=text, advice=advice)
