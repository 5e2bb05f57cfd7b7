"""`docfleet status`: of jobs that run, died, ended, and were never there."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from docfleet.batch.folder import JobFolder
from docfleet.batch.journal import Journal
from docfleet.batch.status_file import NAME, StatusFile, read_status
from docfleet.cli.main import run
from docfleet.report.summary import Status
from tests.batch.jobs import Bench
from tests.report.summaries import summary
from tests.report.views import slot, tally, view

_PATIENCE_S = 60.0


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    """An output folder that a job has just begun with."""
    folder = JobFolder(tmp_path / "out")
    folder.make()
    return folder


def _say(folder: JobFolder, exit_status: int | None = None, *, dead: bool = False, **changes: Any) -> None:
    """Write the status of this very process, with a job that is half done."""
    file = StatusFile(folder.own, command="docfleet run --input_dir scans")
    if exit_status is None:
        file.write(view(**changes))
    else:
        file.finish(exit_status, view(**changes))
    if dead:
        status = read_status(folder.own)
        assert status is not None
        gone = dataclasses.replace(status, process=dataclasses.replace(status.process, boot="another"))
        (folder.own / NAME).write_text(json.dumps(gone.to_plain()), encoding="ascii")


def _fail(folder: JobFolder, *names: str) -> None:
    rows = [
        {
            "input": name, "page_index": 1, "category": "input", "message": "it is encrypted", "attempts": 1,
            "slot": None, "signal": None, "detail": "",
        }
        for name in names
    ]  # fmt: skip
    folder.failures.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in [folder, *folder.rglob("*")]
    }


def test_a_job_that_runs(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    _say(folder, pages=tally(done=480, failed=20, remaining=500))
    _fail(folder, *(f"{number}.pdf" for number in range(20)))
    assert run(["status", str(folder.output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"running: process {os.getpid()} on ")
    assert lines[2].startswith("pages        500 of 1,000")
    assert any(line.startswith("cpu#1  busy") for line in lines)
    assert lines[-7:-5] == ["failed, the first 5:", "  input: 0.pdf page 2: it is encrypted"]
    assert lines[-1] == f"  all of them: {folder.failures}"


def test_all_slots_are_shown_in_a_pipe(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    _say(folder, slots=tuple(slot(f"gpu:{number}#0") for number in range(100)))
    assert run(["status", str(folder.output)]) == 0
    assert sum(line.startswith("gpu:") for line in capsys.readouterr().out.splitlines()) == 100


def test_a_job_that_runs_and_says_nothing(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    _say(folder)
    status = read_status(folder.own)
    assert status is not None
    old = dataclasses.replace(status, written=(datetime.now(UTC) - timedelta(minutes=5)).isoformat())
    (folder.own / NAME).write_text(json.dumps(old.to_plain()), encoding="ascii")
    assert run(["status", str(folder.output)]) == 0
    assert "it has said nothing for 5 min" in capsys.readouterr().out


def test_a_job_that_has_not_begun_with_any_page(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    StatusFile(folder.own, command="docfleet run").write(None)
    assert run(["status", str(folder.output)]) == 0
    assert "it has not begun with any page yet" in capsys.readouterr().out


def test_a_job_that_died(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    Journal(folder.journal).close()
    _say(folder, dead=True)
    assert run(["status", str(folder.output)]) == 4
    out = capsys.readouterr().out
    assert out.startswith("died: process ")
    assert "pages      1,000   500       0        0        500" in out
    assert "in the journal, and not to be done again: 0 pages done; 0 documents ended" in out
    assert out.endswith("to go on:  docfleet run --input_dir scans\n")


def test_how_to_go_on_from_elsewhere(
    folder: JobFolder, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "a b").mkdir()
    monkeypatch.chdir(tmp_path / "a b")
    _say(folder, dead=True)
    monkeypatch.chdir(tmp_path)
    assert run(["status", "out"]) == 4
    assert f"to go on:  cd '{tmp_path}/a b' && docfleet run --input_dir scans" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("status", "exit_status", "expected", "said"),
    [
        (Status.DONE, 0, 0, "docfleet: done: "),
        (Status.SOME_FAILED, 1, 1, "docfleet: done, but some failed: "),
        (Status.NO_START, 3, 4, "docfleet: nothing could start"),
        (Status.STOPPED, 4, 4, "docfleet: stopped"),
        (Status.INCONSISTENT, 4, 4, "docfleet: inconsistent"),
        (Status.INTERRUPTED, 130, 4, "docfleet: interrupted"),
        (Status.TERMINATED, 143, 4, "docfleet: terminated"),
    ],
)
def test_a_job_that_ended(
    folder: JobFolder,
    capsys: pytest.CaptureFixture[str],
    status: Status,
    exit_status: int,
    expected: int,
    said: str,
) -> None:
    _say(folder, exit_status)
    ended = datetime.now(UTC).isoformat()
    summary(status=status, exit_status=exit_status, ended=ended).save(folder.summary)
    assert run(["status", str(folder.output)]) == expected
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(f"on here, with exit status {exit_status}")
    assert lines[2].startswith(said)


def test_the_summary_of_the_run_before_is_not_of_this_one(
    folder: JobFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    summary(ended="2001-01-01T00:00:00+00:00").save(folder.summary)
    _say(folder)
    assert run(["status", str(folder.output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["summary"] is None
    _say(folder, 4)
    assert run(["status", str(folder.output)]) == 4
    out = capsys.readouterr().out
    assert "with exit status 4" in out
    assert "there is no summary.json of it" in out
    assert "to go on:" in out


def test_a_summary_is_enough(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    summary().save(folder.summary)
    assert run(["status", str(folder.output)]) == 0
    assert "docfleet: done: 1,000 pages in 8:20" in capsys.readouterr().out


@pytest.mark.parametrize("damage", ["", "{", '{"format": 1}', "[" * 100_000], ids=["empty", "half", "other", "deep"])
def test_files_that_cannot_be_understood_leave_the_journal(
    folder: JobFolder, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    Journal(folder.journal).close()
    (folder.own / NAME).write_text(damage, encoding="utf-8")
    folder.summary.write_text(damage, encoding="utf-8")
    folder.failures.write_text(damage, encoding="utf-8")
    assert run(["status", str(folder.output)]) == 4
    out = capsys.readouterr().out
    assert out.startswith("unknown: a job was begun here")
    assert "in the journal, and not to be done again: 0 pages done" in out


def test_half_a_line_of_failures_is_left_out(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    _say(folder, pages=tally(done=1, failed=2))
    _fail(folder, "a.pdf", "b.pdf")
    folder.failures.write_bytes(folder.failures.read_bytes()[:-20])
    assert run(["status", str(folder.output), "--json"]) == 0
    assert [row["input"] for row in json.loads(capsys.readouterr().out)["failures"]] == ["a.pdf"]


@pytest.mark.parametrize("name", ["nowhere", "empty", "empty/_docfleet", "begun"])
def test_no_job(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "empty").mkdir()
    JobFolder(tmp_path / "begun").make()
    assert run(["status", str(tmp_path / name)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "docfleet: error: there is no job in " in err


def test_the_jobs_own_folder_may_be_named_and_the_default_is_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(tmp_path / "output")
    folder.make()
    _say(folder)
    assert run(["status", str(folder.own)]) == 0
    monkeypatch.chdir(tmp_path)
    assert run(["status"]) == 0
    assert capsys.readouterr().out.count("running: ") == 2


def test_a_folder_that_cannot_be_read_is_one_line(folder: JobFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (folder.own / NAME).mkdir()
    assert run(["status", str(folder.output)]) == 2
    assert "status.json cannot be read: Is a directory" in capsys.readouterr().err


def test_nothing_is_written(folder: JobFolder) -> None:
    Journal(folder.journal).close()
    for dead in (False, True):
        _say(folder, dead=dead)
        before = _snapshot(folder.output)
        run(["status", str(folder.output)])
        run(["status", str(folder.output), "--json"])
        assert _snapshot(folder.output) == before


def test_names_that_are_no_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = JobFolder(tmp_path / "out\udc80\n")
    folder.make()
    _say(folder, pages=tally(done=1, failed=1), slots=(slot(page="bad\\udc80.pdf page 1"),))
    _fail(folder, "bad\\udc80.pdf")
    assert run(["status", str(folder.output)]) == 0
    assert f"all of them: {tmp_path}/out\\udc80\\n/_docfleet/failures.jsonl" in capsys.readouterr().out
    assert run(["status", str(folder.output), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["failures_file"] == str(folder.failures)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Slow pages, and one that fails."""
    (tmp_path / "in").mkdir()
    bench = Bench(tmp_path)
    for number in range(8):
        bench.image(f"slow-{number}.png")
    bench.image("fail.png")
    return bench


@pytest.mark.kills
def test_a_real_job_while_it_runs_after_it_was_killed_and_when_it_is_done(
    bench: Bench, capsys: pytest.CaptureFixture[str]
) -> None:
    def asked() -> tuple[int, dict[str, Any]]:
        status = run(["status", str(bench.output), "--json"])
        out = capsys.readouterr().out
        return status, json.loads(out) if out else {}

    with bench.start() as job:
        end = time.monotonic() + _PATIENCE_S
        while not ((answer := asked())[1].get("view") or {}).get("pages", {}).get("done"):
            assert time.monotonic() < end
            time.sleep(0.05)
        assert answer[0] == 0
        assert answer[1]["state"] == "running"
        assert answer[1]["process"]["pid"] == job.pid
        assert answer[1]["view"]["slots"][1]["name"] == "cpu#1"
        os.killpg(job.pid, signal.SIGKILL)
        job.communicate()
    status, died = asked()
    assert (status, died["state"]) == (4, "died")
    assert died["folder"] == str(bench.folder)
    bench.run(status=1)
    status, done = asked()
    assert (status, done["state"], done["exit_status"]) == (1, "finished", 1)
    # Killed in the midst of a commit, there is nothing to be read before the next run has cleaned up.
    assert died["journal"] is None or died["journal"]["pages_done"] == done["summary"]["done_earlier_pages"]
    assert done["journal"]["pages_done"] == done["summary"]["pages"]["done"] == 8
    assert [row["input"] for row in done["failures"]] == ["in/fail.png"]
