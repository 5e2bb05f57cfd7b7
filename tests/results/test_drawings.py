"""Drawings: where things are on them. How they look is for eyes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import docfleet.results.drawings as drawings
from docfleet.results.drawings import lines_of_text, panels
from docfleet.results.fonts import Fonts
from docfleet.results.ocr import OCRResult

LATIN = Fonts([None])


def page(height: int, width: int, shade: int = 255) -> np.ndarray:
    return np.full((height, width, 3), shade, np.uint8)


def quad(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.int16)


def ink(picture: Image.Image, box: tuple[int, int, int, int]) -> int:
    """How many pixels of a part are nearly black."""
    return int((np.asarray(picture.crop(box).convert("L")) < 80).sum())


def test_pages_stand_side_by_side_with_captions() -> None:
    first, second = page(300, 200, 10), page(200, 300, 200)
    drawing = panels([(first, "Original Image"), (second, "Rotated Image (True, 90)")], LATIN)
    assert drawing.size == (500, 300 + 25)
    pixels = np.asarray(drawing)
    assert (pixels[:300, :199] == 10).all()
    assert (pixels[:200, 201:] == 200).all()
    assert ink(drawing, (0, 300, 200, 325)) > 50
    assert ink(drawing, (200, 300, 500, 325)) > 50


def test_colours_are_not_mixed_up() -> None:
    blue = page(50, 50, 0)
    blue[..., 0] = 255
    assert panels([(blue, "")], LATIN).getpixel((10, 10)) == (0, 0, 255)


def test_texts_stand_beside_the_page_where_they_were_found() -> None:
    sheet = page(200, 400)
    drawing = lines_of_text(sheet, [quad(20, 30, 300, 60), quad(20, 100, 300, 130)], ["hello world", ""], LATIN)
    assert drawing.size == (800, 200)
    assert ink(drawing, (420, 31, 700, 60)) > 100
    assert ink(drawing, (422, 102, 698, 128)) == 0
    left, right = np.asarray(drawing)[:, :400], np.asarray(drawing)[:, 400:]
    assert (left[45, 150] != 255).any()
    assert (left[80, 150] == 255).all()
    assert (right[100, 150] != 255).any()  # the outline of the empty line
    assert (left[45, 150] != left[115, 150]).any()


def test_text_shrinks_to_its_quad() -> None:
    drawing = lines_of_text(page(100, 300), [quad(10, 10, 110, 40)], ["a very long line of text indeed"], LATIN)
    assert ink(drawing, (311, 11, 410, 40)) > 20
    assert ink(drawing, (412, 0, 600, 100)) == 0


@pytest.mark.parametrize("text", ["sideways, from the top to the end", "竖排文字"])
def test_text_that_runs_down_the_page_fills_its_quad(text: str) -> None:
    drawing = lines_of_text(page(400, 100), [quad(30, 20, 60, 380)], [text], LATIN)
    assert ink(drawing, (132, 22, 158, 200)) > 20
    assert ink(drawing, (132, 200, 158, 340)) > 20


@pytest.mark.parametrize(
    "corners",
    [
        [[0, 0], [0, 0], [0, 0], [0, 0]],
        [[5, 5], [90, 5], [90, 6], [5, 6]],
        [[-40, -40], [160, -40], [160, 160], [-40, 160]],
        [[500, 500], [600, 500], [600, 520], [500, 520]],
        [[10, 90], [90, 10], [95, 15], [15, 95]],
        [[1, 1], [50, 1], [80, 20], [40, 60], [2, 30]],
    ],
)
def test_odd_quads_are_drawn_too(corners: list[list[int]]) -> None:
    drawing = lines_of_text(page(100, 100), [np.array(corners)], ["odd"], LATIN)
    assert drawing.size == (200, 100)


def test_a_drawing_is_never_larger_than_files_take(monkeypatch: pytest.MonkeyPatch) -> None:
    assert max(lines_of_text(page(40, 30_000), [], [], LATIN).size) <= 16_000
    assert max(panels([(page(40_000, 30), "long")] * 3, LATIN).size) <= 16_000 * (1 + drawings._CAPTION) + 1
    monkeypatch.setattr(drawings, "_MOST_PIXELS", 10_000)
    scaled = lines_of_text(page(200, 400), [quad(40, 40, 360, 160)], [""], LATIN)
    assert scaled.width * scaled.height <= 10_000
    pixels = np.asarray(scaled)
    assert (pixels[scaled.height // 2, scaled.width // 4] != 255).any()


@pytest.fixture
def words() -> OCRResult:
    sheet = page(100, 300)
    return OCRResult.from_record(
        {
            "input_path": "page.png",
            "page_index": None,
            "doc_preprocessor_res": {"output_img": sheet},
            "dt_polys": quad(10, 10, 290, 40)[None],
            "rec_polys": quad(10, 10, 290, 40)[None],
            "rec_texts": ["two words"],
            "text_word": [["two", "words"]],
            "text_word_region": [[quad(10, 10, 100, 40).tolist(), quad(200, 10, 290, 40).tolist()]],
        }
    )


def test_words_are_drawn_where_there_are_any(words: OCRResult, tmp_path: Path) -> None:
    pixels = np.asarray(words.img["ocr_res_img"])
    assert (pixels[25, 150] == 255).all()  # between the words
    del words["text_word_region"]
    assert (np.asarray(words.img["ocr_res_img"])[25, 150] != 255).any()
    words.save_to_img(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["page_ocr_res_img.png"]


def test_drawing_leaves_the_page_alone(words: OCRResult) -> None:
    before = words["doc_preprocessor_res"]["output_img"].copy()
    words.img  # noqa: B018
    assert np.array_equal(words["doc_preprocessor_res"]["output_img"], before)
