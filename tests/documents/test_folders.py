"""Folders and patterns: what is found, in which order, and what is said where nothing is."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from docfleet.documents.folders import SUFFIXES, Found, is_document_name, match_pattern, walk_folder

NAMES = st.text(alphabet="aAb.-/0 é_~" + "\udcff", min_size=1, max_size=4).map(lambda text: text.replace("/", "!"))
FOLDER_NAMES = NAMES.filter(lambda name: name.strip(".") != "") | st.sampled_from(["x.png", "a", "a.", "a-"])
FILE_NAMES = st.tuples(NAMES, st.sampled_from([".png", ".PDF", ".txt", ".tiff", ""])).map("".join)
PATHS = st.tuples(st.lists(FOLDER_NAMES, max_size=3), FILE_NAMES.filter(lambda name: name.strip(".") != ""))


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def paths_of(found) -> list[str]:
    found = list(found)
    assert [item.problem for item in found] == [None] * len(found)
    return [item.path for item in found]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(paths=st.lists(PATHS, max_size=12))
def test_walk_gives_the_order_of_sorting_all_paths(paths, tmp_path_factory):
    root = str(tmp_path_factory.mktemp("tree"))
    for folders, name in paths:
        try:
            touch(Path(root, *folders, name))
        except OSError:  # A name that already is a file, or a folder: that tree simply lacks it.
            continue
    expected = sorted(
        f"{folder}/{name}"
        for folder, _, names in os.walk(root)
        for name in names
        if Path("x" + name).suffix.lower() in SUFFIXES
    )

    found = list(walk_folder(root))

    assert [item.path for item in found] == (expected or [root])
    assert all(item.problem is None for item in found) == bool(expected)


def test_order_where_a_folder_and_a_file_share_a_beginning(tmp_path):
    for name in ("b.png", "b/c.png", "b-.png", "b0.png", "Z.PNG", ".hid.png"):
        touch(tmp_path / name)

    names = [path.removeprefix(f"{tmp_path}/") for path in paths_of(walk_folder(str(tmp_path)))]

    assert names == [".hid.png", "Z.PNG", "b-.png", "b.png", "b/c.png", "b0.png"]


def test_a_folder_is_listed_only_when_it_is_reached(tmp_path):
    touch(tmp_path / "a" / "1.png")
    touch(tmp_path / "b" / "2.png")
    walk = walk_folder(str(tmp_path))

    assert next(walk).path.endswith("1.png")
    touch(tmp_path / "b" / "3.png")

    assert [Path(path).name for path in paths_of(walk)] == ["2.png", "3.png"]


def test_paths_are_joined_below_the_folder_as_given(tmp_path, monkeypatch):
    touch(tmp_path / "scans" / "a.png")
    monkeypatch.chdir(tmp_path)

    assert paths_of(walk_folder("./scans/")) == ["./scans/a.png"]
    assert paths_of(walk_folder(".")) == ["./scans/a.png"]


def test_links(tmp_path):
    touch(tmp_path / "elsewhere" / "far.png")
    touch(tmp_path / "real.png")
    scans = tmp_path / "scans"
    scans.mkdir()
    (scans / "folder.png").symlink_to(tmp_path / "elsewhere")
    (scans / "file.png").symlink_to(tmp_path / "real.png")
    (scans / "broken.png").symlink_to(tmp_path / "nowhere.png")
    (scans / "circle.png").symlink_to(scans / "circle.png")

    names = [Path(path).name for path in paths_of(walk_folder(str(scans)))]

    assert names == ["broken.png", "circle.png", "file.png"]


def test_a_folder_named_like_an_image_is_a_folder(tmp_path):
    touch(tmp_path / "x.png" / "a.jpg")

    assert paths_of(walk_folder(str(tmp_path))) == [str(tmp_path / "x.png" / "a.jpg")]


@pytest.mark.parametrize(
    ("name", "taken"), [("a.png", True), ("a.JpEg", True), (".pdf", True), ("png", False), ("a.png.txt", False)]
)
def test_names_taken_from_a_folder(name, taken):
    assert is_document_name(name) is taken


def test_folder_without_documents(tmp_path):
    touch(tmp_path / "notes.txt")

    assert list(walk_folder(str(tmp_path))) == [Found(str(tmp_path), "the folder contains no image or PDF")]


def test_a_sub_folder_that_cannot_be_listed_costs_its_place_only(tmp_path):
    touch(tmp_path / "a.png")
    touch(tmp_path / "c.png")
    touch(tmp_path / "b" / "x.png")
    walk = walk_folder(str(tmp_path))
    assert next(walk).path.endswith("a.png")
    (tmp_path / "b" / "x.png").unlink()
    (tmp_path / "b").rmdir()

    gone, last = walk

    assert gone.path.endswith("b")
    assert gone.problem is not None
    assert gone.problem.startswith("the folder cannot be listed: No such file")
    assert last == Found(str(tmp_path / "c.png"))


def test_a_tree_deeper_than_the_recursion_limit(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folders = ["/".join("d" * depth) for depth in range(1, 1200)]
    for folder in folders:
        Path(folder).mkdir()
    page = touch(Path(folders[-1], "a.png"))
    try:
        assert paths_of(walk_folder("d")) == [str(page)]
    finally:
        page.unlink()
        os.removedirs(folders[-1])  # By hand: shutil.rmtree recurses.


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["a.png", "b.png"]),
        ("*.txt", ["notes.txt"]),
        ("?.png", ["a.png", "b.png"]),
        ("[b]*.png", ["b.png"]),
        ("*", ["a.png", "b.png", "notes.txt", "sub/c.png", "sub/deep/d.png"]),
        ("**/*.png", ["a.png", "b.png", "sub/c.png", "sub/deep/d.png"]),
        ("**/*", ["a.png", "b.png", "notes.txt", "sub/c.png", "sub/deep/d.png"]),
        ("s*", ["sub/c.png", "sub/deep/d.png"]),
        ("*/deep", ["sub/deep/d.png"]),
    ],
)
def test_patterns(pattern, names, tmp_path):
    for name in ("a.png", "b.png", "notes.txt", "sub/c.png", "sub/deep/d.png", "sub/readme.txt", "bare/readme.txt"):
        touch(tmp_path / name)

    assert paths_of(match_pattern(f"{tmp_path}/", pattern)) == [f"{tmp_path}/{name}" for name in names]


def test_pattern_does_not_follow_a_circle_of_links(tmp_path):
    touch(tmp_path / "sub" / "a.png")
    (tmp_path / "sub" / "up").symlink_to(tmp_path)

    assert paths_of(match_pattern(str(tmp_path), "**/*.png")) == [str(tmp_path / "sub" / "a.png")]


def test_relative_patterns(tmp_path, monkeypatch):
    touch(tmp_path / "sub" / "a.png")
    monkeypatch.chdir(tmp_path)

    assert paths_of(match_pattern("", "*/*.png")) == ["sub/a.png"]
    assert paths_of(match_pattern("./sub/", "*.png")) == ["./sub/a.png"]


def test_pattern_without_a_match(tmp_path):
    touch(tmp_path / "bare" / "notes.txt")

    for pattern in ("*.png", "b*"):
        assert list(match_pattern(str(tmp_path), pattern)) == [
            Found(str(tmp_path / pattern), "nothing matches the pattern")
        ]
