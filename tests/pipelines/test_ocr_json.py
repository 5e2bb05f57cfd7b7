"""The JSON of OCR against the reference's contract: keys and their order, types, shapes.

The expectations are written from what PaddleOCR 3.7 puts out for the same kinds of page, not from our own output. Pages
are read as they lie here; `test_ocr_preprocessing.py` turns and flattens them first.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from docfleet import OCRResult, PaddleOCR

pytestmark = pytest.mark.weights

ALWAYS = [
    "input_path", "page_index", "model_settings", "dt_polys", "text_det_params", "text_type",
    "textline_orientation_angles", "text_rec_score_thresh", "return_word_box", "rec_texts", "rec_scores", "rec_polys",
    "rec_boxes",
]  # fmt: skip
WORDS = ["text_word_boxes", "text_word"]


def is_point(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(type(number) is int for number in value)


def is_quad(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(is_point, value))


def is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(type(number) is int for number in value)


def list_of(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(check, value))


CHECKS: dict[str, Callable[[Any], bool]] = {
    "input_path": lambda value: value is None or type(value) is str,
    "page_index": lambda value: value is None or type(value) is int,
    "model_settings": lambda value: list(value) == ["use_doc_preprocessor", "use_textline_orientation"]
    and all(type(one) is bool for one in value.values()),
    "dt_polys": list_of(is_quad),
    "text_det_params": lambda value: {key: type(one) for key, one in value.items()}
    == {"limit_side_len": int, "limit_type": str, "thresh": float, "max_side_limit": int, "box_thresh": float,
        "unclip_ratio": float}
    and list(value) == ["limit_side_len", "limit_type", "thresh", "max_side_limit", "box_thresh", "unclip_ratio"],
    "text_type": lambda value: value == "general",
    "textline_orientation_angles": list_of(lambda value: type(value) is int and value in (-1, 0, 1)),
    "text_rec_score_thresh": lambda value: type(value) is float,
    "return_word_box": lambda value: type(value) is bool,
    "rec_texts": list_of(lambda value: type(value) is str),
    "rec_scores": list_of(lambda value: type(value) is float and 0 <= value <= 1),
    "rec_polys": list_of(is_quad),
    "rec_boxes": list_of(is_box),
    "text_word_boxes": list_of(list_of(is_box)),
    "text_word": list_of(list_of(lambda value: type(value) is str)),
}  # fmt: skip


def page_with_text() -> NDArray[np.uint8]:
    image = np.full((200, 520, 3), 255, np.uint8)
    cv2.putText(image, "Invoice 2026-11", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    cv2.putText(image, "total 42 EUR", (20, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    return image


def blank_page() -> NDArray[np.uint8]:
    return np.full((120, 160, 3), 255, np.uint8)


@pytest.fixture(scope="module")
def ocr() -> Iterator[PaddleOCR]:
    with PaddleOCR(
        device="cpu", precision="fp32", use_doc_orientation_classify=False, use_doc_unwarping=False
    ) as pipeline:
        yield pipeline


def saved(result: OCRResult, folder: Path) -> dict[str, Any]:
    result.save_to_json(folder / "page.json")
    document: dict[str, Any] = json.loads((folder / "page.json").read_text(encoding="utf-8"))
    return document


@pytest.mark.parametrize("words", [False, True])
def test_a_page_with_text(ocr: PaddleOCR, tmp_path: Path, words: bool) -> None:
    [result] = ocr.predict(page_with_text(), return_word_box=words)
    document = saved(result, tmp_path)
    assert list(document) == ALWAYS + (WORDS if words else [])
    assert [key for key, value in document.items() if not CHECKS[key](value)] == []
    assert document["rec_texts"] == ["Invoice 2026-11", "total 42 EUR"]
    assert document["return_word_box"] is words
    count = len(document["rec_texts"])
    for key in (
        "dt_polys",
        "rec_polys",
        "rec_scores",
        "rec_boxes",
        "textline_orientation_angles",
        *(WORDS if words else []),
    ):
        assert len(document[key]) == count, key
    for quad, box in zip(document["rec_polys"], document["rec_boxes"], strict=True):
        xs, ys = zip(*quad, strict=True)
        assert box == [min(xs), min(ys), max(xs), max(ys)]


@pytest.mark.parametrize("words", [False, True])
def test_a_blank_page_has_no_angles_and_empty_lists(ocr: PaddleOCR, tmp_path: Path, words: bool) -> None:
    [result] = ocr.predict(blank_page(), return_word_box=words)
    document = saved(result, tmp_path)
    assert list(document) == [key for key in ALWAYS if key != "textline_orientation_angles"] + (WORDS if words else [])
    for key in ("dt_polys", "rec_texts", "rec_scores", "rec_polys", "rec_boxes", *(WORDS if words else [])):
        assert document[key] == [], key
    assert result["rec_boxes"].shape == (0,)
    assert result["rec_boxes"].dtype == np.float64


def test_what_the_result_holds_in_memory(ocr: PaddleOCR) -> None:
    image = page_with_text()
    [result] = ocr.predict([image], return_word_box=True)
    assert isinstance(result, dict)
    assert [(poly.shape, poly.dtype) for poly in result["dt_polys"]] == [((4, 2), np.int16)] * 2
    assert [(poly.shape, poly.dtype) for poly in result["rec_polys"]] == [((4, 2), np.int16)] * 2
    assert (result["rec_boxes"].shape, result["rec_boxes"].dtype) == ((2, 4), np.int16)
    assert all(type(score) is float for score in result["rec_scores"])
    for words, boxes, regions in zip(
        result["text_word"], result["text_word_boxes"], result["text_word_region"], strict=True
    ):
        assert (boxes.shape, boxes.dtype) == ((len(words), 4), np.int64)
        assert all(
            isinstance(region, tuple) and all(isinstance(point, tuple) for point in region) for region in regions
        )
        assert [len(region) for region in regions] == [4] * len(words)
    assert np.array_equal(result["doc_preprocessor_res"]["output_img"], image)
    assert result.input_path is None
    assert result.texts == result["rec_texts"]


def test_angles_are_minus_one_when_nobody_looked(ocr: PaddleOCR) -> None:
    [result] = ocr.predict(page_with_text(), use_textline_orientation=False)
    assert result["textline_orientation_angles"] == [-1, -1]
    assert result["model_settings"] == {"use_doc_preprocessor": False, "use_textline_orientation": False}


def test_settings_of_one_call_are_reported_and_gone_with_it(ocr: PaddleOCR) -> None:
    [changed] = ocr.predict(page_with_text(), text_det_thresh=0.25, text_rec_score_thresh=0.999999)
    assert changed["text_det_params"]["thresh"] == 0.25
    assert changed["text_rec_score_thresh"] == 0.999999
    assert len(changed["rec_texts"]) < len(changed["dt_polys"]) == 2
    [usual] = ocr.predict(page_with_text())
    assert usual["text_det_params"]["thresh"] == 0.3
    assert len(usual["rec_texts"]) == 2
