"""What a pattern or a list finds: compared with `Path.glob` on random trees, and told apart case by case."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docfleet.batch.listing import Document, Listing, known_as
from docfleet.batch.patterns import Pattern
from docfleet.documents.folders import MAGIC_CHARACTERS, is_document_name, walk_folder
from docfleet.errors import UsageError


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def relatives(documents: Iterable[Document]) -> list[str]:
    """All of them, none of which has a problem."""
    found = list(documents)
    assert [each.problem for each in found if each.problem] == []
    return [each.relative for each in found]


# Patterns.

LEAVES = ("a.jpg", "b.jpg", "n.txt", ".h.png", "[1].jpg", "b", "B.JPG")
FOLDERS = ("a", "b", "x", ".h", "d.jpg", "bb")
places = st.lists(st.sampled_from(FOLDERS), max_size=3).map("/".join)
entries = st.tuples(
    places, st.sampled_from(LEAVES + FOLDERS), st.sampled_from(["file", "file", "folder", "link"]), places
)
PATTERNS = """
* *.jpg **/*.jpg **/* */* */ **/b/ a/*/b* **/x/** **/x/* a a/b a/**/b* a.jpg **/a.jpg ? [ab]* **/[[]1].jpg .* */*/*
**/*/**/* **/*/**/b* **/b*/** x/**/**/*.jpg ./a//* **/d.jpg/* *.jpg/*
""".split()
if sys.version_info < (3, 13):
    # From then on `**` at the end matches files too; a job sees folders to be walked, which differs in what is skipped.
    PATTERNS += ["**", "a/**", "**/**"]


def make(root: Path, given_entries: list[tuple[str, str, str, str]]) -> None:
    """What of a tree can be made: an entry that is in the way of another was there first."""
    for folder, name, kind, target in given_entries:
        place = root / folder / name
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if kind == "file":
                place.touch()
            elif kind == "folder":
                place.mkdir()
            else:
                # To a folder, a file, nothing, or to where it is itself: a circle.
                place.symlink_to(root / target)
        except OSError:
            continue


def as_glob_says(root: Path, pattern: str) -> tuple[set[str], set[str]]:
    """Documents, and what is skipped: `Path.glob`, and a walk of each folder that it gives."""
    head, _, last = pattern.rpartition("/")
    # Before Python 3.13 a name without magic does not match a broken link; in brackets it does.
    same = (
        [pattern, f"{head}/[{last[0]}]{last[1:]}" if head else f"[{last[0]}]{last[1:]}"]
        if last and MAGIC_CHARACTERS.isdisjoint(last)
        else [pattern]
    )
    documents, others = set(), set()
    for match in {match for each in same for match in root.glob(each)}:
        if not match.is_dir():
            documents.add(str(match.relative_to(root)))
            continue
        found = [each.path for each in walk_folder(str(match)) if each.problem is None]
        documents.update(str(Path(path).relative_to(root)) for path in found)
        for folder, _, names in os.walk(match):
            others.update(str(Path(folder, name).relative_to(root)) for name in names if not is_document_name(name))
    return documents, others - documents


@settings(max_examples=250, deadline=None)
@given(
    given_entries=st.lists(entries, max_size=14),
    pattern=st.sampled_from(PATTERNS),
    most_sorted=st.sampled_from([1, 99]),
)
def test_a_pattern_finds_what_glob_and_walking_find(
    given_entries: list[tuple[str, str, str, str]],
    pattern: str,
    most_sorted: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    root = tmp_path_factory.mktemp("tree")
    make(root, given_entries)
    documents, skipped = as_glob_says(root, pattern)
    listing = Listing(str(root), most_sorted=most_sorted)
    found = relatives(listing.matches(pattern))
    assert sorted(found) == sorted(documents)
    assert listing.skipped == len(skipped)
    if most_sorted == 99:
        assert found == sorted(found)


def test_links_are_followed_where_the_pattern_names_them(tmp_path: Path) -> None:
    touch(tmp_path, "real/1.png", "scans/deep/2.png")
    (tmp_path / "scans" / "link").symlink_to(tmp_path / "real")
    (tmp_path / "scans" / "circle").symlink_to(tmp_path / "scans")
    listing = Listing(str(tmp_path / "scans"))
    assert relatives(listing.matches("deep")) == ["deep/2.png"]
    assert relatives(Listing(str(tmp_path)).matches("scans")) == ["scans/deep/2.png"]
    assert relatives(listing.matches("link/*")) == ["link/1.png"]
    assert relatives(listing.matches("**/*.png")) == ["deep/2.png"]
    assert listing.skipped == 0


def test_a_file_that_matches_is_a_document_whatever_its_suffix(tmp_path: Path) -> None:
    touch(tmp_path, "a.img", "b.png", "sub/c.img", "sub/d.png")
    listing = Listing(str(tmp_path))
    assert relatives(listing.matches("*")) == ["a.img", "b.png", "sub/d.png"]
    assert listing.skipped == 1


@pytest.mark.parametrize(
    ("given_folder", "expected"),
    [("scans", "scans/sub/a.png"), ("./scans", "./scans/sub/a.png"), ("scans/", "scans/sub/a.png"), ("", "sub/a.png"),
     (".", "./sub/a.png")],
)  # fmt: skip
def test_paths_are_reported_below_the_folder_as_given(
    given_folder: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "scans", "sub/a.png")
    monkeypatch.chdir(tmp_path if "scans" in given_folder else tmp_path / "scans")
    [document] = Listing(given_folder).matches("*")
    assert document.path == expected
    assert document.relative == "sub/a.png"
    assert document.is_known


def test_a_folder_is_read_only_when_its_turn_comes(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/2.png")
    found = Listing(str(tmp_path)).matches("*")
    assert next(found).relative == "a/1.png"
    touch(tmp_path, "b/3.png")
    assert relatives(found) == ["b/2.png", "b/3.png"]


def test_a_tree_may_be_deeper_than_the_recursion_limit(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() + 200
    folders = [tmp_path / ("d/" * level) for level in range(1, depth + 1)]
    for folder in folders:
        folder.mkdir()
    (folders[-1] / "e.png").touch()
    try:
        for pattern in ("*", "**/*.png"):
            assert relatives(Listing(str(tmp_path)).matches(pattern)) == ["d/" * depth + "e.png"]
    finally:
        # What clears temporary folders away goes down by recursion.
        (folders[-1] / "e.png").unlink()
        for folder in reversed(folders):
            folder.rmdir()


def test_of_a_folder_with_very_many_entries_each_comes_once(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(40)]
    touch(tmp_path, *names, "sub/x.png", "note.txt")
    listing = Listing(str(tmp_path), most_sorted=7)
    found = relatives(listing.matches("*"))
    assert sorted(found) == sorted([*names, "note.txt", "sub/x.png"])
    assert relatives(Listing(str(tmp_path), most_sorted=7).matches("?.png")) != []


def test_the_output_folder_does_not_exist_here(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "sub/out/result.png", "sub/b.png")
    (tmp_path / "link").symlink_to(tmp_path / "sub" / "out")
    for pattern in ("*", "**/*.png", "sub/out", "sub/out/*", "link/*", "**"):
        listing = Listing(str(tmp_path))
        listing.leave_out(tmp_path / "sub" / "out")
        expected = ["a.png", "sub/b.png"] if pattern.startswith("*") else []
        assert relatives(listing.matches(pattern)) == expected
        assert listing.skipped == 0
    listing = Listing(str(tmp_path))
    listing.leave_out(tmp_path / "link")
    assert relatives(listing.listed(["sub", "sub/out", "link"])) == ["sub/b.png"]


def test_a_folder_that_vanishes_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "b/1.png", "c.png")
    found = Listing(str(tmp_path)).matches("*")
    assert next(found).relative == "a.png"
    shutil.rmtree(tmp_path / "b")
    lost, last = found
    assert lost.relative == "b"
    assert lost.problem == f"{tmp_path}/b: the folder cannot be listed: No such file or directory"
    assert not lost.is_known
    assert last.relative == "c.png"


@contextlib.contextmanager
def nobody() -> Iterator[None]:
    """As a user to whom permissions apply: not root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="permissions are those of POSIX")
@pytest.mark.parametrize("pattern", ["*", "**/*.png", "*/*"])
def test_a_folder_that_may_not_be_listed_is_named(pattern: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        touch(root, "a/1.png", "shut/2.png")
        root.chmod(0o755)
        (root / "shut").chmod(0)
        with nobody():
            found = list(Listing(name).matches(pattern))
        (root / "shut").chmod(0o755)
    assert [(each.relative, each.problem) for each in found] == [
        ("a/1.png", None), ("shut", f"{root}/shut: the folder cannot be listed: Permission denied")
    ]  # fmt: skip


@pytest.mark.parametrize("pattern", ["", "/etc/*", "../*", "a/../b", "a**", "x/**.jpg"])
def test_patterns_that_make_no_sense_are_refused_at_once(pattern: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="input_glob_pattern is"):
        Listing(str(tmp_path)).matches(pattern)


def test_a_pattern_waits_for_its_components_one_by_one() -> None:
    pattern = Pattern.parse("**/2026/*.jpg")
    top = pattern.start()
    assert (pattern.names(top), pattern.matches_file(top, "a.jpg")) == (None, False)
    below = pattern.below(top, "2026")
    assert pattern.matches_file(below, "a.jpg")
    assert not pattern.matches_file(pattern.below(top, "2025"), "a.jpg")
    assert pattern.below(top, "2025", is_link=True) == frozenset()
    assert Pattern.parse("a/b").names(Pattern.parse("a/b").start()) == ["a"]


# Lists.


def listed(root: Path, *lines: str) -> list[str]:
    return relatives(Listing(str(root)).listed(lines))


def test_a_list_names_files_and_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a.img", "b.png", "sub/1.png", "sub/n.txt")
    listing = Listing(str(tmp_path))
    lines = ["a.img\n", "\n", "missing.png\r\n", "sub\n", str(tmp_path / "b.png")]
    assert relatives(listing.listed(lines)) == ["a.img", "missing.png", "sub/1.png", "b.png"]
    assert listing.skipped == 1


def test_a_listed_document_is_known_by_what_it_is_and_reported_as_it_was_named(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png", "in/sub/b.png", "far/c.png")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "far")
    (tmp_path / "in" / "inner").symlink_to(tmp_path / "in" / "sub")
    root = tmp_path / "in"
    named = {
        "a.png": "a.png",
        "./a.png": "a.png",
        "sub//b.png": "sub/b.png",
        "sub/../a.png": "a.png",
        f"{root}/sub/b.png": "sub/b.png",
        "../far/c.png": f"{tmp_path}/far/c.png",
        f"{tmp_path}/far/c.png": f"{tmp_path}/far/c.png",
        "link/c.png": "link/c.png",
        "link/../in/a.png": "a.png",
        "inner/../a.png": "a.png",
        "link/../far/c.png": f"{tmp_path}/far/c.png",
        "link/../a.png": f"{tmp_path}/a.png",
        "two\tparts ": "two\tparts ",
    }
    found = list(Listing(str(root)).listed(named))
    assert [each.relative for each in found] == list(named.values())
    assert [each.path for each in found] == [line if line.startswith("/") else f"{root}/{line}" for line in named]


def test_a_list_that_names_the_input_folder_gives_what_a_walk_of_it_gives(tmp_path: Path) -> None:
    touch(tmp_path, "a.png", "sub/b.png")
    for line in (".", "./", str(tmp_path), "sub/.."):
        assert listed(tmp_path, line) == ["a.png", "sub/b.png"]


def test_a_folder_that_is_named_twice_is_walked_once(tmp_path: Path) -> None:
    touch(tmp_path, "sub/1.png", "sub/deep/2.png", "sub/deep/n.txt", "other/3.png")
    (tmp_path / "sub" / "link").symlink_to(tmp_path / "other")
    listing = Listing(str(tmp_path))
    lines = ["sub/deep", "sub", "sub/deep/", "./sub", "sub/link", "sub/link"]
    assert relatives(listing.listed(lines)) == ["sub/deep/2.png", "sub/1.png", "sub/link/3.png"]
    assert listing.skipped == 1


def test_a_folder_outside_is_a_document_with_a_problem(tmp_path: Path) -> None:
    touch(tmp_path, "in/a.png", "far/c.png")
    [document] = Listing(str(tmp_path / "in")).listed(["../far"])
    assert document.relative == str(tmp_path / "far")
    assert document.problem == "../far: is a folder outside of the input folder: name the files in it"


def test_undecodable_names_stay_what_they_are(tmp_path: Path) -> None:
    name = os.fsdecode(b"bad\xff.png")
    touch(tmp_path, name)
    assert listed(tmp_path, f"{name}\n") == relatives(Listing(str(tmp_path)).matches("*")) == [name]


@pytest.mark.parametrize("folder", ["in", "./in/", "{}/in", "", "../{name}/in"])
@pytest.mark.parametrize(("path", "expected"), [("a.png", "a.png"), ("x/./a.png", "x/a.png"), (".", "")])
def test_a_document_is_known_as_the_same_however_its_folder_is_given(
    folder: str, path: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path if folder else tmp_path / "in")
    given_folder = folder.format(tmp_path, name=tmp_path.name)
    assert known_as(path, given_folder) == expected
    assert known_as(f"{tmp_path}/in/{path}", given_folder) == expected
    assert known_as("../far.png", given_folder) == f"{tmp_path}/far.png"
