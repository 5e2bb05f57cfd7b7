"""What `auto` means for a batch job: how many instances, and how many pages they compute together.

On CPUs instances of one thread each are faster than fewer with more threads, with every engine that was measured
(docs/benchmarks.md, "Speed beside PaddleOCR"), so there are as many as cores, as far as memory goes. One instance on
each accelerator; a batch of pages keeps it busy between two reads.
"""

from __future__ import annotations

import dataclasses
import logging
from typing import TypeVar

from docfleet.fleet.devices import parse_device
from docfleet.fleet.hardware import Machine, available_memory
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.executors import choose_slots

Options = TypeVar("Options", bound=CommonOptions)

_LOG = logging.getLogger(__name__)

INSTANCE_BYTES = 1_500_000_000
"""Of an instance of the pipelines there are, on the largest pages of the benchmarks, with something to spare."""
_ACCELERATOR_BATCH = 8


def sized(options: Options) -> Options:
    """The options with numbers of instances and pages where none were given. Raises UsageError, DeviceError."""
    on_cpu = choose_slots(dataclasses.replace(options, instances_per_device=1))[0].device_type == "cpu"
    return dataclasses.replace(
        options,
        instances_per_device=options.instances_per_device or (_cpu_instances(options) if on_cpu else 1),
        batch_size=options.batch_size or (1 if on_cpu else _ACCELERATOR_BATCH),
    )


def _cpu_instances(options: CommonOptions) -> int:
    machine = Machine.probe()
    nodes = None if options.device in (None, "auto") else parse_device(options.device or "cpu")[1]
    cores = machine.usable_cores // (len(nodes) if nodes else 1)
    by_cores = max(1, cores // (options.cpu_threads or 1))
    memory = available_memory()
    if memory is None:
        return by_cores
    by_memory = max(1, memory // INSTANCE_BYTES // (len(nodes) if nodes else 1))
    if by_memory < by_cores:
        _LOG.warning(
            "%d instances and not %d, one for each core: %.1f GB of memory are free, and an instance may need %.1f GB; "
            "--instances_per_device overrules this",
            by_memory,
            by_cores,
            memory / 1e9,
            INSTANCE_BYTES / 1e9,
        )
    return min(by_cores, by_memory)
