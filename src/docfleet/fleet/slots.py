"""From a device string to slots, and from a slot to the environment of its worker.

      "gpu:0,1", 2 instances, 16 cores                     CUDA_VISIBLE_DEVICES=1
      --slots_of-->  gpu:0#0  4 threads, CPUs 0-3          OMP_NUM_THREADS=4 ...
                     gpu:0#1  4 threads, CPUs 4-7
                     gpu:1#0  4 threads, CPUs 8-11   --environment_of-->
                     gpu:1#1  4 threads, CPUs 12-15

The threads of all slots together never exceed the cores this process may use, unless there are more slots than cores:
then each slot has one. The CPU sets of two slots never overlap. No slot is bound where the cgroup's quota is smaller
than the affinity: the quota is time, not places, and all containers of a machine would crowd on its first CPUs.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from docfleet.errors import DeviceError, UsageError
from docfleet.fleet.devices import Slot, constr_device, parse_device
from docfleet.fleet.hardware import COUNTED_TYPES, Machine, visible_gpus

_LOG = logging.getLogger(__name__)

_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "RAYON_NUM_THREADS",
)

_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "1048576", "MALLOC_TRIM_THRESHOLD_": "1048576"}
"""glibc's own thresholds grow with the blocks it sees freed, and then it keeps what arrays of changing sizes leave.
Held at 1 MiB, a recogniser that has seen 44 widths keeps 447 MB instead of 845, at the same speed. Other C libraries
ignore the names."""


def slots_of(
    device: str,
    *,
    instances_per_device: int = 1,
    threads: int | None = None,
    memory_limit: int | None = None,
    machine: Machine | None = None,
) -> list[Slot]:
    """The slots that a device string stands for, in its order: instance by instance for each id.

    `auto` is every GPU found, else the CPU. `gpu` is `gpu:0`, as in the reference; `cpu:0,1` are NUMA nodes. An id that
    repeats is one more slot on that device. `threads` is the budget of each slot; by default its share of the cores,
    and never more. `memory_limit` is in bytes of each slot. `machine` is looked at anew unless it is given.

    Raises DeviceError for a device that is not there, UsageError for a number that makes no sense.
    """
    for name, number in (("instances_per_device", instances_per_device), ("threads", threads)):
        if number is not None and number < 1:
            raise UsageError(f"{name} is {number}: it must be at least 1")
    if memory_limit is not None and memory_limit < 1:
        raise UsageError(f"memory_limit is {memory_limit} bytes: it must be positive, or None for no limit")
    machine = Machine.probe() if machine is None else machine
    kind, ids = _resolve(device, machine)
    counts: Counter[int | None] = Counter()
    slots = []
    for number in ids:
        for _ in range(instances_per_device):
            slots.append(Slot(kind, number, counts[number], memory_limit=memory_limit))
            counts[number] += 1
    return _share_cores(slots, machine, threads)


def environment_of(slot: Slot) -> dict[str, str]:
    """Variables that a worker on this slot needs before any library is loaded.

    Thread budgets for OpenMP, the BLAS libraries and others, thresholds of malloc unless the user has set them, and for
    a GPU the one device that the process may see.
    """
    environment = dict.fromkeys(_THREAD_VARIABLES, str(slot.threads))
    environment |= {name: os.environ.get(name, value) for name, value in _MALLOC.items()}
    if slot.device_type == "gpu" and slot.device_id is not None:
        visible = visible_gpus()
        if visible is None:
            environment["CUDA_VISIBLE_DEVICES"] = str(slot.device_id)
            # CUDA counts the fastest GPU first unless told otherwise; people count as nvidia-smi does.
            environment["CUDA_DEVICE_ORDER"] = os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        elif slot.device_id < len(visible):
            environment["CUDA_VISIBLE_DEVICES"] = visible[slot.device_id]
        else:
            raise DeviceError(
                f"{slot.device} is not visible: CUDA_VISIBLE_DEVICES is {os.environ['CUDA_VISIBLE_DEVICES']!r}"
            )
    return environment


def as_seen_inside(slot: Slot) -> Slot:
    """The slot as the worker's factory gets it, in a process that was started with `environment_of(slot)`."""
    return replace(slot, visible_id=0) if slot.device_type == "gpu" and slot.device_id is not None else slot


def _resolve(device: str, machine: Machine) -> tuple[str, list[int | None]]:
    """Type and ids, checked against what is there; the id is None for the CPU as a whole."""
    if device.strip().lower() == "auto":
        gpus = machine.accelerators.get("gpu", 0)
        return ("gpu", list(range(gpus))) if gpus else ("cpu", [None])
    kind, ids = parse_device(device)
    if kind == "cpu":
        missing = [number for number in ids or () if number not in machine.nodes]
        if missing:
            there = constr_device("cpu", sorted(machine.nodes))
            raise DeviceError(
                f"{constr_device('cpu', missing)} is not there: the ids of cpu are NUMA nodes, and this process may "
                f"use {there}. Use --device cpu for the whole machine"
            )
        return kind, [None] if ids is None else list(ids)
    wanted: list[int] = [0] if ids is None else ids
    count = machine.accelerators.get(kind, 0)
    missing = [number for number in wanted if number >= count]
    if missing and kind in COUNTED_TYPES:
        raise DeviceError(f"{constr_device(kind, missing)} is not there: {_what_is_there(kind, machine)}")
    return kind, list(wanted)


def _what_is_there(kind: str, machine: Machine) -> str:
    found = [constr_device(name, range(count)) for name, count in sorted(machine.accelerators.items())]
    hint = ""
    if kind == "gpu" and visible_gpus() is not None:
        hint = f" (CUDA_VISIBLE_DEVICES is {os.environ['CUDA_VISIBLE_DEVICES']!r})"
    if not found:
        return f"no accelerator was found{hint}. Use --device cpu, or auto to take what is found"
    return f"this machine has {', '.join(found)} and cpu{hint}. Name one of these, or auto to take what is found"


def _share_cores(slots: list[Slot], machine: Machine, threads: int | None) -> list[Slot]:
    by_node = slots[0].device_type == "cpu" and slots[0].device_id is not None
    reach = {cpu for slot in slots for cpu in machine.nodes[slot.device_id or 0]} if by_node else machine.cpus
    cores = min(machine.usable_cores, len(reach))
    share = max(1, cores // len(slots))
    if len(slots) > cores:
        _LOG.warning(
            "%d slots share %d cores: each gets one thread, and they will slow each other down. Use fewer instances",
            len(slots),
            cores,
        )
    elif threads is not None and threads > share:
        _LOG.warning(
            "%d threads for each of %d slots are more than the %d cores: each gets %d",
            threads,
            len(slots),
            cores,
            share,
        )
    budget = share if threads is None else min(threads, share)
    sets = _sets_by_node(slots, machine) if by_node else _sets(slots, machine)
    return [
        replace(slot, threads=min(budget, len(cpus)) if cpus else budget, cpus=cpus)
        for slot, cpus in zip(slots, sets, strict=True)
    ]


def _sets(slots: Sequence[Slot], machine: Machine) -> list[frozenset[int]]:
    """Disjoint CPU sets, the remainder spread over the first slots; all empty where binding would do harm."""
    unbound = [frozenset[int]()] * len(slots)
    if machine.usable_cores < len(machine.cpus) or not 1 < len(slots) <= len(machine.cpus):
        return unbound
    return _split(machine.cpus, len(slots))


def _sets_by_node(slots: Sequence[Slot], machine: Machine) -> list[frozenset[int]]:
    """Each slot within the NUMA node that it names."""
    members: dict[int | None, list[int]] = {}
    for index, slot in enumerate(slots):
        members.setdefault(slot.device_id, []).append(index)
    sets = [frozenset[int]()] * len(slots)
    for node, indices in members.items():
        cpus = machine.nodes[node or 0]
        # More slots than CPUs on a node: they share the node, which is still what was asked for.
        parts = _split(cpus, len(indices)) if len(indices) <= len(cpus) else [frozenset(cpus)] * len(indices)
        for index, part in zip(indices, parts, strict=True):
            sets[index] = part
    return sets


def _split(cpus: Sequence[int], count: int) -> list[frozenset[int]]:
    size, rest = divmod(len(cpus), count)
    ends = [(index + 1) * size + min(index + 1, rest) for index in range(count)]
    return [frozenset(cpus[start:end]) for start, end in zip([0, *ends], ends, strict=False)]
