"""Saving and showing pages: names never collide, what cannot be written is named, nothing reaches a terminal raw."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from docfleet.cli.pages import Saver, documents_of, kinds_given, show_page
from docfleet.documents.pages import Limits
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source, iter_sources
from docfleet.errors import InputError, OutputError, UsageError
from docfleet.results.base import Artefact, BaseResult


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def standard_input(monkeypatch: pytest.MonkeyPatch, buffer: io.BytesIO) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(buffer))


def test_one_input_is_not_a_list_and_several_are() -> None:
    assert documents_of(["http://localhost/a.png"], max_file_bytes=None) == "http://localhost/a.png"
    assert documents_of(["a.png", "b"], max_file_bytes=None) == ["a.png", "b"]


def test_standard_input_is_one_document_with_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, io.BytesIO(b"\x89PNG\r\n\xff"))
    found = documents_of(["-"], max_file_bytes=None)
    assert isinstance(found, Source)
    assert (found.input_path, found.data) == ("stdin", b"\x89PNG\r\n\xff")


def test_standard_input_beside_others_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, io.BytesIO(b"x"))
    found = list(iter_sources(documents_of(["a.png", "-"], max_file_bytes=None)))
    assert [source.input_path for source in found] == ["a.png", "stdin"]


def test_no_more_is_read_than_it_takes_to_refuse_it(monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, io.BytesIO(bytes(100)))
    found = documents_of(["-"], max_file_bytes=10)
    assert isinstance(found, Source)
    with (
        Reader(Limits(max_file_bytes=10)) as reader,
        pytest.raises(InputError, match="stdin: 11 bytes, over the limit"),
    ):
        reader.read(found)


def test_a_terminal_is_no_document(monkeypatch: pytest.MonkeyPatch) -> None:
    standard_input(monkeypatch, Terminal())
    with pytest.raises(UsageError, match="standard input, which is a terminal: send a file into it"):
        documents_of(["-"], max_file_bytes=None)


def page(input_path: str, page_index: int | None = None) -> BaseResult:
    return BaseResult(input_path=input_path, page_index=page_index)


def test_pages_never_share_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inputs = ["a.png", "a.jpg", "x/a.png", "A.png", "a~2.png", "b.pdf"]
    with Saver(str(tmp_path)) as saver:
        for path in inputs:
            saver.save(page(path))
    names = sorted(path.name for path in tmp_path.iterdir())
    assert len({name.lower() for name in names}) == saver.saved == len(inputs)
    found = {json.loads((tmp_path / name).read_text())["input_path"] for name in names}
    assert found == set(inputs)
    assert "a.jpg is saved as a~2: its name was taken" in capsys.readouterr().err


def test_a_name_that_cannot_be_written_costs_its_page_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Saver(str(tmp_path)) as saver:
        for path in ("a.png", "n" * 254 + ".png", "z.png"):
            saver.save(page(path))
    assert (saver.saved, saver.failed) == (2, 1)
    assert "cannot be saved: File name too long" in capsys.readouterr().err


def test_a_file_in_the_folders_place_ends_the_command(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="cannot be made a folder"):
        Saver(str(tmp_path / "taken" / "below"))
    with pytest.raises(OutputError, match="cannot be made a folder"):
        Saver(str(tmp_path / "taken"))


def test_a_folder_that_disappears_for_good_ends_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with pytest.raises(OutputError, match=r"a\.png cannot be saved"), Saver(str(folder)) as saver:
        folder.rmdir()
        folder.touch()
        saver.save(page("a.png"))


def test_many_pages_wait_only_so_far(tmp_path: Path) -> None:
    """Pages hold their images until they are written; the folder is the one that holds them up here."""
    released, waiting = threading.Event(), threading.Semaphore(0)

    class Slow(BaseResult):
        def artefacts(self, kind: str) -> Iterator[Artefact]:
            waiting.release()
            released.wait(60)
            yield from super().artefacts(kind)

    made: list[int] = []

    def save_all(saver: Saver) -> None:
        for number in range(50):
            made.append(number)
            saver.save(Slow(input_path=f"{number}.png"))

    with Saver(str(tmp_path)) as saver:
        thread = threading.Thread(target=save_all, args=(saver,))
        thread.start()
        assert waiting.acquire(timeout=60)
        thread.join(0.3)
        held = len(made)
        released.set()
        thread.join(60)
    assert held < 20
    assert saver.saved == len(list(tmp_path.iterdir())) == 50


@pytest.mark.parametrize("text", ["html", "json,html", "", "json,"])
def test_kinds_that_there_are_not_are_wrong_usage(text: str) -> None:
    with pytest.raises(UsageError, match="is not one of json, img"):
        kinds_given(text, ("json", "img"))


def test_kinds_are_named_with_commas() -> None:
    assert kinds_given("img, json", ("json", "img", "page")) == ["img", "json"]
    assert kinds_given(None, ("json",)) is None


def test_an_empty_folder_name_is_wrong_usage() -> None:
    with pytest.raises(UsageError, match="--save_path is empty"):
        Saver("")


def test_names_reach_the_terminal_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    show_page(page("evil\x1b[31m\n.png", 0), "text", "text", summary="1 lines")
    out, err = capsys.readouterr()
    assert out == "text\n"
    assert err == "== evil\\x1b[31m\\n.png page 1: 1 lines\n"
