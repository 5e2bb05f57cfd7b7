"""What is saved of a page, and how it is found again to be removed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from docfleet.batch.artefacts import artefacts, check_saves, file_tails, kinds_of, line, remove
from docfleet.batch.names import OutputName
from docfleet.errors import UsageError
from docfleet.results.base import Artefact, BaseResult


class Plain(BaseResult):
    json_keys: ClassVar[tuple[str, ...]] = ("input_path", "words")


class Spoken(Plain):
    @property
    def text(self) -> str:
        return "\n".join(self["words"])


class Drawn(Spoken):
    kinds: ClassVar[tuple[str, ...]] = ("json", "img", "markdown")

    def artefacts(self, kind: str) -> Iterator[Artefact]:
        yield Artefact(kind, ".png", f"{kind} of {self.save_as}".encode())


RECORD = {"input_path": "in/bad\udcff.png", "words": ["é", "\udcff", "two\u2028three"]}


def test_a_pipeline_without_text_has_no_text_files() -> None:
    assert sorted(kinds_of(Plain)) == ["json", "jsonl"]
    assert sorted(kinds_of(Spoken)) == ["json", "jsonl", "txt"]


@pytest.mark.parametrize(
    ("saves", "message"),
    [
        (["json", "pictures"], "save is 'pictures': this pipeline's results can be saved as json, jsonl"),
        (["txt"], "save is 'txt'"),
        ([], "save names nothing: choose from json, jsonl"),
    ],
)
def test_kinds_that_there_are_not_are_refused_with_those_there_are(saves: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_saves(saves, Plain)
    check_saves(["json", "txt", "jsonl"], Spoken)


def test_the_json_comes_last_and_is_the_reference_s() -> None:
    files = artefacts(Spoken.from_record(RECORD), ["json", "jsonl", "txt"])
    assert [tail for tail, _ in files] == [".txt", ".json"]
    assert json.loads(files[1][1]) == RECORD
    assert files[1][1].startswith(b'{\n    "input_path"')
    assert files[0][1] == "é\n\\udcff\ntwo\u2028three\n".encode()


def test_files_that_a_result_brings_come_before_its_json() -> None:
    assert sorted(kinds_of(Drawn)) == ["img", "json", "jsonl", "markdown", "txt"]
    drawn = Drawn.from_record(RECORD)
    drawn.save_as = "a~png"
    assert [tail for tail, _ in artefacts(drawn, ["json", "markdown", "img"])] == ["_img.png", "_markdown.png", ".json"]
    assert artefacts(drawn, ["img"]) == [("_img.png", b"img of a~png")]
    assert artefacts(drawn, ["txt"])[0][0] == ".txt"


def test_files_that_were_brought_are_removed_however_many_there_are(tmp_path: Path) -> None:
    name = OutputName("a", "a")
    mine = [
        "a_0_ocr_res_img.jpg", "a_0_seal_res_region1.png", "a_0_seal_res_region2.png", "a_0_table_0.html",
        "a_0_table_1.html", "a_0_table_2.html", "a_0_table_1.xlsx", "a_0.md", "a_0_imgs/x.jpg",
        "a_preprocessed_img.tif",
    ]  # fmt: skip
    others = ["a_0_table_0_ocr_res_img.jpg", "a_1.md", "a_0_table_1_table_1.html", "a_0_imgs.json"]
    (tmp_path / "a_0_imgs").mkdir()
    for each in (*mine, *others):
        (tmp_path / each).touch()
    remove(tmp_path, name, 1, ["img", "html", "xlsx", "markdown"])
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(others)


def test_an_empty_page_has_an_empty_text() -> None:
    assert artefacts(Spoken.from_record({"words": []}), ["txt"]) == [(".txt", b"")]


def test_a_line_is_one_line_of_json() -> None:
    data = line(Spoken.from_record(RECORD))
    assert data.endswith(b"}\n")
    assert data.count(b"\n") == 1
    assert json.loads(data) == RECORD


@pytest.mark.parametrize("saves", [["json"], ["txt", "json"], ["jsonl"]])
def test_removing_finds_every_file_of_a_document_and_no_other(saves: list[str], tmp_path: Path) -> None:
    name, other = OutputName("x/a", "x/a~pdf"), OutputName("x/a_1~jpg", "x/a_1~jpg")
    (tmp_path / "x").mkdir()
    for page in (None, 0, 1, 2):
        for tail in file_tails(saves):
            (tmp_path / f"{name.of(page)}{tail}").touch()
    for tail in (".json", ".txt"):
        (tmp_path / f"{other.single}{tail}").touch()
        (tmp_path / f"{name.of(3)}{tail}").touch()
    remove(tmp_path, name, 3, saves)
    assert sorted(path.name for path in (tmp_path / "x").iterdir()) == [
        "a_1~jpg.json", "a_1~jpg.txt", "a~pdf_3.json", "a~pdf_3.txt"
    ]  # fmt: skip
    remove(tmp_path, OutputName("nowhere/b", "nowhere/b"), 1, saves)
