"""The output folder: tried for real, and left as it was."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docfleet.batch.folder import JobFolder
from docfleet.batch.status_file import StatusFile
from docfleet.cli.checks.check import Check, Level, Question
from docfleet.cli.checks.folders import (
    Mount,
    _file_system,
    judge_free,
    mount_of,
    output,
    replacing_fails,
    sqlite_fails,
    temporary,
)
from docfleet.cli.checks.probe import Probe, nearest


def _checks(folder: Path) -> dict[str, Check]:
    question = Question(pipeline="PaddleOCR", output_dir=str(folder))
    return {finding.name: finding for finding in output(question) if isinstance(finding, Check)}


def test_a_folder_that_can_be_written(tmp_path: Path) -> None:
    found = _checks(tmp_path)
    assert found["output folder"].level is Level.OK
    assert found["output folder"].text == f"{tmp_path} can be written"
    assert set(found) == {"output folder", "file system", "free disk"}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    found = _checks(tmp_path / "a" / "b\n")
    assert found["output folder"].level is Level.OK
    assert found["output folder"].text == f"{tmp_path}/a/b\\n is not there yet; {tmp_path} can be written"
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (check,) = _checks(tmp_path / "file" / "out").values()
    assert (check.level, check.text) == (Level.PROBLEM, f"{tmp_path}/file is not a folder")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_folder_that_cannot_be_written() -> None:
    (check,) = _checks(Path("/proc/self/out")).values()
    assert check.level is Level.PROBLEM
    assert check.text.startswith("/proc/self cannot be written: ")


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="a file system in memory is needed")
def test_a_file_system_in_memory() -> None:
    check = _checks(Path("/dev/shm/docfleet-out"))["file system"]
    assert (check.level, check.text) == (Level.ATTENTION, "tmpfs; in memory")


def test_a_job_that_runs_there(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    folder.make()
    status = StatusFile(folder.own, command="docfleet run")
    status.write(None)
    check = _checks(tmp_path)["job"]
    assert check.level is Level.PROBLEM
    assert check.text.startswith(f"process {os.getpid()} on ")
    status.finish(130, None)
    assert _checks(tmp_path)["job"].text == f"a job on {tmp_path} is not complete; the same command goes on with it"
    status.finish(1, None)
    assert "job" not in _checks(tmp_path)


_TABLE = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:21 / /proc rw - proc proc rw
30 22 0:40 / /mnt/a\040b rw,relatime shared:7 master:2 - nfs4 server:/export rw,vers=4.2
31 22 0:41 / /mnt/over rw - tmpfs tmpfs rw
32 22 0:42 / /mnt/over rw - overlay overlay rw,lowerdir=/x
33 22 0:43 / /mnt/over-more rw - xfs /dev/sdb rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/home/x", "ext4"),
        ("/mnt/a b/c", "nfs4"),
        ("/mnt/a", "ext4"),
        ("/mnt/over/x", "overlay"),
        ("/mnt/over-more/x", "xfs"),
    ],
)
def test_the_mount_that_a_folder_is_on(tmp_path: Path, path: str, kind: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(_TABLE, encoding="ascii")
    mount = mount_of(Path(path), table=table)
    assert mount is not None
    assert mount.kind == kind


def test_where_the_system_does_not_tell_there_is_no_mount(tmp_path: Path) -> None:
    assert mount_of(tmp_path, table=tmp_path / "nothing") is None


@pytest.mark.parametrize(
    ("kind", "level", "text", "advice"),
    [
        ("ext4", Level.OK, "ext4", ""),
        ("nfs4", Level.ATTENTION, "nfs4; on the network", "from one host"),
        ("overlay", Level.ATTENTION, "overlay", "mount a folder for them"),
        ("tmpfs", Level.ATTENTION, "tmpfs; in memory", "choose a folder on a disk"),
    ],
)
def test_kinds_of_file_systems(tmp_path: Path, kind: str, level: Level, text: str, advice: str) -> None:
    (check,) = _file_system(tmp_path, Mount(kind, "/"))
    assert (check.level, check.text) == (level, text)
    assert advice in check.advice


def test_names_that_differ_in_case_alone(tmp_path: Path) -> None:
    # What a file system that knows no case answers to the question for the other name.
    (tmp_path / "CASE").touch()
    (check,) = _file_system(tmp_path, None)
    assert check.level is Level.OK
    assert "capitals and small letters are the same" in check.text


def test_a_file_system_that_replaces_and_locks_is_fine(tmp_path: Path) -> None:
    assert replacing_fails(tmp_path) is None
    assert sqlite_fails(tmp_path) is None


def test_a_file_that_cannot_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    complaint = replacing_fails(tmp_path)
    assert complaint is not None
    assert complaint.startswith("a file cannot be moved over another: Is a directory")


def test_a_journal_that_cannot_be_kept(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"no database" * 1000)
    (check,) = _file_system(tmp_path, Mount("ext4", "/"))
    assert check.level is Level.PROBLEM
    assert "SQLite cannot write: file is not a database: the journal of a job cannot be kept there" in check.text


def test_a_journal_that_another_program_has_locked(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "journal.sqlite", isolation_level=None) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "locked" in (sqlite_fails(tmp_path) or "")
        other.execute("ROLLBACK")
    other.close()


@pytest.mark.parametrize(
    ("free", "files", "level", "text"),
    [
        (10**12, 10**7, Level.OK, "1.0 TB, and 10,000,000 more files"),
        (10**12, None, Level.OK, "1.0 TB"),
        (10**9, None, Level.ATTENTION, "1.0 GB"),
        (10**12, 500, Level.ATTENTION, "1.0 TB, and 500 more files"),
        (10**7, 10**7, Level.PROBLEM, "10.0 MB, and 10,000,000 more files"),
        (10**12, 0, Level.PROBLEM, "1.0 TB, and 0 more files"),
    ],
)
def test_free_disk(free: int, files: int | None, level: Level, text: str) -> None:
    check = judge_free(free, files)
    assert (check.level, check.text) == (level, text)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB that has no room."""
    place = tmp_path / "full"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a file system can be mounted by root alone, and not in every container")
    try:
        (place / "filler").write_bytes(bytes(60_000))
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def test_a_disk_that_is_full(full: Path) -> None:
    found = _checks(full)
    assert Level.PROBLEM in {check.level for check in found.values()}
    assert [path.name for path in full.iterdir()] == ["filler"]


def test_the_temporary_folder(tmp_path: Path) -> None:
    script = (
        "from docfleet.cli.checks.check import Question; from docfleet.cli.checks.folders import temporary\n"
        "print(*list(temporary(Question(pipeline='ocr')))[1:], sep='\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    assert f"text='{tmp_path}: " in done.stdout
    assert list(tmp_path.iterdir()) == []
    assert [finding for finding in temporary(Question(pipeline="ocr")) if isinstance(finding, Check)]


def test_a_probe_is_removed_whatever_happens(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Probe(tmp_path / "x" / "y") as probe:
        assert probe.error is None
        assert probe.folder.parent == tmp_path
        (probe.folder / "sub").mkdir()
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_the_nearest_folder(tmp_path: Path) -> None:
    assert nearest(tmp_path) == tmp_path
    assert nearest(tmp_path / "a" / "b") == tmp_path
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert nearest(tmp_path / "link" / "a") == tmp_path / "link"
