"""Which executor runs a pipeline: the serial twin in the caller's thread, or a process for every slot."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Protocol

from docfleet.errors import UsageError
from docfleet.fleet.devices import Slot
from docfleet.fleet.slots import slots_of
from docfleet.fleet.tasks import Outcome, Task
from docfleet.fleet.worker import WorkerSpec
from docfleet.pipelines.common import CommonOptions

log = logging.getLogger(__name__)


class Executor(Protocol):
    """Runs tasks on instances of a worker."""

    def run(self, tasks: Iterable[Task], *, ordered: bool = True) -> Iterator[tuple[Task, Outcome]]:
        """Each task, or each part of one that expands, with its outcome; lazily."""

    def close(self) -> None:
        """End the instances. Idempotent."""


def choose_slots(options: CommonOptions) -> list[Slot]:
    """The slots that the options stand for. Raises DeviceError for a device that is not there.

    `auto` takes the GPUs only where the options say that they can be used, and says so where they cannot.
    """
    sizes: dict[str, Any] = {
        "instances_per_device": options.instances_per_device or 1,
        "threads": options.cpu_threads,
        "memory_limit": options.memory_limit,
    }
    device = "auto" if options.device is None else options.device
    slots = slots_of(device, **sizes)
    if device == "auto" and slots[0].device_type != "cpu":
        obstacle = options.obstacle(slots[0].device_type)
        if obstacle is not None:
            log.warning(
                "%d %s found, but %s; device='cpu' silences this",
                len({slot.device_id for slot in slots}),
                slots[0].device_type,
                obstacle,
            )
            return slots_of("cpu", **sizes)
    return slots


def executor_for(options: CommonOptions, slots: Sequence[Slot]) -> str:
    """`serial` or `processes`.

    Raises UsageError where `serial` was asked for and cannot do what else was asked for.
    """
    needs_processes = [
        reason
        for reason, needed in (
            (f"{len(slots)} instances", len(slots) > 1),
            ("timeout", options.timeout is not None),
            ("memory_limit", options.memory_limit is not None),
        )
        if needed
    ]
    if options.executor in (None, "auto"):
        return "processes" if needs_processes else "serial"
    if options.executor == "serial" and needs_processes:
        raise UsageError(
            f"executor='serial' cannot do {' and '.join(needs_processes)}: leave it out, or say 'processes'"
        )
    return options.executor or "serial"


def start_executor(kind: str, spec: WorkerSpec, slots: Sequence[Slot], options: CommonOptions) -> Executor:
    """Start the instances. Raises what building one raises (serial), or UsageError."""
    batch_size = options.batch_size or 1
    if kind == "serial":
        from docfleet.fleet.serial import SerialExecutor

        return SerialExecutor(spec, slots[0], batch_size=batch_size)
    from docfleet.fleet.processes import ProcessExecutor

    return ProcessExecutor(
        replace(spec, options={**spec.options, "own_process": True}),
        slots,
        batch_size=batch_size,
        timeout=options.timeout,
        max_attempts=options.max_attempts or 3,
    )
