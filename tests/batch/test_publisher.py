"""The worker of a batch job, in this process: what it reads, what it writes where, and what a disk may do to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from docfleet.batch.artefacts import AGGREGATED
from docfleet.batch.publisher import Publisher, publisher_spec
from docfleet.documents.sources import Source
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Category, Done, Expanded, Failed, Outcome, Task
from docfleet.fleet.worker import compute_all, read_one, write_one
from tests.batch.disks import fill, small_disk
from tests.batch.pipelines import Echo, EchoOptions


class Desk:
    """A publisher, and the folders it works in."""

    def __init__(self, root: Path, *, output: Path | None = None) -> None:
        self.root = root
        self.output = output or root / "out"
        self.tmp = self.output / "_docfleet" / "tmp"
        self.tmp.mkdir(parents=True)
        self.open: list[Publisher] = []

    def publisher(self, *, saves: tuple[str, ...] = ("json", "txt"), word: str = "", dry: bool = False) -> Publisher:
        spec = publisher_spec(
            Echo.prepare(EchoOptions(device="cpu", word=word)).spec,
            result="tests.batch.pipelines:EchoResult",
            output=self.output,
            tmp=self.tmp,
            saves=saves,
            fsync=False,
            dry=dry,
        )
        worker = spec.build(Slot("cpu"))
        assert isinstance(worker, Publisher)
        self.open.append(worker)
        return worker

    def image(self, name: str = "a.png") -> Path:
        Image.new("L", (8, 6), 200).save(self.root / name)
        return self.root / name

    def document(self, pages: int, name: str = "a.tif") -> Path:
        frames = [Image.new("L", (8 + number, 6), number) for number in range(pages)]
        frames[0].save(self.root / name, save_all=True, append_images=frames[1:])
        return self.root / name

    def files(self) -> list[str]:
        """All of them, below the output folder."""
        return sorted(str(path.relative_to(self.output)) for path in self.output.rglob("*") if path.is_file())


def task_of(path: Path, *, part: int | None = None, **payload: Any) -> Task:
    info = path.stat()
    given = {
        "source": Source(str(path)).to_payload(), "settings": {}, "single": "x/a", "paged": "x/a", "pages": None,
        "done": [], "stat": [info.st_size, info.st_mtime_ns],
    }  # fmt: skip
    return Task((0,), {**given, **payload}, part)


def run(worker: Publisher, task: Task) -> Outcome | Expanded:
    """As an executor runs it, with no other page beside."""
    item, ended = read_one(worker, task)
    if ended is not None:
        return ended
    [value] = compute_all(worker, [item])
    return write_one(worker, task, value)


def failure(outcome: Outcome | Expanded) -> tuple[Category, str]:
    assert isinstance(outcome, Failed)
    return outcome.failure.category, outcome.failure.message


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    for worker in desk.open:
        worker.close()


# Reading.


def test_a_plain_image_is_one_page(desk: Desk) -> None:
    outcome = run(desk.publisher(), task_of(desk.image()))
    assert isinstance(outcome, Done)
    assert len(outcome.value["digest"]) == 16
    assert desk.files() == ["x/a.json", "x/a.txt"]
    assert json.loads((desk.output / "x/a.json").read_bytes())["width"] == 8


@pytest.mark.parametrize(
    ("pages", "done", "expected"),
    [
        (None, [], [0, 1, 2, 3, 4]),
        (None, [[0, 2], [3, 4]], [2, 4]),
        ([[1, 3], [4, None]], [], [1, 2, 4]),
        ([[1, 3], [4, None]], [[2, 5]], [1]),
        ([[9, None]], [], []),
        (None, [[0, 5]], []),
    ],
)
def test_a_document_is_the_pages_that_are_left_to_do(
    desk: Desk, pages: list[list[int | None]] | None, done: list[list[int]], expected: list[int]
) -> None:
    outcome = run(desk.publisher(), task_of(desk.document(5), pages=pages, done=done))
    assert isinstance(outcome, Expanded)
    assert list(outcome.parts) == expected
    # Page n is 8 + n pixels wide and 6 high.
    assert outcome.sizes is None or list(outcome.sizes) == [(8 + page) * 6 for page in expected]


def test_a_page_of_a_document_has_its_number_in_its_name(desk: Desk) -> None:
    path, worker = desk.document(3), desk.publisher()
    for part in (2, 0):
        assert isinstance(run(worker, task_of(path, part=part)), Done)
    assert desk.files() == ["x/a_0.json", "x/a_0.txt", "x/a_2.json", "x/a_2.txt"]
    assert json.loads((desk.output / "x/a_2.json").read_bytes())["width"] == 10


@pytest.mark.parametrize(("pages", "wanted"), [([[0, 1]], True), ([[1, None]], False)])
@pytest.mark.parametrize("kind", ["image", "document"])
def test_what_has_one_page_is_done_if_that_is_selected(desk: Desk, kind: str, pages: Any, wanted: bool) -> None:
    path = desk.image() if kind == "image" else desk.document(1)
    outcome = run(desk.publisher(), task_of(path, pages=pages))
    if wanted:
        assert isinstance(outcome, Done)
        assert desk.files()[0] == ("x/a.json" if kind == "image" else "x/a_0.json")
    else:
        assert outcome == Expanded(())
        assert desk.files() == []


@pytest.mark.parametrize("part", [None, 1])
def test_a_document_that_has_changed_since_it_was_found_is_no_page_of_the_old_one(desk: Desk, part: int | None) -> None:
    path, worker = desk.document(3), desk.publisher()
    task = task_of(path, part=part)
    desk.document(4)
    category, message = failure(run(worker, task))
    assert category is Category.INPUT
    assert message == f"{path}: has changed since the job found it; run the same command again"
    path.unlink()
    assert failure(run(worker, task)) == (Category.INPUT, f"{path}: no such file or folder")
    assert desk.files() == []


def test_a_document_of_which_nothing_was_known_is_read_as_it_is(desk: Desk) -> None:
    assert isinstance(run(desk.publisher(), task_of(desk.image(), stat=None)), Done)


# Writing.


def test_a_page_that_is_written_again_takes_the_place_of_the_old_one(desk: Desk) -> None:
    task = task_of(desk.image())
    run(desk.publisher(word="old"), task)
    run(desk.publisher(word="new"), task)
    assert json.loads((desk.output / "x/a.json").read_bytes())["word"] == "new"
    assert desk.files() == ["x/a.json", "x/a.txt"]


def test_aggregated_lines_say_where_they_end(desk: Desk) -> None:
    path, worker = desk.document(3), desk.publisher(saves=(AGGREGATED,))
    ends = [run(worker, task_of(path, part=part)).value["line"] for part in range(3)]  # type: ignore[union-attr]
    data = (desk.output / "jsonl/part-00001.jsonl").read_bytes()
    assert [name for name, _ in ends] == ["part-00001.jsonl"] * 3
    assert [end for _, end in ends] == [data.index(b"\n", start) + 1 for start in [0, *(end for _, end in ends[:-1])]]
    assert [json.loads(line)["page_index"] for line in data.splitlines()] == [0, 1, 2]
    assert desk.files() == ["jsonl/part-00001.jsonl"]


def test_a_digest_stands_for_all_that_is_written(desk: Desk) -> None:
    task = task_of(desk.image())

    def digest(**options: Any) -> bytes:
        found: bytes = run(desk.publisher(**options), task).value["digest"]  # type: ignore[union-attr]
        return found

    kinds = [("json",), ("json", "txt"), ("txt",), ("jsonl",), ("json", "jsonl")]
    digests = {digest(saves=saves, word=word) for saves in kinds for word in ("", "x") if saves != ("txt",) or not word}
    assert len(digests) == 9
    assert digest(saves=("json",), dry=True) == digest(saves=("json",))


def test_dry_nothing_is_written(desk: Desk) -> None:
    outcome = run(desk.publisher(saves=("json", "txt", AGGREGATED), dry=True), task_of(desk.image()))
    assert isinstance(outcome, Done)
    assert outcome.value.keys() == {"digest"}
    assert desk.files() == []


def test_undecodable_and_strange_folders_are_written_to(tmp_path: Path) -> None:
    desk = Desk(tmp_path, output=tmp_path / os.fsdecode(b"out \xff\n"))
    worker = desk.publisher()
    assert isinstance(run(worker, task_of(desk.image(os.fsdecode(b"\xff.png")))), Done)
    worker.close()
    assert desk.files() == ["x/a.json", "x/a.txt"]


# Names and disks that do not take it.


@pytest.mark.parametrize("single", ["n" * 300, "/".join(["deep"] * 1500), "taken", "file/below"])
def test_a_name_that_cannot_be_written_fails_its_page_alone(desk: Desk, single: str) -> None:
    (desk.output / "taken.json").mkdir()
    (desk.output / "file").touch()
    worker = desk.publisher(saves=("json",))
    outcome = run(worker, task_of(desk.image(), single=single))
    assert failure(outcome)[0] is Category.OUTPUT
    assert isinstance(run(worker, task_of(desk.image())), Done)
    assert desk.files() == ["file", "x/a.json"]


@pytest.mark.parametrize("saves", [("json",), ("txt", "json"), (AGGREGATED,)])
def test_on_a_full_disk_a_page_says_that_none_can_be_written(tmp_path: Path, saves: tuple[str, ...]) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        desk = Desk(tmp_path, output=disk)
        worker, task = desk.publisher(saves=saves), task_of(desk.image())
        assert isinstance(run(worker, task), Done)
        before = {name: (disk / name).read_bytes() for name in desk.files()}
        ballast = fill(disk)
        # Lines fit into the rest of their file's last block for a while.
        outcomes = [run(worker, task) for _ in range(60)]
        last = outcomes[-1]
        assert isinstance(last, Done)
        assert last.value == {
            "stopped": f"{disk}/{'jsonl' if AGGREGATED in saves else last_file(saves)}: No space left on device"
        }
        ballast.unlink()
        written = [each for each in outcomes if isinstance(each, Done) and "stopped" not in each.value]
        for name, data in before.items():
            assert (disk / name).read_bytes() == data * (1 + len(written) if AGGREGATED in saves else 1)
        assert desk.files() == sorted(before)
        assert isinstance(run(worker, task), Done)
        worker.close()


def last_file(saves: tuple[str, ...]) -> str:
    return "x/a.txt" if "txt" in saves else "x/a.json"


def test_an_output_folder_that_is_gone_is_not_made_again(desk: Desk) -> None:
    worker, task = desk.publisher(saves=("json",)), task_of(desk.image())
    desk.tmp.rmdir()
    outcome = run(worker, task)
    assert isinstance(outcome, Done)
    assert outcome.value == {"stopped": f"{desk.output}/x/a.json: No such file or directory"}
    assert desk.files() == []
