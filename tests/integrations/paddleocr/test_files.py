from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from docfleet.errors import StartError
from docfleet.integrations.paddleocr import files
from docfleet.integrations.paddleocr.files import check_kinds, files_of, with_pictures_named


class Page(dict[str, Any]):
    """A result whose files are named by its input, as the package's are."""

    def _name(self) -> str:
        page = "" if self["page_index"] is None else f"_{self['page_index']}"
        # One of the package's classes writes the page twice.
        return f"{Path(self['input_path']).stem}{page}{page}"

    def save_to_img(self, folder: str) -> None:
        for key in ("ocr_res_img", "layout_det_res"):
            Path(folder, f"{self._name()}_{key}{Path(self['input_path']).suffix}").write_bytes(key.encode())

    def save_to_markdown(self, folder: str) -> None:
        (Path(folder) / "imgs").mkdir()
        (Path(folder) / "imgs" / "box_1_2.jpg").write_bytes(b"picture")
        Path(folder, f"{self._name()}.md").write_text('<img src="imgs/box_1_2.jpg"> and imgs/ in a text')

    def save_to_latex(self, folder: str) -> None:
        self.save_to_markdown(folder)
        Path(folder, f"{self._name()}.md").unlink()
        picture = Path(folder).resolve() / "imgs" / "box_1_2.jpg"
        Path(folder, f"{self._name()}.tex").write_text(rf"\includegraphics{{{picture}}}")

    def save_to_word(self, folder: str) -> None:
        self.save_to_markdown(folder)
        Path(folder, f"{self._name()}.md").rename(Path(folder, f"{self._name()}.docx"))

    def save_to_html(self, folder: str) -> None:
        raise KeyError("page_index")


PAGE = {"input_path": "x/scan.jpg", "page_index": 3, "text": "x"}


def test_drawings_are_named_by_what_they_show_alone() -> None:
    assert files_of(Page(PAGE), "img", "x/scan.jpg") == [
        ("_layout_det_res.jpg", b"layout_det_res"),
        ("_ocr_res_img.jpg", b"ocr_res_img"),
    ]


@pytest.mark.parametrize(
    ("source", "suffix"),
    [("a.JPG", ".jpg"), ("a.tif", ".tif"), ("a.pdf", ".png"), ("a.ras", ".png"), ("a", ".png"), (None, ".png")],
)
def test_drawings_have_the_suffix_of_an_image_or_are_png(source: str | None, suffix: str) -> None:
    assert files_of(Page(PAGE), "img", source)[0][0] == f"_layout_det_res{suffix}"


def test_the_result_is_left_as_it_was() -> None:
    page = Page(PAGE)
    files_of(page, "img", None)
    with pytest.raises(KeyError):
        files_of(page, "html", None)
    assert dict(page) == PAGE
    assert list(page) == list(PAGE)


def test_a_class_that_cannot_be_saved_so_brings_nothing() -> None:
    assert files_of(Page(PAGE), "xlsx", None) == []


def test_nothing_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    files_of(Page(PAGE), "markdown", None)
    with pytest.raises(KeyError):
        files_of(Page(PAGE), "html", None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("kind", "tail", "text"),
    [
        ("markdown", ".md", b'<img src="a%20scan_3_imgs/box_1_2.jpg"> and imgs/ in a text'),
        ("latex", ".tex", rb"\includegraphics{a scan_3_imgs/box_1_2.jpg}"),
    ],
)
def test_pictures_get_a_folder_of_their_page_and_the_text_finds_them(kind: str, tail: str, text: bytes) -> None:
    made = files_of(Page(PAGE), kind, None)
    assert dict(with_pictures_named(made, "a scan_3")) == {tail: text, "_imgs/box_1_2.jpg": b"picture"}


def test_a_word_file_comes_without_the_pictures_in_it() -> None:
    assert [tail for tail, _ in files_of(Page(PAGE), "word", None)] == [".docx"]


def test_what_word_files_need_is_asked_for_before_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StartError, match="pip install python-docx"):
        check_kinds(["img", "word"])
    check_kinds(["img"])
