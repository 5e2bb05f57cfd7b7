"""Cores, accelerators, memory, and what the system allows a user and a container."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import docfleet
from docfleet.cli.checks.check import Check, Question, attention, ok, problem
from docfleet.cli.checks.plan import slots_of_job
from docfleet.errors import DocfleetError
from docfleet.fleet.devices import Slot
from docfleet.report.words import about, size

_FILES = 64
_FILES_EACH = 8
"""Descriptors of the main process: of its own, and for each worker a socket, a pipe, a pidfd and arrays on their way;
twice, because a replacement is started before its predecessor leaves."""
_THREADS = 16
_THREADS_EACH = 24
"""Threads of the main process, and of each worker beside its budget: stages, the engine's and the libraries' own."""
_LEAST_BYTES = 500_000_000
_SKEW_S = 60.0


def devices(_: Question) -> Iterator[Check | str]:
    """What there is to compute on."""
    from docfleet.fleet.hardware import Machine

    yield "counting cores and accelerators"
    machine = Machine.probe()
    cores = machine.usable_cores
    reasons = [f"{len(machine.cpus)} by affinity"] if len(machine.cpus) != os.cpu_count() else []
    reasons += [] if machine.quota is None else [f"the cgroup allows the time of {machine.quota:g}"]
    why = f" ({', '.join(reasons)})" if reasons else ""
    yield ok("cores", f"{cores} of {os.cpu_count()} may be used{why}")
    found = [
        f"{kind}:{','.join(map(str, range(number)))}" for kind, number in sorted(machine.accelerators.items()) if number
    ]
    if machine.accelerators.get("gpu"):
        from docfleet.engines.onnxruntime import provides

        yield "importing onnxruntime"
        if not provides("gpu"):
            yield attention(
                "devices",
                f"{', '.join(found)} and cpu; but the installed ONNX Runtime cannot use GPUs, so auto means cpu",
                "replace the package onnxruntime by onnxruntime-gpu",
            )
            return
    yield ok("devices", f"{', '.join(found)} and cpu" if found else "cpu; no accelerator was found")


def memory(question: Question) -> Iterator[Check | str]:
    """What is left of it, for the instances that a job would have."""
    from docfleet.batch.sizes import INSTANCE_BYTES
    from docfleet.fleet.hardware import available_memory, oom_kills

    yield judge_memory(
        available_memory(), instances=_instances(question), each=INSTANCE_BYTES, killed=oom_kills() or 0,
        strict=_read("/proc/sys/vm/overcommit_memory") == "2",
    )  # fmt: skip


def judge_memory(available: int | None, *, instances: int, each: int, killed: int, strict: bool) -> Check:
    """`each`: bytes that an instance may need. `killed`: processes that the kernel has ended for memory here."""
    name = "memory"
    if available is None:
        return attention(name, "the system does not tell how much is free", f"see that {size(each)} are, an instance")
    text = f"{size(available)} are free; {instances} instance{'s' if instances > 1 else ''} may need up to "
    text += size(instances * each)
    if available < _LEAST_BYTES:
        return problem(name, text, "end other programs, or raise the limit of the container")
    if available < instances * each:
        fits = max(1, available // each)
        return attention(
            name, text, f"--instances_per_device {fits}, end other programs, or raise the container's limit"
        )
    if killed:
        text += f". The kernel has ended {killed} processes of this container for memory"
        return attention(name, text, "raise its limit, or take fewer instances; what is free is not all that counts")
    if strict:
        text += ". The system promises no more memory than it has (vm.overcommit_memory is 2)"
        return attention(name, text, "if instances cannot start, take fewer of them")
    return ok(name, text)


def shared_memory(_: Question) -> Iterator[Check | str]:
    """How pages travel between processes."""
    from docfleet.fleet.transport import share

    yield "making a memfd"
    content = memoryview(b"docfleet")
    descriptor = share([content], len(content))
    if descriptor is None:
        yield attention(
            "shared memory",
            "there is no anonymous shared memory (memfd_create): arrays travel through sockets, which is slower",
            "docfleet run is hardly slower: its results do not travel. A container's seccomp profile may forbid it",
        )
        return
    os.close(descriptor)
    yield ok("shared memory", "anonymous (memfd): nothing depends on /dev/shm, nothing can be left behind")


def open_files(question: Question) -> Iterator[Check | str]:
    """How many descriptors a process may hold."""
    import resource

    soft, hard = (
        -1 if value == resource.RLIM_INFINITY else value for value in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    yield judge_open_files(soft, hard, instances=_instances(question))


def judge_open_files(soft: int, hard: int, *, instances: int) -> Check:
    """-1 is no limit."""
    name = "open files"
    wanted = _FILES + _FILES_EACH * instances
    if soft < 0:
        return ok(name, "no limit")
    text = f"at most {soft:,}; {instances} instance{'s' if instances > 1 else ''} may need {wanted:,}"
    if soft >= wanted:
        return ok(name, text)
    if hard < 0 or hard >= wanted:
        return problem(name, text, f"ulimit -n {wanted}")
    return problem(name, text, f"the hard limit is {hard:,}: have it raised (limits.conf, LimitNOFILE, --ulimit)")


def processes(question: Question) -> Iterator[Check | str]:
    """How many more processes and threads may be started."""
    from docfleet.fleet.hardware import available_processes

    slots = _slots(question)
    threads = slots[0].threads if slots else 1
    yield judge_processes(available_processes(), instances=max(1, len(slots)), threads=threads)


def judge_processes(available: int | None, *, instances: int, threads: int) -> Check:
    """`threads`: the budget of each instance."""
    name = "processes"
    wanted = _THREADS + instances * (_THREADS_EACH + threads)
    if available is None:
        return ok(name, "no limit")
    text = f"{available:,} more threads may be started; {instances} instance{'s' if instances > 1 else ''} may need "
    text += f"{wanted:,}"
    if available >= wanted:
        return ok(name, text)
    advice = "raise ulimit -u, or the limit of the container (pids.max, --pids-limit)"
    return (problem if available < _THREADS + _THREADS_EACH else attention)(name, text, advice)


def clock(_: Question) -> Iterator[Check | str]:
    """Whether the time can be right."""
    yield judge_clock(time.time(), installed=Path(docfleet.__file__).stat().st_mtime)


def judge_clock(now: float, *, installed: float) -> Check:
    """`installed`: when docfleet was, by the clock of then. Both in seconds since 1970."""
    text = f"{datetime.fromtimestamp(now).astimezone():%Y-%m-%d %H:%M:%S %Z}"
    behind = installed - now
    if behind <= _SKEW_S:
        return ok("clock", text)
    return attention(
        "clock",
        f"{text}, but docfleet was installed {about(behind)} later than that",
        "set the clock: reports would show wrong times, and fetching weights fails when certificates are not valid",
    )


def _instances(question: Question) -> int:
    return max(1, len(_slots(question)))


def _slots(question: Question) -> tuple[Slot, ...]:
    """The slots that a job would have; none where there can be none, which is said elsewhere."""
    try:
        return slots_of_job(question)
    except DocfleetError:
        return ()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
