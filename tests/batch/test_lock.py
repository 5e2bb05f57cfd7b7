"""The lock of an output folder: who is refused, by which name, and when it is free again."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import fcntl
import json
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docfleet.batch.folder import JobFolder
from docfleet.batch.lock import held
from docfleet.batch.status_file import Process, StatusFile
from docfleet.errors import OutputError, UsageError
from tests.batch.disks import fill, make_read_only, small_disk

HOLDER = """
import sys
from pathlib import Path
from docfleet.batch.folder import JobFolder
from docfleet.batch.lock import held
with held(JobFolder(Path(sys.argv[1]))):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "out")
    folder.make()
    return folder


@contextlib.contextmanager
def another_job(folder: JobFolder) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lock until it is told to let go, or killed."""
    job = subprocess.Popen(
        [sys.executable, "-c", HOLDER, folder.output], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert job.stdout is not None
    assert job.stdout.readline() == "held\n"
    try:
        yield job
    finally:
        job.communicate()


def is_free(folder: JobFolder) -> bool:
    try:
        with held(folder):
            return True
    except UsageError:
        return False


def test_a_second_job_is_refused_with_process_and_host(folder: JobFolder) -> None:
    with another_job(folder) as job:
        message = f"process {job.pid} on {socket.gethostname()}, since 20.*kill {job.pid}.*choose another output_dir"
        with pytest.raises(UsageError, match=message), held(folder):
            pass
    assert is_free(folder)


def test_the_lock_of_a_killed_job_is_free_at_once(folder: JobFolder) -> None:
    with another_job(folder) as job:
        assert not is_free(folder)
        job.send_signal(signal.SIGKILL)
        job.wait()
        assert is_free(folder)


def test_an_error_gives_the_lock_back(folder: JobFolder) -> None:
    with pytest.raises(ZeroDivisionError), held(folder):
        raise ZeroDivisionError
    assert is_free(folder)


def test_two_folders_are_two_locks(folder: JobFolder, tmp_path: Path) -> None:
    other = JobFolder(tmp_path / "other")
    other.make()
    with another_job(folder):
        assert is_free(other)


def test_what_the_job_starts_does_not_hold_the_lock(folder: JobFolder) -> None:
    with held(folder):
        child = subprocess.Popen(
            [sys.executable, "-c", "print('up', flush=True); input()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            close_fds=False,
        )
        assert child.stdout is not None
        # Only then is it surely past the moment at which the kernel closes what is not to be inherited.
        assert child.stdout.readline() == "up\n"
    free = is_free(folder)
    child.communicate("\n")
    assert free


def process_that_has_ended() -> Process:
    code = "import json, dataclasses; from docfleet.batch.status_file import Process as P; "
    done = subprocess.run(
        [sys.executable, "-c", f"{code} print(json.dumps(dataclasses.asdict(P.this())))"],
        capture_output=True,
        check=True,
    )
    return Process(**json.loads(done.stdout))


@pytest.mark.parametrize("content", ["", "no JSON", '{"process": 7}', "ended"])
def test_nobody_is_named_who_does_not_hold_the_lock(folder: JobFolder, content: str) -> None:
    if content == "ended":
        ended = process_that_has_ended()
        content = json.dumps({"process": dataclasses.asdict(ended), "started": "2026-01-01T00:00:00+00:00"})
    (folder.own / "lock").write_text(content)
    with (folder.own / "lock").open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"another job is writing to \S*/out; wait for it") as error, held(folder):
            pass
    assert "(kill" not in str(error.value)
    assert is_free(folder)


def test_a_disk_that_is_read_only_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        folder = JobFolder(disk)
        folder.make()
        make_read_only(disk)
        with pytest.raises(OutputError, match="_docfleet cannot be locked: Read-only file system"), held(folder):
            pass


def test_on_a_full_disk_the_lock_is_had_all_the_same(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        folder = JobFolder(disk)
        folder.make()
        (folder.own / "lock").touch()
        fill(disk)
        with held(folder):
            assert not is_free(folder)


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has none, of which there is none to mount."""

    def flock(file: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", flock)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_job_that_says_it_runs_is_believed(folder: JobFolder, caplog: pytest.LogCaptureFixture) -> None:
    status = StatusFile(folder.own, command="docfleet run")
    status.write(None)
    with pytest.raises(UsageError, match=f"process {os.getpid()} on"), held(folder):
        pass
    status.finish(0, None)
    with caplog.at_level(logging.WARNING), held(folder):
        assert "has no locks" in caplog.text
