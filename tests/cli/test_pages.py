"""Saving and showing pages: names never collide, what cannot be written is named, nothing reaches a terminal raw."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docfleet.cli.pages import Saver, show_page
from docfleet.errors import OutputError, UsageError
from docfleet.results.base import BaseResult


def page(input_path: str, page_index: int | None = None) -> BaseResult:
    return BaseResult(input_path=input_path, page_index=page_index)


def test_pages_never_share_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saver = Saver(str(tmp_path))
    inputs = ["a.png", "a.jpg", "x/a.png", "A.png", "a~2.png", "b.pdf"]
    assert all(saver.save(page(path)) for path in inputs)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len({name.lower() for name in names}) == saver.saved == len(inputs)
    found = {json.loads((tmp_path / name).read_text())["input_path"] for name in names}
    assert found == set(inputs)
    assert "a.jpg is saved as a~2: its name was taken" in capsys.readouterr().err


def test_a_name_that_cannot_be_written_costs_its_page_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saver = Saver(str(tmp_path))
    assert [saver.save(page(path)) for path in ("a.png", "n" * 254 + ".png", "z.png")] == [True, False, True]
    assert saver.saved == 2
    assert "cannot be saved: File name too long" in capsys.readouterr().err


def test_a_file_in_the_folders_place_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="cannot be made a folder"):
        Saver(str(tmp_path / "taken" / "below"))
    with pytest.raises(OutputError, match="cannot be made a folder"):
        Saver(str(tmp_path / "taken"))


def test_a_folder_that_disappears_for_good_ends_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    saver = Saver(str(folder))
    folder.rmdir()
    folder.touch()
    with pytest.raises(OutputError, match=r"a\.png cannot be saved"):
        saver.save(page("a.png"))


def test_an_empty_folder_name_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="--save_path is empty"):
        Saver("")


def test_names_reach_the_terminal_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    show_page(page("evil\x1b[31m\n.png", 0), "text", "text", summary="1 lines")
    out, err = capsys.readouterr()
    assert out == "text\n"
    assert err == "== evil\\x1b[31m\\n.png page 1: 1 lines\n"
