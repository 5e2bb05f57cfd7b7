"""Jobs that are killed, interrupted, or lose their disk, their inputs or their outputs; and the next run after that.

The bound on pages that are computed twice: a kill loses what was being computed or written on each slot, and what had
been finished and was not committed yet.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.batch.jobs import LIMIT_S, Bench, kill_group, tally, workers_of

pytestmark = pytest.mark.kills

SLOTS, CREDITS, BATCH = 2, 3, 1
LOST_PER_KILL = SLOTS * CREDITS * BATCH


def wait_for(condition: Callable[[], bool], job: subprocess.Popen[str]) -> None:
    end = time.monotonic() + LIMIT_S
    while not condition():
        if job.poll() is not None or time.monotonic() > end:
            kill_group(job)
            raise AssertionError(f"ended with {job.returncode}: {job.communicate()[1]}")
        time.sleep(0.01)


def let_end(job: subprocess.Popen[str]) -> str:
    """Wait for the end of a job; what it said."""
    try:
        return job.communicate(timeout=LIMIT_S)[1]
    except subprocess.TimeoutExpired:
        kill_group(job)
        raise AssertionError(job.communicate()[1]) from None


def computed(bench: Bench) -> Counter[tuple[str, int | None]]:
    return Counter(bench.computed())


@pytest.mark.parametrize("whole_group", [True, False], ids=["group", "parent alone"])
def test_killed_again_and_again_the_job_ends_as_if_it_never_was(
    bench: Bench, tmp_path: Path, whole_group: bool
) -> None:
    kinds = ["--save", "json,txt,jsonl", "--seconds", "0.15", "--progress", "none"]
    bench.document("long.tif", 40)
    for number in range(12):
        bench.image(f"image-{number}.png", grey=number)
    undisturbed = Bench(tmp_path / "undisturbed")
    shutil.copytree(bench.input, undisturbed.input)
    undisturbed.run(*kinds)
    assert len(undisturbed.computed()) == 52

    moments = random.Random(11)
    kills = 0
    for _ in range(5):
        before = len(bench.computed())
        job = bench.start(*kinds)
        wait_for(lambda before=before: len(bench.computed()) > before, job)  # type: ignore[misc]
        time.sleep(moments.uniform(0.0, 0.8))
        workers = workers_of(job)
        if whole_group:
            kill_group(job)
        else:
            job.kill()
            job.wait()
        kills += 1
        job.communicate()
        psutil.wait_procs(workers, timeout=2)
        assert not [worker for worker in workers if worker.is_running()]
    bench.run(*kinds)
    pages = computed(bench)
    assert len(pages) == 52
    assert sum(pages.values()) - 52 <= kills * LOST_PER_KILL
    expected = undisturbed.outputs()
    found = bench.outputs()
    assert {name: data for name, data in found.items() if not name.startswith("jsonl/")} == {
        name: data for name, data in expected.items() if not name.startswith("jsonl/")
    }
    assert sorted(map(str, bench.lines())) == sorted(map(str, undisturbed.lines()))
    assert bench.summary()["pages"] == tally(52, 52)
    assert bench.temporary() == []


def test_a_document_goes_on_at_the_page_where_it_was(bench: Bench) -> None:
    bench.document("long.tif", 300)
    job = bench.start("--seconds", "0.02", "--progress", "none")
    wait_for(lambda: len(bench.computed()) > 100, job)
    kill_group(job)
    job.communicate()
    before = len(bench.computed())
    bench.run("--seconds", "0.02")
    assert bench.summary()["pages"] == tally(300, 300)
    assert bench.summary()["done_earlier_pages"] > 50
    again = [page for page, times in computed(bench).items() if times > 1]
    # Those that were under way, and those of the fifth of a second before the kill that were not committed.
    assert len(again) <= LOST_PER_KILL + SLOTS * 10
    assert before + 300 - len(bench.computed()) > 50


def test_killed_while_failed_pages_are_tried_again_nothing_is_lost(bench: Bench) -> None:
    bench.document("doc.tif", 5)
    for number in range(10):
        bench.image(f"fail-{number}.png")
    bench.run(status=1)
    job = bench.start("--retry_failed", "--progress", "none")
    wait_for(lambda: len(bench.computed()) > 15, job)
    kill_group(job)
    job.communicate()
    bench.run(status=1)
    assert bench.summary()["pages"] == tally(15, 5, failed=10)
    assert len(bench.failures()) == 10


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)])
def test_the_first_signal_finishes_the_pages_under_way(bench: Bench, number: int, status: int) -> None:
    bench.document("slow-doc.tif", 40)
    job = bench.start("--progress", "plain")
    wait_for(lambda: len(bench.computed()) >= 4, job)
    job.send_signal(number)
    said = let_end(job)
    assert job.returncode == status, said
    assert "finishing the pages that are being computed" in said
    assert "to go on:" in said
    summary = bench.summary()
    assert summary["exit_status"] == status
    # Every page that was begun is done: none is computed twice.
    assert summary["pages"]["done"] == len(bench.computed()) < 40
    assert bench.temporary() == []
    job = bench.start("--progress", "none")
    said = let_end(job)
    assert job.returncode == 0, said
    assert set(computed(bench).values()) == {1}
    assert bench.summary()["pages"] == tally(40, 40)


def test_the_second_signal_ends_the_job_at_once(bench: Bench) -> None:
    bench.document("doc.tif", 20)
    job = bench.start("--seconds", "30", "--progress", "plain")
    wait_for(lambda: len(bench.computed()) >= 2, job)
    job.send_signal(signal.SIGINT)
    time.sleep(0.5)
    assert job.poll() is None
    job.send_signal(signal.SIGINT)
    said = let_end(job)
    assert job.returncode == 130, said
    assert "ending at once" in said
    assert bench.summary()["pages"] == tally(20, 0, remaining=20)
    assert bench.temporary() == []


def test_ctrl_c_reaches_a_job_whose_list_has_stalled(bench: Bench) -> None:
    bench.image("a.png")
    reader, writer = os.pipe()
    job = bench.start("--input_list", "-", "--progress", "none", stdin=reader)
    os.close(reader)
    os.write(writer, b"a.png\n")
    wait_for(lambda: (bench.output / "a.json").exists(), job)
    job.send_signal(signal.SIGINT)
    said = let_end(job)
    os.close(writer)
    assert job.returncode == 130, said
    assert "what was not found yet" in said


def test_a_worker_that_is_killed_costs_no_page(bench: Bench) -> None:
    bench.document("doc.tif", 40)
    job = bench.start("--seconds", "0.1", "--save", "json,jsonl", "--progress", "none")
    wait_for(lambda: len(bench.computed()) >= 8, job)
    for worker in workers_of(job):
        worker.kill()
    said = let_end(job)
    assert job.returncode == 0, said
    assert bench.summary()["pages"] == tally(40, 40)
    assert sum(slot["restarts"] for slot in bench.summary()["slots"]) == 2
    assert sorted(line["page_index"] for line in bench.lines()) == list(range(40))


def test_a_page_that_kills_its_worker_fails_alone(bench: Bench) -> None:
    for number in range(9):
        bench.image(f"{number}.png")
    bench.image("abort-x.png")
    bench.run("--batch_size", "4", "--max_attempts", "2", status=1)
    assert bench.summary()["pages"] == tally(10, 9, failed=1)
    (failure,) = bench.failures()
    assert failure["input"] == "in/abort-x.png"
    assert failure["category"] == "crash"
    assert failure["signal"] == signal.SIGABRT
    assert failure["attempts"] == 2


def test_a_page_that_takes_too_long_fails_alone(bench: Bench) -> None:
    bench.image("a.png")
    bench.image("slow-b.png")
    bench.run("--timeout", "0.2", "--max_attempts", "1", status=1)
    (failure,) = bench.failures()
    assert (failure["input"], failure["category"]) == ("in/slow-b.png", "timeout")
    assert list(bench.outputs()) == ["a.json"]


def test_a_second_job_on_the_folder_is_refused_by_name(bench: Bench) -> None:
    bench.document("doc.tif", 400)
    job = bench.start("--seconds", "0.05", "--progress", "none")
    wait_for(lambda: len(bench.computed()) >= 2, job)
    said = bench.run("--seconds", "0.05", status=2)
    kill_group(job)
    job.communicate()
    assert f"process {job.pid} on {os.uname().nodename}" in said
    assert "another job is writing to out" in said


@pytest.mark.parametrize("times", [1, 2])
def test_killed_while_old_results_are_removed_none_is_taken_for_new(bench: Bench, times: int) -> None:
    for number in range(300):
        bench.image(f"{number:03}.png", grey=number % 256)
    bench.run("--save", "json,txt")
    for _ in range(times):
        left = len(list(bench.output.iterdir()))
        job = bench.start("--save", "json,txt", "--fresh", "--progress", "none")
        wait_for(lambda left=left: len(list(bench.output.iterdir())) < left, job)  # type: ignore[misc]
        kill_group(job)
        job.communicate()
    bench.run("--save", "json,txt")
    assert bench.summary()["pages"] == tally(300, 300)
    assert len(bench.outputs()) == 600
    # Some may have been made anew before the second kill.
    assert len(bench.computed()) >= 600


def test_a_closed_terminal_ends_the_job_and_not_its_workers(bench: Bench) -> None:
    bench.document("slow-doc.tif", 40)
    job = bench.start("--progress", "plain")
    wait_for(lambda: len(bench.computed()) >= 4, job)
    os.killpg(job.pid, signal.SIGHUP)
    said = let_end(job)
    assert job.returncode == 143, said
    assert bench.summary()["pages"]["done"] == len(bench.computed())
    assert sum(slot["restarts"] for slot in bench.summary()["slots"]) == 0


# Disks.


@contextlib.contextmanager
def small_disk(place: Path, kilobytes: int) -> Iterator[Path]:
    """A file system of its own in memory; skips where none can be mounted."""
    place.mkdir(parents=True)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def test_a_full_disk_ends_the_job_and_the_next_run_completes_it(bench: Bench) -> None:
    bench.document("doc.tif", 60)
    with small_disk(bench.output, 2048):
        ballast = bench.output / "ballast"
        ballast.write_bytes(bytes(1750 << 10))
        said = bench.run("--save", "json,txt,jsonl", status=4)
        assert "No space left on device" in said or "disk is full" in said
        done = {name for name in bench.outputs() if name.endswith(".json")}
        assert 0 < len(done) < 60
        assert bench.temporary() == []
        ballast.unlink()
        bench.run("--save", "json,txt,jsonl")
        assert bench.summary()["pages"] == tally(60, 60)
        assert sorted(line["page_index"] for line in bench.lines()) == list(range(60))
        assert len(bench.outputs()) == 120 + len(list((bench.output / "jsonl").iterdir()))


def test_a_disk_that_is_full_from_the_first_is_said(bench: Bench) -> None:
    bench.image("a.png")
    with small_disk(bench.output, 64):
        (bench.output / "ballast").write_bytes(bytes(60 << 10))
        said = bench.run(status=4)
        assert "make room" in said or "disk has room" in said


def test_a_read_only_output_folder_is_said_and_nothing_is_computed(bench: Bench) -> None:
    bench.image("a.png")
    with small_disk(bench.output, 64) as disk:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        said = bench.run(status=4)
        assert "Read-only file system" in said
        assert bench.computed() == []
        subprocess.run(["mount", "-o", "remount,rw,size=4096k", disk], check=True)
        bench.run()


def test_a_removed_output_folder_ends_the_job(bench: Bench) -> None:
    bench.document("doc.tif", 400)
    job = bench.start("--seconds", "0.05", "--progress", "none")
    wait_for(lambda: len(bench.computed()) >= 4, job)
    shutil.rmtree(bench.output)
    said = let_end(job)
    assert job.returncode == 4, said
    assert "out/_docfleet" in said or "out/doc" in said
    assert not list(bench.output.rglob("*.json"))


def test_inputs_that_vanish_or_change_are_named_and_done_when_they_are_back(bench: Bench) -> None:
    bench.image("a-first.png")
    for number in range(12):
        bench.image(f"slow-{number:02}.png")
    gone, changed = bench.image("y-gone.png"), bench.image("z-changed.png")
    job = bench.start("--progress", "none", "--batch_size", "1")
    wait_for(lambda: len(bench.computed()) >= 1, job)
    gone.unlink()
    bench.image("z-changed.png", size=(20, 20))
    said = let_end(job)
    assert job.returncode == 1, said
    messages = {row["input"]: row["message"] for row in bench.failures()}
    assert messages["in/y-gone.png"] == "in/y-gone.png: no such file or folder"
    assert "has changed since the job found it" in messages["in/z-changed.png"]
    bench.image("y-gone.png", size=(30, 30))
    bench.run()
    assert bench.summary()["pages"] == tally(15, 15)
    assert bench.result("z-changed.json")["width"] == 20
    assert bench.result("y-gone.json")["width"] == 30
    assert set(computed(bench).values()) == {1}
    assert changed.exists()
