"""Device strings and slots: `"gpu:0,1"` with two instances per device is four places to compute.

A device string is `type[:id[,id...]]`. `parse_device` and `constr_device` read and write it as the reference does;
`docfleet.fleet.slots` turns one into slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docfleet.errors import DeviceError
from docfleet.fleet.hardware import Machine, cpu_quota, cpus_by_affinity

DEVICE_TYPES = ("cpu", "gpu", "xpu", "npu", "mlu", "gcu", "dcu", "iluvatar_gpu", "metax_gpu")
"""The reference's device types."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One instance's place: which device, how many threads, which CPUs."""

    device_type: str
    device_id: int | None = None
    """Index of the device among its type; for `cpu` the NUMA node, or None for any."""
    instance: int = 0
    """0-based number among the instances on the same device."""
    threads: int = 1
    """Thread budget for everything that the instance runs: engine, OpenCV, BLAS."""
    cpus: frozenset[int] = frozenset()
    """CPUs that the worker process binds itself to; empty leaves it where it is."""
    memory_limit: int | None = None
    """Bytes of resident memory past which the worker is replaced; None for no limit."""
    concurrency: int = 1
    """How many tasks the slot may compute at once: 1 for a model in a process, many for a remote server."""
    visible_id: int | None = None
    """The device's index as libraries in this process count, where that is not `device_id`: 0 in a worker process
    that sees one GPU only. Set by whoever hides the others."""

    @property
    def device(self) -> str:
        """The device string of this slot alone, as `gpu:1` or `cpu`."""
        return constr_device(self.device_type, None if self.device_id is None else [self.device_id])

    @property
    def library_id(self) -> int:
        """The index to hand to a library as its `device_id`: not that of the device string where GPUs are hidden."""
        if self.visible_id is not None:
            return self.visible_id
        return self.device_id or 0

    @property
    def name(self) -> str:
        """How the slot is called in logs and reports: `gpu:1#0`."""
        return f"{self.device}#{self.instance}"


def parse_device(device: str) -> tuple[str, list[int] | None]:
    """Split a device string into its lower-cased type and its ids.

    `"gpu:0,1"` gives `("gpu", [0, 1])`, `"gpu"` gives `("gpu", None)`. An id may repeat: that is two slots on one.

    Raises DeviceError for an unknown type or an id that is not a non-negative number.
    """
    kind, colon, tail = device.strip().partition(":")
    kind = kind.strip().lower()
    if kind not in DEVICE_TYPES:
        raise DeviceError(
            f"unknown device {device!r}: expected auto, or TYPE or TYPE:ID,ID with TYPE one of "
            f"{', '.join(DEVICE_TYPES)}"
        )
    if not colon:
        return kind, None
    ids = [part.strip() for part in tail.split(",")]
    if not all(part.isascii() and part.isdigit() for part in ids):
        raise DeviceError(f"bad device {device!r}: ids are numbers separated by commas, as in {kind}:0,1")
    return kind, [int(part) for part in ids]


def constr_device(device_type: str, device_ids: Sequence[int] | None) -> str:
    """The device string of a type and its ids; the inverse of `parse_device`."""
    if device_ids is None:
        return device_type
    return f"{device_type}:{','.join(str(number) for number in device_ids)}"


def available_cpus() -> int:
    """How many CPUs this process may use, by affinity and by the cgroup's quota; at least 1."""
    return Machine(cpus=cpus_by_affinity(), quota=cpu_quota()).usable_cores
