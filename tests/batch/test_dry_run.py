"""What a job would do, said without doing it; by real workers that only count pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from docfleet.batch.dry_run import dry_run
from docfleet.batch.options import JobOptions
from docfleet.batch.selection import PageSelection
from docfleet.errors import UsageError
from tests.batch.pipelines import Echo, EchoOptions


@pytest.fixture
def scans(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `in` below the current one: an image, a document of five pages, one of a single page, and a text."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "deep").mkdir()
    for name, pages in (("a.png", 1), ("deep/b.tif", 5), ("one.tif", 1)):
        first, *others = (Image.new("L", (8, 6), number) for number in range(pages))
        first.save(folder / name, **({"save_all": True, "append_images": others} if others else {}))
    (folder / "deep" / "notes.txt").write_text("no document")
    return folder


def said(**options: Any) -> tuple[int, list[list[str]]]:
    """Exit status, and the lines by their fields."""
    lines: list[str] = []
    job = JobOptions(**{"input_dir": "in", "output_dir": Path("out"), **options})
    status = dry_run(Echo, EchoOptions(timeout=60.0), job, lines.append)
    assert not Path("out").exists()
    return status, [line.split("\t") for line in lines]


def test_documents_pages_and_names_are_said_in_order(scans: Path) -> None:
    status, lines = said(saves=("json", "txt"))
    assert status == 0
    assert lines == [
        ["in/a.png", "1 page", "a.txt a.json"],
        ["in/deep/b.tif", "5 pages", "deep/b_0.txt deep/b_0.json ... deep/b_4.json"],
        ["in/one.tif", "1 page", "one_0.txt one_0.json"],
        ["3 documents, 7 pages, 0 that cannot be opened, 1 files of other suffixes skipped; nothing was written"],
    ]


def test_pages_that_are_not_selected_are_not_counted(scans: Path) -> None:
    _, lines = said(pages=PageSelection.parse("2,4-"))
    assert lines[:3] == [
        ["in/a.png", "0 pages", ""],
        ["in/deep/b.tif", "3 pages", "deep/b_1.json deep/b_3.json deep/b_4.json"],
        ["in/one.tif", "0 pages", ""],
    ]


def test_lines_have_no_names(scans: Path) -> None:
    _, lines = said(saves=("jsonl",), pattern="deep/*.tif")
    assert lines[0] == ["in/deep/b.tif", "5 pages", "a line of jsonl"]
    _, lines = said(saves=("jsonl", "json"), pattern="a.png")
    assert lines[0] == ["in/a.png", "1 page", "a.json a line of jsonl"]


def test_what_cannot_be_opened_is_named_and_gives_status_1(scans: Path) -> None:
    (scans / "bad.pdf").write_bytes(b"%PDF-1.7 and nothing more")
    status, lines = said(input_list=["bad.pdf", "missing.png", "a.png"])
    assert status == 1
    assert lines[0][:1] == ["in/bad.pdf"]
    assert lines[0][1].startswith("input: in/bad.pdf: ")
    assert lines[1] == ["in/missing.png", "input: in/missing.png: no such file or folder"]
    assert lines[3] == ["3 documents, 1 page, 2 that cannot be opened; nothing was written"]


def test_a_limit_holds_and_names_fit_on_their_line(scans: Path) -> None:
    (scans / "a.png").rename(scans / os.fsdecode(b"a\n\xff.png"))
    _, lines = said(limit=1)
    assert len(lines) == 2
    assert lines[0][0] == "in/a\\n\\udcff.png"
    assert lines[0][2].startswith("a__~")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pattern": "*.pdf"}, "there is nothing to do: '*.pdf' matches nothing below in"),
        ({"input_list": []}, "the list names nothing"),
        ({"saves": ("pictures",)}, "save is 'pictures'"),
        ({"input_dir": "nowhere"}, "the input folder does not exist: nowhere"),
    ],
)
def test_where_there_is_nothing_to_do_it_is_said_why(scans: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as error:
        said(**options)
    assert message in str(error.value)
