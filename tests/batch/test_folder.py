"""The output folder: made, swept, forgotten, and told from another of the same name."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from docfleet.batch.folder import JobFolder
from docfleet.errors import OutputError, UsageError
from tests.batch.disks import fill, make_read_only, small_disk


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    folder = JobFolder(tmp_path / "deep" / "out")
    folder.make()
    return folder


def test_a_folder_is_made_with_those_above_it_and_may_be_there(folder: JobFolder) -> None:
    folder.make()
    assert folder.own.is_dir()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(UsageError, match=r"output_dir \S+/out is not a folder"):
        JobFolder(tmp_path / "out").make()
    (tmp_path / "fine").mkdir()
    (tmp_path / "fine" / "_docfleet").touch()
    with pytest.raises(OutputError, match=r"_docfleet cannot be made: File exists; .* choose another output_dir"):
        JobFolder(tmp_path / "fine").make()


def test_what_a_dead_job_was_writing_is_swept_away_and_nothing_else(folder: JobFolder) -> None:
    (folder.tmp / "deep").mkdir(parents=True)
    (folder.tmp / "deep" / "half").touch()
    (folder.output / "a.json").touch()
    folder.sweep()
    assert list(folder.tmp.iterdir()) == []
    assert (folder.output / "a.json").exists()
    folder.leave()
    assert not folder.tmp.exists()


def test_forgetting_leaves_the_outputs_to_others(folder: JobFolder) -> None:
    known = [folder.journal, folder.own / "journal.sqlite-journal", folder.failures, folder.summary]
    for path in (*known, folder.output / "a.json"):
        path.touch()
    folder.forget()
    folder.forget()
    assert not any(path.exists() for path in known)
    assert (folder.output / "a.json").exists()


def test_a_folder_is_ours_until_it_is_replaced(folder: JobFolder) -> None:
    folder.sweep()
    folder.journal.touch()
    identity = folder.identity()
    assert folder.is_ours(identity)
    shutil.copytree(folder.output, folder.output.parent / "copy")
    folder.output.rename(folder.output.parent / "away")
    assert not folder.is_ours(identity)
    (folder.output.parent / "copy").rename(folder.output)
    assert not folder.is_ours(identity)
    assert JobFolder(folder.output.parent / "away").is_ours(identity)
    shutil.rmtree(folder.output.parent / "away" / "_docfleet" / "tmp")
    assert not JobFolder(folder.output.parent / "away").is_ours(identity)


def test_a_disk_that_takes_nothing_is_said_before_anything_is_done(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        folder = JobFolder(disk / "out")
        folder.make()
        ballast = fill(disk)
        with pytest.raises(OutputError, match=r"tmp cannot be written to: No space left on device; make room"):
            folder.sweep()
        ballast.unlink()
        folder.sweep()
        make_read_only(disk)
        with pytest.raises(OutputError, match=r"cannot be written to: Read-only file system"):
            folder.sweep()
        with pytest.raises(OutputError, match=r"cannot be made: Read-only file system"):
            JobFolder(disk / "new").make()
