"""`docfleet doctor` as a person or a script uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from docfleet.cli.checks.check import attention, ok
from docfleet.cli.doctor import _show
from docfleet.cli.main import run

ARGUMENTS = ["doctor", "--device", "cpu", "--instances_per_device", "1"]


def test_people_get_a_line_for_each_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ARGUMENTS, "--output_dir", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    found = {line[13:31].rstrip(): line[2:13].rstrip() for line in lines[:-2] if line[2] != " "}
    names = {
        "python", "libraries", "onnxruntime", "cores", "devices", "instances", "memory", "shared memory", "open files",
        "processes", "networks", "cache folder", "output folder", "file system", "free disk", "temporary folder",
        "clock",
    }  # fmt: skip
    assert names <= set(found)
    assert set(found.values()) <= {"ok", "attention"}
    assert lines[-1] == "all is well" or lines[-1].startswith("nothing keeps a job from starting; ")
    assert list(tmp_path.iterdir()) == []


def test_scripts_get_one_document(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*ARGUMENTS, "--output_dir", str(tmp_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"] + answer["attention"] == len(answer["checks"])
    assert answer["problem"] == 0
    for check in answer["checks"]:
        assert set(check) == {"name", "level", "text", "advice"}
        # Whatever is not well comes with what to do.
        assert bool(check["advice"]) is (check["level"] != "ok")


def test_what_keeps_a_job_from_starting_exits_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run([*ARGUMENTS, "--output_dir", str(tmp_path / "file")]) == 3
    out = capsys.readouterr().out
    assert f"  problem    output folder     {tmp_path}/file is not a folder\n" in out
    assert "-> name another output_dir" in out
    assert out.endswith("\n1 problem: a job would not start\n")


def test_a_pipeline_that_is_not_there_is_misuse(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor", "--pipeline", "nonsense"]) == 2
    assert "there is no pipeline 'nonsense'" in capsys.readouterr().err


def test_on_a_terminal_long_lines_are_folded_beside_the_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _show(ok("networks", "word " * 30))
    assert len(capsys.readouterr().out.splitlines()) == 1
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "80")
    _show(attention("networks", "word " * 30 + "/a/path/" + "x" * 100, "do " * 40))
    lines = click.unstyle(capsys.readouterr().out).splitlines()
    assert all(len(line) < 80 for line in lines if "/a/path" not in line)
    # Paths are there to be copied.
    assert any(line.strip() == "/a/path/" + "x" * 100 for line in lines)
    assert sum("-> do" in line for line in lines) == 1
    assert all(line.startswith(" " * 31) for line in lines[1:])


@pytest.mark.skipif(sys.platform == "win32", reason="limits of descriptors are POSIX")
def test_limits_are_those_that_a_job_would_have(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from docfleet.cli.main import run\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (80, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))\n"
        "sys.exit(run(['doctor', '--device', 'cpu', '--instances_per_device', '16', '--output_dir', sys.argv[1]]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False, env=os.environ
    )
    assert done.returncode == 3, done.stderr
    assert "problem    open files        at most 80; 16 instances may need 192" in done.stdout
    assert "-> ulimit -n 192" in done.stdout
