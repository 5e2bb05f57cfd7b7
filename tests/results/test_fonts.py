"""Fonts: which one draws a character, and what happens where none has it."""

from __future__ import annotations

import logging
from pathlib import Path

import PIL
import pytest

from docfleet.errors import UsageError
from docfleet.results import fonts as module
from docfleet.results.fonts import VARIABLES, Face, Fonts, font_folders, fonts_for, installed

BUNDLED: list[Path | None] = [None]


@pytest.fixture(autouse=True)
def _nothing_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    module._fonts.cache_clear()


@pytest.fixture
def some_font() -> Path:
    """Any font file on this machine."""
    found = [path for path in installed(font_folders()) if Face(path).usable()]
    if not found:
        pytest.skip("no font is installed here")
    return found[0]


def test_latin_is_drawn_by_pillows_own_font(caplog: pytest.LogCaptureFixture) -> None:
    [(face, text)] = Fonts(BUNDLED).runs("Invoice No. 7")
    assert (face.path, text) == (None, "Invoice No. 7")
    assert caplog.records == []


def test_what_no_font_has_becomes_boxes_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    fonts = Fonts(BUNDLED)
    shown = "".join(text for _, text in fonts.runs("发票 No. 7"))
    assert shown[2:] == " No. 7"
    assert shown[0] == shown[1]
    assert shown[0] in "□?"
    fonts.runs("更多")
    [warning] = caplog.records
    assert warning.levelno == logging.WARNING
    assert "'发', '票'" in warning.getMessage()
    assert VARIABLES[0] in warning.getMessage()


def test_each_character_comes_from_the_first_font_that_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = {"first": set("abc "), "second": set("abcxyz ")}
    monkeypatch.setattr(Face, "usable", lambda self: str(self.path) in letters)
    monkeypatch.setattr(Face, "has", lambda self, character: character in letters[str(self.path)])
    fonts = Fonts([Path("first"), Path("broken"), Path("second")])
    assert [(str(face.path), text) for face, text in fonts.runs("ab xy a")] == [
        ("first", "ab "),
        ("second", "xy"),
        ("first", " a"),
    ]


def test_controls_are_left_out_and_every_space_is_one() -> None:
    assert "".join(text for _, text in Fonts(BUNDLED).runs("a\tb\u200e\x1b\nc")) == "a b c"


def test_without_any_font_there_is_no_text() -> None:
    assert Fonts([Path("nowhere.ttf")]).runs("text") == []


def test_files_that_are_no_fonts_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.ttf").write_bytes(b"not a font")
    [(face, _)] = Fonts([tmp_path / "broken.ttf", None]).runs("text")
    assert face.path is None


def test_preferred_fonts_come_first_and_the_rest_by_name(tmp_path: Path) -> None:
    for name in ("zebra.ttf", "DejaVuSans.ttf", "sub/Noto Sans CJK-Regular.ttc", "sub/ape.OTF", "readme.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = installed([tmp_path, tmp_path / "missing"])
    assert [path.name for path in found] == ["Noto Sans CJK-Regular.ttc", "DejaVuSans.ttf", "ape.OTF", "zebra.ttf"]


@pytest.mark.parametrize("name", VARIABLES)
def test_the_environment_names_a_font(monkeypatch: pytest.MonkeyPatch, some_font: Path, name: str) -> None:
    monkeypatch.setenv(name, str(some_font))
    assert fonts_for().runs("a")[0][0].path == some_font


def test_the_call_has_the_last_word(monkeypatch: pytest.MonkeyPatch, some_font: Path) -> None:
    monkeypatch.setenv(VARIABLES[0], "nowhere.ttf")
    assert fonts_for(some_font).runs("a")[0][0].path == some_font


def test_a_font_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"not a font")
    with pytest.raises(UsageError, match=r"broken\.ttf is not a font"):
        fonts_for(broken)
    with pytest.raises(UsageError, match=r"nowhere\.ttf is not a font"):
        fonts_for("nowhere.ttf")


def test_pillow_is_new_enough_for_its_own_font() -> None:
    assert int(PIL.__version__.split(".")[0]) >= 11
    assert Face(None).usable()
