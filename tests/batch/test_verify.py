"""A sample of pages, drawn fairly, and done again by real workers that write nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from docfleet.batch.publisher import publisher_spec
from docfleet.batch.verify import Sample
from docfleet.documents.sources import Source
from docfleet.errors import StartError
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Done, Task
from docfleet.fleet.worker import WorkerSpec, compute_all, read_one, write_one
from tests.batch.pipelines import Echo, EchoOptions


def test_as_many_as_were_asked_for_or_all() -> None:
    for offered in (0, 3, 10, 500):
        sample = Sample(10)
        for number in range(offered):
            sample.offer(Task((number,), None), b"")
        assert len(sample) == min(offered, 10)


def test_every_page_has_the_same_chance() -> None:
    kept: Counter[int] = Counter()
    for seed in range(2_000):
        sample = Sample(3, seed)
        for number in range(12):
            sample.offer(Task((number,), None), b"")
        kept.update(one.task.key[0] for one in sample._kept)
    # 500 of each are expected, with a standard deviation of 19; the seeds make the numbers the same every time.
    assert set(kept) == set(range(12))
    assert all(400 < number < 600 for number in kept.values())


def spec(root: Path, *, dry: bool) -> WorkerSpec:
    prepared = Echo.prepare(EchoOptions(device="cpu"))
    return publisher_spec(
        prepared.spec, result="tests.batch.pipelines:EchoResult", output=root / "out", tmp=root / "out", saves=["json"],
        fsync=False, dry=dry,
    )  # fmt: skip


def task_of(path: Path, part: int | None = None) -> Task:
    info = path.stat()
    payload: dict[str, Any] = {
        "source": Source(str(path)).to_payload(), "settings": {}, "single": "a", "paged": "a", "pages": None,
        "done": [], "stat": [info.st_size, info.st_mtime_ns],
    }  # fmt: skip
    return Task((5, part or 0), payload, part)


@pytest.fixture
def done(tmp_path: Path) -> list[tuple[Task, bytes]]:
    """Pages that a job has done, with the digests of their files."""
    (tmp_path / "out").mkdir()
    Image.new("L", (8, 6), 9).save(tmp_path / "a.png")
    frames = [Image.new("L", (8, 6), number) for number in range(3)]
    frames[0].save(tmp_path / "b.tif", save_all=True, append_images=frames[1:])
    worker = spec(tmp_path, dry=False).build(Slot("cpu"))
    pages = []
    for task in (task_of(tmp_path / "a.png"), task_of(tmp_path / "b.tif", 2)):
        item, _ = read_one(worker, task)
        outcome = write_one(worker, task, compute_all(worker, [item])[0])
        assert isinstance(outcome, Done)
        pages.append((task, outcome.value["digest"]))
    worker.close()
    return pages


def compare(root: Path, pages: list[tuple[Task, bytes]], **more: Any) -> list[str]:
    sample = Sample(10)
    for task, digest in pages:
        sample.offer(task, digest)
    return sample.compare(more.get("spec") or spec(root, dry=True), Slot("cpu"), timeout=60, max_attempts=1)


def test_pages_that_come_out_the_same_are_no_complaint(tmp_path: Path, done: list[tuple[Task, bytes]]) -> None:
    before = {path: path.stat().st_ino for path in (tmp_path / "out").iterdir()}
    assert compare(tmp_path, done) == []
    assert {path: path.stat().st_ino for path in (tmp_path / "out").iterdir()} == before


def test_pages_that_do_not_are_named(tmp_path: Path, done: list[tuple[Task, bytes]]) -> None:
    complaints = compare(tmp_path, [done[0], (done[1][0], b"something else")])
    assert complaints == [f"{tmp_path}/b.tif page 3: came out differently when it was done again"]


def test_a_document_that_is_gone_is_no_complaint_and_counted(tmp_path: Path, done: list[tuple[Task, bytes]]) -> None:
    (tmp_path / "a.png").unlink()
    sample = Sample(10)
    for task, digest in done:
        sample.offer(task, digest)
    assert sample.compare(spec(tmp_path, dry=True), Slot("cpu"), timeout=60, max_attempts=1) == []
    assert sample.missed == 1


def test_enough_is_enough(tmp_path: Path, done: list[tuple[Task, bytes]]) -> None:
    sample = Sample(10)
    for task, _ in done:
        sample.offer(task, b"something else")
    assert sample.compare(spec(tmp_path, dry=True), Slot("cpu"), timeout=60, max_attempts=1, stopped=lambda: True) == []
    assert sample.missed == 2


def test_a_worker_that_cannot_start_is_said(tmp_path: Path, done: list[tuple[Task, bytes]]) -> None:
    with pytest.raises(StartError, match="nowhere"):
        compare(tmp_path, done, spec=WorkerSpec("nowhere.at.all:build"))
