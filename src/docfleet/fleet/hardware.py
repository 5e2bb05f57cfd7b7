"""What this machine has: CPUs this process may use, NUMA nodes, accelerators, and the cgroup's word on memory.

      sched_getaffinity, cpu.max ----+
      /sys/devices/system/node ------+--->  Machine  --->  slots_of("gpu:0,1")
      nvidia-smi -L, /dev/davinci0 --+

Nothing here loads a CUDA library: a parent that has touched CUDA holds a context on every GPU for as long as it lives,
and its children start with a broken one. `nvidia-smi` is asked in a process of its own, because a GPU that fell off
the bus makes the driver hang.

Every reader takes the root of the file system, so that other machines can be laid out in a folder.
"""

from __future__ import annotations

import logging
import math
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

_LOG = logging.getLogger(__name__)

_ROOT = Path("/")
_NVIDIA_SMI_S = 20.0
"""A box of eight GPUs without persistence mode takes some seconds to answer."""

_DEVICE_NODES: Mapping[str, str] = {
    "xpu": r"xpu\d+",
    "npu": r"davinci\d+",
    "mlu": r"cambricon_dev\d+",
    "gcu": r"gcu\d+",
    "iluvatar_gpu": r"iluvatar\d+",
}
"""Accelerators that show as one node each in /dev."""

COUNTED_TYPES = frozenset({"gpu", *_DEVICE_NODES})
"""Types whose devices can be counted without their driver's libraries. Of the others only a worker can tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What there is to compute on, as this process may use it."""

    cpus: tuple[int, ...]
    """Numbers of the CPUs this process may run on, neighbours (one package, one core) beside each other."""
    quota: float | None = None
    """CPUs' worth of time that the cgroup allows; None for no limit."""
    nodes: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """NUMA node -> those of `cpus` that belong to it. Nodes without one are left out."""
    accelerators: Mapping[str, int] = field(default_factory=dict)
    """Device type -> how many of it can be seen, for COUNTED_TYPES. A type that is missing has none."""

    @property
    def usable_cores(self) -> int:
        """How many threads can run at once: CPUs by affinity, or fewer by the cgroup's quota."""
        if self.quota is None:
            return len(self.cpus)
        return max(1, min(len(self.cpus), math.floor(self.quota)))

    @classmethod
    def probe(cls, *, root: Path = _ROOT) -> Machine:
        """Look at the machine this runs on; takes up to some seconds where there are GPUs."""
        cpus = cpus_by_affinity(root)
        return cls(
            cpus=cpus, quota=cpu_quota(root), nodes=numa_nodes(frozenset(cpus), root), accelerators=accelerators(root)
        )


def cpus_by_affinity(root: Path = _ROOT) -> tuple[int, ...]:
    """The CPUs this process may run on, hardware threads of one core next to each other."""
    if hasattr(os, "sched_getaffinity"):
        numbers = os.sched_getaffinity(0)
    else:
        numbers = set(range(os.cpu_count() or 1))

    def place(cpu: int) -> tuple[int, int, int]:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        return _number(topology / "physical_package_id"), _number(topology / "core_id"), cpu

    return tuple(sorted(numbers, key=place))


def cpu_quota(root: Path = _ROOT) -> float | None:
    """CPUs' worth of time that the cgroups of this process allow (v2 `cpu.max`, v1 `cpu.cfs_quota_us`), or None.

    The limit of any parent group counts too, so the smallest on the way up is taken.
    """
    quotas = []
    for folder in _cgroup_folders("cpu", root):
        words = _text(folder / "cpu.max").split()
        if not words:
            words = [_text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()]
        if len(words) == 2 and words[0].isdigit() and words[1].isdigit() and int(words[1]) > 0:
            quotas.append(int(words[0]) / int(words[1]))
    return min(quotas, default=None)


def oom_kills(root: Path = _ROOT) -> int | None:
    """How many processes of our cgroup the kernel has killed for memory so far; None where it does not say."""
    for folder in _cgroup_folders("memory", root):
        for name in ("memory.events", "memory.oom_control"):
            found = re.search(r"^oom_kill (\d+)$", _text(folder / name), re.MULTILINE)
            if found:
                return int(found[1])
    return None


def available_memory(root: Path = _ROOT) -> int | None:
    """Bytes that this process and its children may still take; None where the system does not tell.

    The least of what the machine has and what each cgroup above this process has left (v2 `memory.max`, v1
    `memory.limit_in_bytes`). Pages that the kernel can drop, as those of files read lately, count as available.
    """
    found = []
    if kilobytes := re.search(r"^MemAvailable:\s+(\d+) kB", _text(root / "proc/meminfo"), re.MULTILINE):
        found.append(int(kilobytes[1]) * 1024)
    for folder in _cgroup_folders("memory", root):
        limit = _text(folder / "memory.max").strip() or _text(folder / "memory.limit_in_bytes").strip()
        used = _text(folder / "memory.current").strip() or _text(folder / "memory.usage_in_bytes").strip()
        if not (limit.isdigit() and used.isdigit()):
            continue
        cached = re.search(r"^(?:total_)?inactive_file (\d+)$", _text(folder / "memory.stat"), re.MULTILINE)
        found.append(max(0, int(limit) - int(used) + (int(cached[1]) if cached else 0)))
    return min(found, default=None)


def available_processes(root: Path = _ROOT) -> int | None:
    """Processes and threads that may still be started by this user in this container; None for no limit.

    The least of what each cgroup above this process has left (`pids.max`) and what is left of the user's own limit
    (RLIMIT_NPROC), which does not hold for root.
    """
    found = []
    for folder in _cgroup_folders("pids", root):
        limit, used = _text(folder / "pids.max").strip(), _text(folder / "pids.current").strip()
        if limit.isdigit() and used.isdigit():
            found.append(max(0, int(limit) - int(used)))
    if sys.platform == "linux" and os.geteuid() != 0:
        import resource

        limit_of_user = resource.getrlimit(resource.RLIMIT_NPROC)[0]
        if limit_of_user != resource.RLIM_INFINITY:
            found.append(max(0, limit_of_user - _threads_of(os.getuid(), root)))
    return min(found, default=None)


def _threads_of(user: int, root: Path) -> int:
    """How many threads a user runs, as far as this process may see them."""
    count = 0
    for entry in (root / "proc").iterdir():
        if entry.name.isdigit():
            status = _text(entry / "status")
            owner = re.search(r"^Uid:\s+(\d+)", status, re.MULTILINE)
            threads = re.search(r"^Threads:\s+(\d+)", status, re.MULTILINE)
            if owner and threads and int(owner[1]) == user:
                count += int(threads[1])
    return count


def resident_bytes(pid: int | Literal["self"] = "self") -> int:
    """Resident memory of a process; 0 where the system does not tell. Raises ProcessLookupError if it is gone."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:  # noqa: PTH123 - a tenth of the time, in an event loop
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except FileNotFoundError:
        if sys.platform == "linux":
            raise ProcessLookupError(f"no process {pid}") from None
    if pid == "self" and sys.platform != "win32":
        import resource

        # The peak, which is all that is told here; macOS counts in bytes.
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return 0


def numa_nodes(allowed: frozenset[int], root: Path = _ROOT) -> dict[int, tuple[int, ...]]:
    """NUMA node -> its CPUs out of `allowed`; one node 0 with all of them where the system does not tell."""
    nodes = {}
    for folder in sorted((root / "sys/devices/system/node").glob("node[0-9]*")):
        cpus = tuple(sorted(parse_cpu_list(_text(folder / "cpulist")) & allowed))
        if cpus:
            nodes[int(folder.name.removeprefix("node"))] = cpus
    return nodes or {0: tuple(sorted(allowed))}


def parse_cpu_list(text: str) -> frozenset[int]:
    """The kernel's list format: `0-3,8` gives 0, 1, 2, 3, 8."""
    cpus: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        cpus.update(range(int(first), int(last or first) + 1))
    return frozenset(cpus)


def accelerators(root: Path = _ROOT) -> dict[str, int]:
    """Device type -> how many there are. Types with none are left out."""
    counts = {"gpu": _count_gpus(root)}
    names = [entry.name for entry in (root / "dev").iterdir()] if (root / "dev").is_dir() else []
    for kind, pattern in _DEVICE_NODES.items():
        counts[kind] = sum(re.fullmatch(pattern, name) is not None for name in names)
    return {kind: count for kind, count in counts.items() if count}


def visible_gpus() -> list[str] | None:
    """The entries of CUDA_VISIBLE_DEVICES that CUDA would use; None where it is not set, so all are visible.

    `gpu:0` is the first of these entries. CUDA stops at the first entry that is negative.
    """
    setting = os.environ.get("CUDA_VISIBLE_DEVICES")
    if setting is None:
        return None
    entries: list[str] = []
    for entry in (part.strip() for part in setting.split(",")):
        if not entry or entry.startswith("-") or entry.lower() in ("none", "nodevfiles"):
            break
        entries.append(entry)
    return entries


def _count_gpus(root: Path) -> int:
    visible = visible_gpus()
    if visible == []:
        return 0
    present = _ask_nvidia_smi() if root == _ROOT else None
    if present is None:
        folder = root / "proc/driver/nvidia/gpus"
        present = sum(1 for _ in folder.iterdir()) if folder.is_dir() else 0
    # Entries may name MIG slices, several to a GPU: where there is any GPU the list is taken at its word.
    return len(visible) if visible is not None and present else present


def _ask_nvidia_smi() -> int | None:
    """How many GPUs `nvidia-smi -L` lists; None where it is missing or does not answer."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "-L"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_NVIDIA_SMI_S,
            check=False,
        )
    except FileNotFoundError:
        return None
    except (OSError, subprocess.TimeoutExpired) as error:
        _LOG.warning("nvidia-smi does not answer (%s): counting GPUs from /proc/driver/nvidia", error)
        return None
    if answer.returncode != 0:
        _LOG.debug("nvidia-smi ended with status %d: %s", answer.returncode, answer.stderr.strip())
        return None
    return len(re.findall(r"^GPU \d+:", answer.stdout, re.MULTILINE))


def _cgroup_folders(controller: str, root: Path) -> list[Path]:
    """The folders that may hold this process's limits, innermost first, for cgroup v2 and v1."""
    folders: list[Path] = []
    base = root / "sys/fs/cgroup"
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            tops = [base, base / "unified"]
        elif controller in controllers.split(","):
            tops = [base / controller, base / controllers]
        else:
            continue
        inner = path.lstrip("/")
        for top in dict.fromkeys(tops):
            if not top.is_dir():
                continue
            # In a container the path is that of the host and is not below the mount point: then only the top is left.
            steps = [top, *(top.joinpath(*Path(inner).parts[:count]) for count in range(1, len(Path(inner).parts) + 1))]
            folders += reversed([step for step in steps if step.is_dir()])
    return folders


def _text(path: Path) -> str:
    """A small system file's text; empty where it is missing or not ours to read."""
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _text(path).strip()
    return int(text) if text.lstrip("-").isdigit() else 0
