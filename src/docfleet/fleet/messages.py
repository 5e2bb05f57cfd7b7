"""What parent and worker say to each other, and how tasks and outcomes become messages.

      parent                                               worker
      Start(target, options, slot, ...)   ------------>
                                          <------------    Hello(pid, ...)   the interpreter is up
                                          <------------    Ready()           or CannotStart(message, detail)
      Assign([WireTask(17, (4, 0), ...)]) ------------>
                                          <------------    Reading(17)
                                          <------------    Read(17)
                                          <------------    Computing([17])
                                          <------------    Writing([17])
                                          <------------    Finished(17, WireDone({...}))
      Recall([18, 19])                    ------------>
                                          <------------    Recalled([19])
      Stop()                              ------------>    at any time: Log, Sample, Fault

A task is known by its *ticket* here: a number that the scheduler gives to one task handed to one worker once. Keys are
not enough, because two runs may have the same.

Steps that are too quick to be worth a message are announced on a board (`docfleet.fleet.board`). Of a task whose steps
all were, the worker says nothing but Finished.

`docfleet.fleet.wire` turns messages into bytes and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, Final

import msgspec

from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Category, Done, Expanded, Failed, Failure, Key, Outcome, Task
from docfleet.fleet.wire import FrameDecoder, WireError, check_plain

PROTOCOL: Final = 1
"""Both ends are the same installation; a worker that says another number found another docfleet on its path."""


class _Message(msgspec.Struct, frozen=True, array_like=True, tag=True):
    pass


class Start(_Message, frozen=True):
    """First message to a worker: what to build, and how to find it."""

    target: str
    options: dict[str, Any]
    slot: dict[str, Any]
    sys_path: list[Any]
    """Strings; Any, because a folder's name need not be UTF-8."""
    variables: dict[str, Any]
    """Environment variables to put back as they were before the parent changed them to start this process."""
    log_levels: dict[str, int]
    """Logger name -> level, "" for the root logger."""


class WireTask(_Message, frozen=True):
    """A `Task` on the way."""

    ticket: int
    key: Key
    payload: Any
    part: Any
    size: float | None

    def task(self) -> Task:
        """The task as the worker gets it."""
        return Task(self.key, self.payload, self.part, self.size)


class Assign(_Message, frozen=True):
    """Read these one by one, compute them together, write them one by one."""

    tasks: list[WireTask]


class Recall(_Message, frozen=True):
    """Give back those of these that wait to be read or to be computed."""

    tickets: list[int]


class Stop(_Message, frozen=True):
    """Finish the step that is under way, close, exit."""


class Hello(_Message, frozen=True):
    """The interpreter is up and has found docfleet."""

    pid: int
    protocol: int


class Ready(_Message, frozen=True):
    """The instance is built."""


class CannotStart(_Message, frozen=True):
    """The instance cannot be built; the worker exits."""

    message: str
    detail: str


class Reading(_Message, frozen=True):
    """Sent before the task's data are touched."""

    ticket: int


class Read(_Message, frozen=True):
    """The task is an item now, waiting to be computed."""

    ticket: int


class Computing(_Message, frozen=True):
    """Sent before the items are touched, all at once."""

    tickets: list[int]


class Writing(_Message, frozen=True):
    """These are computed and will be written, one after another."""

    tickets: list[int]


class WireDone(_Message, frozen=True):
    """A `Done` on the way."""

    value: Any


class WireFailed(_Message, frozen=True):
    """A `Failed` on the way; slot and attempts are the parent's to know."""

    category: Category
    message: str
    detail: str


class WireExpanded(_Message, frozen=True):
    """An `Expanded` on the way."""

    parts: Any
    sizes: list[float] | None


class Finished(_Message, frozen=True):
    """The end of an attempt."""

    ticket: int
    outcome: WireDone | WireFailed | WireExpanded
    untold: bool = False
    """None of its steps was announced by a message: the task has been computed and written meanwhile."""

    def attempt(self) -> Outcome | Expanded:
        """The outcome as the executor delivers it. Raises WireError for parts that are not a list or range."""
        outcome = self.outcome
        if isinstance(outcome, WireDone):
            return Done(outcome.value)
        if isinstance(outcome, WireFailed):
            return Failed(Failure(outcome.category, outcome.message, outcome.detail))
        parts, sizes = outcome.parts, outcome.sizes
        if not isinstance(parts, list | range) or (sizes is not None and len(sizes) != len(parts)):
            raise WireError(f"task {self.ticket} expanded into something that is not a list of parts")
        return Expanded(parts, sizes)


class BatchMemory(_Message, frozen=True):
    """These did not fit into memory together; none of them is finished."""

    tickets: list[int]


class Recalled(_Message, frozen=True):
    """The answer to a Recall: these are given back, untouched."""

    tickets: list[int]


class Log(_Message, frozen=True):
    """A log record."""

    logger: str
    level: int
    text: str
    created: float
    path: str
    line: int
    function: str
    thread: str
    exception: str


class Sample(_Message, frozen=True):
    """Now and then: resident bytes, and the seconds that each stage has spent so far."""

    resident: int
    stages: dict[str, tuple[float, float, float]]
    """Stage name -> seconds busy, starved of input, blocked on output."""


class Fault(_Message, frozen=True):
    """An error outside the worker's three steps; the worker exits."""

    detail: str


ToWorker = Start | Assign | Recall | Stop
ToParent = (
    Hello
    | Ready
    | CannotStart
    | Reading
    | Read
    | Computing
    | Writing
    | Finished
    | BatchMemory
    | Recalled
    | Log
    | Sample
    | Fault
)


def start_message(
    target: str,
    options: Mapping[str, Any],
    slot: Slot,
    *,
    sys_path: Sequence[str] = (),
    variables: Mapping[str, str | None] | None = None,
    log_levels: Mapping[str, int] | None = None,
) -> Start:
    """Raises TypeError for options that are not plain values."""
    check_plain(dict(options), "options")
    described = {each.name: getattr(slot, each.name) for each in fields(slot)}
    described["cpus"] = sorted(slot.cpus)
    return Start(target, dict(options), described, list(sys_path), dict(variables or {}), dict(log_levels or {}))


def slot_of(start: Start) -> Slot:
    """The slot that a Start message describes."""
    return Slot(**{**start.slot, "cpus": frozenset(start.slot["cpus"])})


def task_message(ticket: int, task: Task) -> WireTask:
    """Raises TypeError for a payload or part that is not a plain value."""
    check_plain(task.payload, "payload")
    check_plain(task.part, "part")
    return WireTask(ticket, task.key, task.payload, task.part, task.size)


def finished_message(ticket: int, attempt: Outcome | Expanded, *, untold: bool = False) -> Finished:
    """Raises TypeError for a value that is not plain."""
    match attempt:
        case Done(value):
            check_plain(value, "value")
            return Finished(ticket, WireDone(value), untold)
        case Failed(failure):
            return Finished(ticket, WireFailed(failure.category, failure.message, failure.detail), untold)
        case Expanded(parts, sizes):
            plain = parts if isinstance(parts, range) else list(parts)
            check_plain(plain, "parts")
            return Finished(ticket, WireExpanded(plain, None if sizes is None else [float(size) for size in sizes]))


def to_worker() -> FrameDecoder[ToWorker]:
    """What a worker reads."""
    return FrameDecoder(list[ToWorker])


def to_parent() -> FrameDecoder[ToParent]:
    """What the parent reads. It raises WireError for anything that a sound worker would not send."""
    return FrameDecoder(list[ToParent])
