"""Memory, limits and clock: as they are here, and as they might be."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from docfleet.cli.checks.check import Check, Level, Question
from docfleet.cli.checks.machine import (
    clock,
    devices,
    judge_clock,
    judge_memory,
    judge_open_files,
    judge_processes,
    memory,
    open_files,
    processes,
    shared_memory,
)
from docfleet.fleet.hardware import Machine

QUESTION = Question(pipeline="PaddleOCR", device="cpu", instances_per_device=1)
GB = 10**9


def _checks(examination) -> dict[str, Check]:
    return {finding.name: finding for finding in examination(QUESTION) if isinstance(finding, Check)}


def test_this_machine() -> None:
    found = _checks(devices)
    assert found["cores"].text.startswith(f"{Machine.probe().usable_cores} of {os.cpu_count()} may be used")
    assert "cpu" in found["devices"].text
    for examination in (memory, shared_memory, open_files, processes, clock):
        (check,) = _checks(examination).values()
        assert check.text


@pytest.mark.skipif(sys.platform != "linux", reason="memfd is Linux's")
def test_shared_memory_needs_a_descriptor() -> None:
    script = (
        "import resource; from docfleet.cli.checks.check import Question\n"
        "from docfleet.cli.checks.machine import shared_memory\n"
        "import docfleet.fleet.transport\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\n"
        "print(list(shared_memory(Question(pipeline='ocr')))[1].level)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "attention\n"
    assert _checks(shared_memory)["shared memory"].level is Level.OK


@pytest.mark.parametrize(
    ("available", "instances", "killed", "strict", "level", "said", "advice"),
    [
        (16 * GB, 4, 0, False, Level.OK, "16.0 GB are free; 4 instances may need up to 6.0 GB", ""),
        (2 * GB, 1, 0, False, Level.OK, "1 instance may need up to 1.5 GB", ""),
        (5 * GB, 4, 0, False, Level.ATTENTION, "5.0 GB are free", "--instances_per_device 3"),
        (1 * GB, 4, 0, False, Level.ATTENTION, "1.0 GB are free", "--instances_per_device 1"),
        (GB // 10, 1, 0, False, Level.PROBLEM, "100 MB are free", "end other programs"),
        (16 * GB, 4, 2, False, Level.ATTENTION, "The kernel has ended 2 processes", "raise its limit"),
        (16 * GB, 4, 0, True, Level.ATTENTION, "vm.overcommit_memory is 2", "take fewer"),
        (None, 1, 0, False, Level.ATTENTION, "does not tell", "1.5 GB"),
    ],
)
def test_memory(
    available: int | None, instances: int, killed: int, strict: bool, level: Level, said: str, advice: str
) -> None:
    check = judge_memory(available, instances=instances, each=3 * GB // 2, killed=killed, strict=strict)
    assert check.level is level
    assert said in check.text
    assert advice in check.advice


@pytest.mark.parametrize(
    ("soft", "hard", "instances", "level", "advice"),
    [
        (-1, -1, 500, Level.OK, ""),
        (1024, 1024, 8, Level.OK, ""),
        (1024, 4096, 200, Level.PROBLEM, "ulimit -n 1664"),
        (1024, -1, 200, Level.PROBLEM, "ulimit -n 1664"),
        (
            1024,
            1024,
            200,
            Level.PROBLEM,
            "the hard limit is 1,024: have it raised (limits.conf, LimitNOFILE, --ulimit)",
        ),
    ],
)
def test_open_files(soft: int, hard: int, instances: int, level: Level, advice: str) -> None:
    check = judge_open_files(soft, hard, instances=instances)
    assert (check.level, check.advice) == (level, advice)


def test_open_files_are_those_of_this_process() -> None:
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert soft == resource.RLIM_INFINITY or f"at most {soft:,}; " in _checks(open_files)["open files"].text


@pytest.mark.parametrize(
    ("available", "instances", "level"),
    [(None, 100, Level.OK), (100, 2, Level.OK), (100, 8, Level.ATTENTION), (30, 1, Level.PROBLEM)],
)
def test_processes(available: int | None, instances: int, level: Level) -> None:
    assert judge_processes(available, instances=instances, threads=1).level is level


def test_a_clock_that_is_behind() -> None:
    assert judge_clock(1_800_000_000.0, installed=1_799_999_000.0).level is Level.OK
    check = judge_clock(1_800_000_000.0, installed=1_800_100_000.0)
    assert check.level is Level.ATTENTION
    assert "but docfleet was installed 1 d 4 h later than that" in check.text
