"""Aggregated lines: each page has one, whatever was killed when, and old ones go when their document is done again."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from docfleet.batch.journal import Journal, Line
from docfleet.batch.listing import Document, Listing
from docfleet.batch.names import OutputName
from docfleet.batch.shards import ShardWriter, drop_stale, trim
from docfleet.results.base import json_bytes
from tests.batch.disks import small_disk


def content(output: Path) -> list[bytes]:
    """Every line, file by file."""
    return [
        line for path in sorted((output / "jsonl").iterdir()) for line in path.read_bytes().splitlines(keepends=True)
    ]


# Writing.


def test_lines_go_into_a_file_and_a_full_one_is_followed_by_another(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path, full=10)
    ends = [writer.append(b"x" * 5 + b"\n") for _ in range(5)]
    writer.close()
    assert ends == [
        ("part-00001.jsonl", 6), ("part-00001.jsonl", 12), ("part-00002.jsonl", 6), ("part-00002.jsonl", 12),
        ("part-00003.jsonl", 6),
    ]  # fmt: skip
    assert content(tmp_path) == [b"xxxxx\n"] * 5


def test_every_writer_has_files_of_its_own(tmp_path: Path) -> None:
    writers = [ShardWriter(tmp_path, full=10, fsync=True) for _ in range(3)]
    for turn in range(4):
        for number, writer in enumerate(writers):
            writer.append(b"%d %d ....\n" % (number, turn))
    for writer in writers:
        writer.close()
        writer.close()
    assert len(content(tmp_path)) == 12
    for path in (tmp_path / "jsonl").iterdir():
        assert len({line.split()[0] for line in path.read_bytes().splitlines()}) == 1


def test_a_writer_goes_on_behind_the_files_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "jsonl").mkdir()
    for name in ("part-00007.jsonl", "part-100000.jsonl", "part-7.jsonl", "part-²²²²².jsonl", "other.jsonl"):
        (tmp_path / "jsonl" / name).write_bytes(b"")
    writer = ShardWriter(tmp_path)
    assert writer.append(b"{}\n") == ("part-100001.jsonl", 3)
    writer.close()


def test_a_line_that_the_disk_does_not_take_leaves_nothing(tmp_path: Path) -> None:
    line = b"x" * 2999 + b"\n"
    with small_disk(tmp_path / "disk", 64) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(bytes(30_000))
        writer = ShardWriter(disk)
        taken = 0
        with pytest.raises(OSError, match="No space left"):
            while True:
                name, end = writer.append(line)
                taken += 1
        # The first bytes of one more line fitted.
        assert (disk / "jsonl" / name).read_bytes() == line * taken
        ballast.unlink()
        assert writer.append(line) == (name, end + len(line))
        writer.close()
        assert (disk / "jsonl" / name).read_bytes() == line * (taken + 1)


# What counts.


class World:
    """An output folder, and runs on it of one worker that writes a line for each document that it is given."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.output = root / "out"
        (self.output / "_docfleet").mkdir(parents=True, exist_ok=True)

    def journal(self, folder: str = "in") -> Journal:
        return Journal(self.output / "_docfleet" / "journal.sqlite", folder=folder)

    def run(self, documents: Iterable[Document], *, folder: str = "in", lost: int = 0) -> None:
        """One run; the last `lost` lines are written, and not committed."""
        journal = self.journal(folder)
        trim(self.output, journal)
        writer = ShardWriter(self.output, full=150)
        found = list(documents)
        for number, document in enumerate(found):
            entry = journal.admit(document)
            if entry.state in ("new", "open"):
                record = {"input_path": document.path, "version": document.size}
                journal.page_done(entry.id, None, line=Line(*writer.append(json_bytes(record, indent=None) + b"\n")))
            if number + 1 == len(found) - lost:
                journal.commit()
        writer.close()
        journal.close()

    def finish(self) -> int:
        """As at the end of a run; how many lines were dropped."""
        journal = self.journal()
        assert trim(self.output, journal) == []
        dropped = drop_stale(self.output, journal)
        assert journal.stale() == {}
        assert {path.name for path in (self.output / "jsonl").iterdir()} == set(journal.shards())
        journal.close()
        return dropped

    def lines(self) -> dict[str, Any]:
        """Version by path; each path has one line."""
        found = [json.loads(line) for line in content(self.output)]
        assert len({each["input_path"] for each in found}) == len(found)
        return {each["input_path"]: each["version"] for each in found}


def document(relative: str, version: int = 1, *, path: str = "") -> Document:
    return Document(
        path=path or f"in/{relative}", relative=relative, size=version, mtime_ns=1,
        name=lambda: OutputName(relative, relative),
    )  # fmt: skip


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.chdir(tmp_path)
    return World(tmp_path)


NAMES = [f"{number}.png" for number in range(9)]


def test_what_was_not_committed_is_cut_off_and_done_again(world: World) -> None:
    world.run(map(document, NAMES), lost=4)
    assert len(content(world.output)) == 9
    world.run(map(document, NAMES))
    world.finish()
    assert world.lines() == dict.fromkeys([f"in/{name}" for name in NAMES], 1)


def test_a_file_that_no_committed_line_is_in_is_removed_and_others_are_left(world: World) -> None:
    world.run(map(document, NAMES[:1]))
    (world.output / "jsonl" / "part-00009.jsonl").write_bytes(b"half a li")
    (world.output / "jsonl" / "notes.txt").write_bytes(b"a person's")
    journal = world.journal()
    assert trim(world.output, journal) == []
    assert sorted(path.name for path in (world.output / "jsonl").iterdir()) == ["notes.txt", "part-00001.jsonl"]
    journal.close()


def test_a_file_that_lost_lines_is_named(world: World) -> None:
    world.run(map(document, NAMES))
    first, second, third = sorted((world.output / "jsonl").iterdir())
    os.truncate(first, 10)
    second.unlink()
    journal = world.journal()
    assert trim(world.output, journal) == [first.name, second.name]
    shutil.rmtree(world.output / "jsonl")
    assert trim(world.output, journal) == [first.name, second.name, third.name]
    journal.close()


def test_without_lines_there_is_nothing_to_do(world: World) -> None:
    journal = world.journal()
    assert (trim(world.output, journal), drop_stale(world.output, journal)) == ([], 0)
    journal.close()
    assert not (world.output / "jsonl").exists()


# Changed documents.


def changed(names: list[str], *, version: int = 2) -> list[Document]:
    """Every third one has changed."""
    return [document(name, 1 if number % 3 else version) for number, name in enumerate(names)]


EXPECTED = {f"in/{name}": 1 if number % 3 else 2 for number, name in enumerate(NAMES)}


def test_lines_of_changed_documents_are_dropped_and_all_others_stay(world: World) -> None:
    world.run(map(document, NAMES))
    world.run(changed(NAMES))
    assert world.finish() == 3
    assert world.lines() == EXPECTED
    assert world.finish() == 0


def test_a_document_that_changes_again_and_again_has_its_last_line(world: World) -> None:
    for version in range(1, 5):
        world.run(changed(NAMES, version=version))
        if version % 2:
            world.finish()
    world.finish()
    assert set(world.lines().values()) == {1, 4}


def test_files_without_such_lines_are_left_as_they_are(world: World) -> None:
    world.run(map(document, NAMES))
    before = {path.name: path.stat().st_ino for path in (world.output / "jsonl").iterdir()}
    world.run([document(NAMES[0], 2)])
    world.finish()
    after = {path.name: path.stat().st_ino for path in (world.output / "jsonl").iterdir()}
    assert before.items() - after.items() == {("part-00001.jsonl", before["part-00001.jsonl"])}


@pytest.mark.parametrize(
    ("first", "then"),
    [("in", "in"), ("in", "./in/"), ("{root}/in", "in"), ("in", "{root}/in"), ("in\udcff", "in\udcff"), ("in", "moved"),
     ("", "in")],
)  # fmt: skip
def test_a_line_is_known_however_its_folder_was_given(world: World, first: str, then: str) -> None:
    for size, folder in enumerate((first.format(root=world.root), then.format(root=world.root)), 1):
        place = world.root / folder / "sub" / "a.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"x" * size)
        world.run(Listing(folder).listed(["sub/a.png"]), folder=folder)
    assert world.finish() == 1
    assert list(world.lines().values()) == [2]


@pytest.mark.parametrize("named", ["../far/a.png", "{root}/far/a.png", "link/../far/a.png", "./x/../b.png"])
def test_a_line_is_known_however_a_list_named_its_document(world: World, named: str) -> None:
    for folder in ("in/x", "far"):
        (world.root / folder).mkdir(parents=True)
    (world.root / "in" / "link").symlink_to(world.root / "far")
    for size in (1, 2):
        for name in ("in/b.png", "far/a.png"):
            (world.root / name).write_bytes(b"x" * size)
        [found] = Listing("in").listed([named.format(root=world.root)])
        world.run([found])
    assert world.finish() == 1
    assert list(world.lines().values()) == [2]


def test_a_run_elsewhere_knows_what_was_relative_to_another_folder(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (world.root / "in").mkdir()
    (world.root / "far.png").write_bytes(b"x")
    world.run(Listing("in").listed(["../far.png"]))
    (world.root / "far.png").write_bytes(b"xx")
    (world.root / "elsewhere").mkdir()
    monkeypatch.chdir(world.root / "elsewhere")
    world.run(Listing("../in").listed(["../far.png"]), folder="../in")
    assert world.finish() == 1
    assert list(world.lines().values()) == [2]


# Killed at any moment.

STEPS: list[tuple[Any, str]] = [
    (ShardWriter, "append"), (os, "fsync"), (os, "truncate"), (Path, "open"), (Path, "unlink"), (Journal, "commit"),
    (Journal, "replace_shard"), (Journal, "stale_dropped"),
]  # fmt: skip
"""What changes an output folder, or is about to."""


def snapshots(world: World, act: Callable[[], object]) -> list[World]:
    """The output folder as a kill would leave it: copied before and after each step of `act`."""
    taken: list[World] = []

    def copy() -> None:
        root = world.root / f"killed-{len(taken)}"
        shutil.copytree(world.output, root / "out", dirs_exist_ok=True)
        taken.append(World(root))

    def around(step: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(*args: Any, **more: Any) -> Any:
            copy()
            try:
                return step(*args, **more)
            finally:
                copy()

        return wrapper

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in STEPS:
            patch.setattr(owner, name, around(getattr(owner, name)))
        act()
    return taken


def test_killed_at_any_step_the_next_run_ends_as_if_it_never_was(world: World) -> None:
    world.run(map(document, NAMES))

    def second_run() -> None:
        world.run(changed(NAMES), lost=1)
        world.run(changed(NAMES))
        world.finish()

    killed = snapshots(world, second_run)
    assert world.lines() == EXPECTED
    assert len(killed) > 40
    for one in killed:
        one.run(changed(NAMES))
        one.finish()
        assert one.lines() == EXPECTED
