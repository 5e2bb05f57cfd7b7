"""status.json: what is in it, and whether the job that wrote it is still alive."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from docfleet.batch.status_file import NAME, Process, Status, StatusFile, read_status
from tests.report.streams import Clock
from tests.report.views import view

_ROOT = Path(__file__).parents[2]
_JOB = """
import sys, time
from pathlib import Path
from docfleet.batch.status_file import StatusFile
from tests.report.views import view

status = StatusFile(Path(sys.argv[1]), command="docfleet run --input_dir 'a b'")
status.write(view())
print("written", flush=True)
sys.stdin.read()
status.finish(1, view())
"""
"""A job that writes its status, waits until its standard input ends, and ends."""


@pytest.fixture
def job(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has written its status and waits."""
    with subprocess.Popen(
        [sys.executable, "-c", _JOB, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=_ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        yield process
        process.kill()


def _read(folder: Path) -> Status:
    status = read_status(folder)
    assert status is not None
    return status


def test_a_job_that_runs(job: subprocess.Popen[str], tmp_path: Path) -> None:
    status = _read(tmp_path)
    assert status.whereabouts() == "running"
    assert status.process.pid == job.pid
    assert status.view == view()
    assert status.command == "docfleet run --input_dir 'a b'"
    assert status.folder == str(_ROOT)
    # However long it has said nothing: its process is there.
    assert status.whereabouts(datetime.now(UTC) + timedelta(days=1)) == "running"


@pytest.mark.kills
def test_a_job_that_was_killed(job: subprocess.Popen[str], tmp_path: Path) -> None:
    job.send_signal(signal.SIGKILL)
    # Until its parent asks for it, it is a process still: one that has ended.
    os.waitid(os.P_PID, job.pid, os.WEXITED | os.WNOWAIT)
    assert _read(tmp_path).whereabouts() == "died"
    job.wait()
    assert _read(tmp_path).whereabouts() == "died"


def test_a_job_that_came_to_its_end(job: subprocess.Popen[str], tmp_path: Path) -> None:
    job.communicate(timeout=60)
    status = _read(tmp_path)
    assert status.whereabouts() == "finished"
    assert status.exit_status == 1


def _own_status(tmp_path: Path, **changes: Any) -> Status:
    """The status of this very process, written a moment ago; `changes` are of its process."""
    StatusFile(tmp_path, command="docfleet run").write(view())
    status = _read(tmp_path)
    return dataclasses.replace(status, process=dataclasses.replace(status.process, **changes))


def test_a_number_that_was_given_to_another_process_is_not_the_job(tmp_path: Path) -> None:
    assert _own_status(tmp_path).whereabouts() == "running"
    ticks = Process.this().ticks
    assert ticks is not None
    assert _own_status(tmp_path, ticks=ticks - 1).whereabouts() == "died"


def test_a_job_of_before_the_machine_was_started_anew_is_dead(tmp_path: Path) -> None:
    assert _own_status(tmp_path, boot="another").whereabouts() == "died"


@pytest.mark.parametrize("elsewhere", [{"host": "elsewhere"}, {"namespace": "pid:[1]"}])
def test_a_job_elsewhere_counts_as_dead_after_a_minute_of_silence(tmp_path: Path, elsewhere: dict[str, str]) -> None:
    status = _own_status(tmp_path, **elsewhere)
    written = datetime.fromisoformat(status.written)
    assert status.process.alive() is None
    assert status.whereabouts(written + timedelta(seconds=59)) == "running"
    assert status.whereabouts(written + timedelta(seconds=61)) == "died"
    # The other host's clock is ahead of ours.
    assert status.whereabouts(written - timedelta(hours=1)) == "running"


def test_it_is_written_once_a_second_and_its_end_at_once(tmp_path: Path) -> None:
    clock = Clock()
    file = StatusFile(tmp_path, command="docfleet run", clock=clock)
    file.write(view(elapsed=1.0))
    clock.now += 0.9
    file.write(view(elapsed=1.9))
    assert _read(tmp_path).view == view(elapsed=1.0)
    clock.now += 0.2
    file.write(view(elapsed=2.1))
    assert _read(tmp_path).view == view(elapsed=2.1)
    file.finish(0, view(elapsed=2.2))
    assert _read(tmp_path).view == view(elapsed=2.2)
    assert _read(tmp_path).exit_status == 0


def test_it_can_be_written_before_there_is_a_view(tmp_path: Path) -> None:
    StatusFile(tmp_path, command="docfleet run").write(None)
    assert _read(tmp_path).view is None


def test_it_is_written_aside_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / f"{NAME}.new").write_text("half of one, left by a job that was killed", encoding="utf-8")
    StatusFile(tmp_path, command="docfleet run --input_dir 'bad\udc80'").write(view())
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert _read(tmp_path).command == "docfleet run --input_dir 'bad\udc80'"


def test_a_folder_that_goes_away_is_said_once_and_costs_the_job_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "own"
    folder.mkdir()
    clock = Clock()
    file = StatusFile(folder, command="docfleet run", clock=clock)
    file.write(view())
    shutil.rmtree(folder)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            clock.now += 2
            file.write(view())
        file.finish(0, view())
    (record,) = caplog.records
    assert "`docfleet status` does not see this job as it is" in record.getMessage()
    folder.mkdir()
    file.finish(0, view())
    assert _read(folder).exit_status == 0


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_a_disk_that_takes_no_more_keeps_the_status_before(tmp_path: Path) -> None:
    script = (
        "import resource, sys; from pathlib import Path; from docfleet.batch.status_file import StatusFile\n"
        "from tests.report.views import view\n"
        "file = StatusFile(Path(sys.argv[1]), command='docfleet run', clock=iter(range(0, 100, 10)).__next__)\n"
        "file.write(view(elapsed=1.0))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "file.write(view(elapsed=2.0))\n"
        "print('went on')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True, cwd=_ROOT
    )
    assert done.stdout == "went on\n"
    assert "status.json cannot be written: " in done.stderr
    assert _read(tmp_path).view == view(elapsed=1.0)


def test_a_job_whose_working_directory_was_removed_can_say_how_it_is_doing(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from docfleet.batch.status_file import StatusFile\n"
        "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')\n"
        "StatusFile(Path(sys.argv[1]), command='docfleet run').write(None)\n"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True, cwd=tmp_path)
    assert _read(tmp_path).folder == ""


def test_nothing_there(tmp_path: Path) -> None:
    assert read_status(tmp_path) is None
    assert read_status(tmp_path / "not there") is None


_DAMAGES: list[Any] = [
    "", "{", "[]", "{}", "\xff",
    {"format": 2}, {"view": {}}, {"process": None}, {"written": "soon"}, {"started": "2026-11-22"},
]  # fmt: skip
"""The whole file, or what is changed in it."""


@pytest.mark.parametrize("damage", _DAMAGES, ids=repr)
def test_what_is_no_status_is_said_and_taken_for_none(
    tmp_path: Path, damage: str | dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    if isinstance(damage, str):
        text = damage
    else:
        StatusFile(tmp_path, command="docfleet run").write(view())
        text = json.dumps({**_read(tmp_path).to_plain(), **damage})
    (tmp_path / NAME).write_text(text, encoding="latin-1")
    assert read_status(tmp_path) is None
    (record,) = caplog.records
    assert "is not a status that can be read" in record.getMessage()


def test_what_a_newer_version_added_is_ignored(tmp_path: Path) -> None:
    StatusFile(tmp_path, command="docfleet run").write(view())
    before = _read(tmp_path)
    (tmp_path / NAME).write_text(json.dumps({**before.to_plain(), "mood": "good"}), encoding="utf-8")
    assert _read(tmp_path) == before


def test_a_status_that_cannot_be_read_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(IsADirectoryError):
        read_status(tmp_path)
