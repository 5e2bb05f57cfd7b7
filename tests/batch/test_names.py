"""Names of outputs: one-to-one, harmless, the same in any order and in every later run."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docfleet.batch.journal import Journal
from docfleet.batch.listing import Document, Listing
from docfleet.batch.names import OutputName, output_name, outside_name
from docfleet.batch.siblings import Siblings
from tests.batch.trees import Tree, file_names, folded, paths

PAGES = (0, 1, 2, 10, 123456)
TAILS = (".json", ".txt", "_ocr_res_img.jpg", "_doc_preprocessor_img.json")


def files_of(name: OutputName) -> Iterator[str]:
    """Every file that a document of that name may ever have."""
    for stem in (name.single, *(name.of(page) for page in PAGES)):
        for tail in TAILS:
            yield stem + tail


def assert_one_to_one(names: dict[str, OutputName]) -> None:
    """No file of one document is another's, and none is a folder of one, whichever file system it is."""
    owners: dict[str, str] = {}
    for path, name in names.items():
        for file in files_of(name):
            assert owners.setdefault(folded(file), path) == path, f"{file!r} is of {path!r} and another"
    folders = {folded(file[:place]) for name in names.values() for file in [name.single] for place in slashes(file)}
    assert folders.isdisjoint(owners)


def slashes(path: str) -> list[int]:
    return [place for place, letter in enumerate(path) if letter == "/"]


def assert_harmless(file: str) -> None:
    """Inside the output folder, out of the job's own, and a name on every usual file system."""
    parts = file.split("/")
    assert folded(parts[0]) != "_docfleet" or len(parts) == 1
    for part in parts:
        assert part not in ("", ".", "..")
        assert len(part.encode("utf-8")) <= 255
        assert part.isprintable()
        assert not set(part) & set('<>:"|?*\\')
        assert part == part.strip()
        assert not part.endswith(".")
        assert part.partition(".")[0].rstrip().lower() not in ("con", "aux", "nul", "prn", "lpt¹")


@settings(max_examples=200)
@given(tree=st.lists(paths, max_size=14).map(Tree))
def test_names_are_one_to_one_and_harmless(tree: Tree) -> None:
    names = {path: output_name(path, tree.siblings) for path in tree.files}
    assert_one_to_one(names)
    for name in names.values():
        for file in files_of(name):
            assert_harmless(file)


NEAR = ("a", "A", "a_1", "A_1", "a_1_2", "a_01", "e\u0301_1", "\xe9", "a_\ufe0f1")
NEAR_SUFFIXES = (".jpg", ".JPG", ".png", ".pdf", ".tif", ".img", ".gif", "")
near_names = st.builds(
    "{}{}{}".format, st.sampled_from(["", "x/", "X/"]), st.sampled_from(NEAR), st.sampled_from(NEAR_SUFFIXES)
)


@settings(max_examples=200)
@given(tree=st.lists(near_names, min_size=2, max_size=10).map(Tree))
def test_names_that_are_almost_the_same_are_one_to_one(tree: Tree) -> None:
    assert_one_to_one({path: output_name(path, tree.siblings) for path in tree.files})


@given(names=st.lists(file_names, unique=True, max_size=10), seed=st.integers(0, 99))
def test_the_order_of_the_listing_changes_nothing(names: list[str], seed: int) -> None:
    shuffled = random.Random(seed).sample(names, len(names))
    for name in names:
        assert output_name(name, lambda _: Siblings(names)) == output_name(name, lambda _: Siblings(shuffled))


words = st.text(st.sampled_from("abcé日 -.()#'Z"), min_size=1, max_size=8).filter(
    lambda word: word == word.strip(" .") and not word.startswith(".")
)


@given(
    stems=st.lists(words, unique_by=folded, min_size=1, max_size=6),
    suffixes=st.lists(st.sampled_from([".jpg", ".png", ".PDF", ".tif"]), min_size=6, max_size=6),
    folder=st.sampled_from(["", "scans/", "2026.05/v1.0/"]),
)
def test_unambiguous_names_are_those_of_the_reference_script(
    stems: list[str], suffixes: list[str], folder: str
) -> None:
    tree = Tree(f"{folder}{stem}{suffix}" for stem, suffix in zip(stems, suffixes, strict=False))
    for path in tree.files:
        name = output_name(path, tree.siblings)
        assert name.single == folder + Path(path).stem
        if path.endswith((".PDF", ".tif")):
            assert name.of(7) == f"{folder}{Path(path).stem}_7"


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["a.jpg", "b.pdf"], {"a.jpg": "a", "b.pdf": "b"}),
        (["a.jpg", "a.png"], {"a.jpg": "a~jpg", "a.png": "a~png"}),
        (["a.pdf", "a_1.jpg", "a_x.jpg"], {"a.pdf": "a", "a_1.jpg": "a_1~jpg", "a_x.jpg": "a_x"}),
        (["a.jpg", "a_1.jpg"], {"a.jpg": "a", "a_1.jpg": "a_1"}),
        (["notes.txt", "notes.jpg"], {"notes.jpg": "notes"}),
        (["a.img"], {"a.img": "a"}),
        ([".png", "a..png", "a b.png"], {".png": ".png", "a..png": "a.", "a b.png": "a b"}),
    ],
)
def test_names_of_a_few(names: list[str], expected: dict[str, str]) -> None:
    beside = Siblings(names)
    assert {name: output_name(name, lambda _: beside).single for name in expected} == expected


@pytest.mark.parametrize(
    "name",
    ["a~jpg.png", "two\nlines.png", "bad\udcff.png", "con.png", "Nul.x.png", "LPT³.png", "a:b.png", "x" * 117 + ".png"],
)
def test_names_that_some_file_system_cannot_hold_are_hashed(name: str) -> None:
    single = output_name(name, lambda _: Siblings([name])).single
    assert single[-17] == "~"
    assert int(single[-16:], 16) >= 0


def test_folders_keep_their_names_but_for_those_that_a_file_may_have() -> None:
    folders = ["scans", "2026.05", "a.json", "_docfleet", "x", "X"]
    beside = {"": Siblings(folders), **{folder: Siblings(["1.png"]) for folder in folders}}
    kept = [folder for folder in folders if output_name(f"{folder}/1.png", beside.__getitem__).single == f"{folder}/1"]
    assert kept == ["scans", "2026.05"]


def test_files_from_outside_keep_apart() -> None:
    names = {path: outside_name(path) for path in ("/x/a.png", "/y/a.png", "/a.png", "/x/\udcff.png")}
    assert_one_to_one(names)
    for name in names.values():
        assert_harmless(name.single)


# With a journal: what lies beside a document changes, its name does not.


def document(path: str, tree: Tree) -> Document:
    return Document(path=f"in/{path}", relative=path, size=1, mtime_ns=1, name=lambda: output_name(path, tree.siblings))


def admitted(journal: Journal, documents: Iterable[Document]) -> dict[str, OutputName]:
    names = {each.relative: journal.admit(each).name for each in documents}
    journal.commit()
    return names


@settings(max_examples=80, deadline=None)
@given(runs=st.lists(st.lists(near_names, max_size=6).map(Tree), min_size=2, max_size=4), seed=st.integers(0, 99))
def test_names_last_and_are_never_another_document_s(
    runs: list[Tree], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("journal") / "journal.sqlite"
    ever: dict[str, OutputName] = {}
    for tree in runs:
        found = [document(path, tree) for path in random.Random(seed).sample(tree.files, len(tree.files))]
        journal = Journal(place)
        try:
            names = admitted(journal, found)
        finally:
            journal.close()
        for path, name in names.items():
            assert ever.setdefault(path, name) == name
            for file in files_of(name):
                assert_harmless(file)
        assert_one_to_one(ever)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["a.pdf", "a_1.pdf"], ["a.pdf", "a_1.tif"]),
        (["a.pdf", "a_1.pdf"], ["a_1_5.jpg"]),
        (["x/b_1.jpg"], ["X/b.pdf"]),
        (["B_1.jpg"], ["b.pdf"]),
        (["a.jpg"], ["A.jpg", "A.png"]),
        (["a.img"], ["a.jpg"]),
    ],
)
def test_a_name_that_was_another_document_s_once_is_not_given_again(
    before: list[str], after: list[str], tmp_path: Path
) -> None:
    ever: dict[str, OutputName] = {}
    for tree in (Tree(before), Tree(after)):
        journal = Journal(tmp_path / "journal.sqlite")
        ever |= admitted(journal, [document(path, tree) for path in tree.files])
        journal.close()
    assert_one_to_one(ever)
    for path, name in ever.items():
        assert Path(name.single).parent == Path(path).parent


@settings(max_examples=40, deadline=None)
@given(given_paths=st.lists(paths, max_size=10))
def test_a_real_tree_gives_the_same_names_and_no_file_is_written_twice(
    given_paths: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("job")
    tree = Tree(given_paths)
    source, output = root / "in", root / "out"
    source.mkdir()
    tree.make(source)
    found = list(Listing(str(source)).listed(tree.files))
    assert [each.relative for each in found] == tree.files
    written = 0
    for each in found:
        name = each.name()
        assert name == output_name(each.relative, tree.siblings)
        for file in files_of(name):
            (output / file).parent.mkdir(parents=True, exist_ok=True)
            (output / file).open("xb").close()
            written += 1
    assert sum(len(files) for _, _, files in os.walk(output)) == written
