"""`PaddleOCR` with its preprocessing steps, which are on unless they are switched off."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from pathlib import Path

import cv2
import numpy as np
import pytest

from docfleet import DocPreprocessor, DocPreprocessorResult, OCRResult, PaddleOCR
from tests.pipelines.test_split import same

pytestmark = pytest.mark.weights

PAGES = Path(__file__).parents[2] / "examples" / "pages"
BEFORE_LINES = ["input_path", "page_index", "model_settings", "doc_preprocessor_res", "dt_polys", "text_det_params"]


@pytest.fixture(scope="module")
def ocr() -> Iterator[PaddleOCR]:
    with PaddleOCR(device="cpu", precision="fp32") as pipeline:
        yield pipeline


def read(ocr: PaddleOCR, name: str, **settings: bool) -> OCRResult:
    [result] = ocr.predict(str(PAGES / name), **settings)
    assert isinstance(result, OCRResult)
    return result


def similarity(result: OCRResult, expected: str) -> float:
    text = (PAGES / "expected" / f"{expected}.txt").read_text(encoding="utf-8")
    a, b = (re.sub(r"\s+", "", one) for one in (text, result.text))
    return SequenceMatcher(None, a, b, autojunk=False).ratio()


def test_the_json_is_the_references(ocr: PaddleOCR, tmp_path: Path) -> None:
    read(ocr, "rotated.png").save_to_json(tmp_path / "page.json")
    document = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert list(document)[:6] == BEFORE_LINES
    assert document["model_settings"] == {"use_doc_preprocessor": True, "use_textline_orientation": True}
    assert list(document["doc_preprocessor_res"].items()) == [
        ("input_path", None),
        ("page_index", None),
        ("model_settings", {"use_doc_orientation_classify": True, "use_doc_unwarping": True}),
        ("angle", 90),
    ]


def test_what_the_result_holds_in_memory(ocr: PaddleOCR) -> None:
    result = read(ocr, "rotated.png")
    preprocessed = result["doc_preprocessor_res"]
    assert isinstance(preprocessed, DocPreprocessorResult)
    with DocPreprocessor(device="cpu", precision="fp32") as alone:
        [expected] = alone.predict(str(PAGES / "rotated.png"))
    assert same(dict(preprocessed), {**expected, "input_path": None})  # type: ignore[dict-item]


def test_a_turned_page_is_read_in_order(ocr: PaddleOCR) -> None:
    assert similarity(read(ocr, "rotated.png", use_doc_unwarping=False), "rotated") > 0.98
    assert similarity(read(ocr, "rotated.png", use_doc_orientation_classify=False), "rotated") < 0.8


def test_a_bent_page_is_read_in_order(ocr: PaddleOCR) -> None:
    assert similarity(read(ocr, "warped.jpg"), "warped") > 0.98
    assert similarity(read(ocr, "warped.jpg", use_doc_unwarping=False), "warped") < 0.95


def test_switched_off_there_is_only_the_page(ocr: PaddleOCR) -> None:
    result = read(ocr, "en.png", use_doc_orientation_classify=False, use_doc_unwarping=False)
    assert result["model_settings"]["use_doc_preprocessor"] is False
    assert list(result["doc_preprocessor_res"]) == ["output_img"]
    assert "doc_preprocessor_res" not in result.json["res"]
    assert np.array_equal(result.original_polygons, np.asarray(result.polygons, np.float32))


def test_one_step_alone_still_preprocesses(ocr: PaddleOCR) -> None:
    """In the reference, switching one off in a call switches off both."""
    result = read(ocr, "rotated.png", use_doc_unwarping=False)
    assert result["model_settings"]["use_doc_preprocessor"] is True
    assert result["doc_preprocessor_res"].angle == 90
    other = read(ocr, "rotated.png", use_doc_orientation_classify=False)
    assert other["doc_preprocessor_res"].angle == -1
    assert other["doc_preprocessor_res"].sampling_grid is not None


@pytest.mark.parametrize("unwarping", [False, True])
def test_polygons_on_the_page_as_it_came(ocr: PaddleOCR, unwarping: bool) -> None:
    """Cut out of the page as it came by these polygons, lines read the same."""
    result = read(ocr, "rotated.png", use_doc_unwarping=unwarping)
    page = cv2.imread(str(PAGES / "rotated.png"))
    polygons = result.original_polygons
    assert len(polygons) == len(result.texts) > 20
    assert {(polygon.shape, polygon.dtype) for polygon in polygons} == {((4, 2), np.dtype(np.float32))}
    crops = []
    for polygon in polygons[:8]:
        width, height = (round(float(np.linalg.norm(polygon[a] - polygon[b]))) for a, b in ((0, 1), (0, 3)))
        flat = np.float32([[0, 0], [width, 0], [width, height], [0, height]])
        warp = cv2.getPerspectiveTransform(polygon, flat)
        crop = cv2.warpPerspective(page, warp, (width, height), borderValue=(255, 255, 255))
        crops.append(cv2.copyMakeBorder(crop, 10, 10, 10, 10, cv2.BORDER_CONSTANT, value=(255, 255, 255)))
    again = ocr.predict(crops, use_doc_orientation_classify=False, use_doc_unwarping=False)
    right = [
        " ".join(one.texts).replace(" ", "") == text.replace(" ", "")  # type: ignore[union-attr]
        for one, text in zip(again, result.texts[:8], strict=True)
    ]
    assert sum(right) >= 7


def test_words_too_can_be_had_on_the_page_as_it_came(ocr: PaddleOCR) -> None:
    [result] = ocr.predict(str(PAGES / "rotated.png"), return_word_box=True)
    assert isinstance(result, OCRResult)
    line = result["text_word_region"][3]
    assert result.to_original(line).shape == (len(line), 4, 2)


def test_drawings_are_the_references(ocr: PaddleOCR, tmp_path: Path) -> None:
    result = read(ocr, "rotated.png")
    result.save_all(tmp_path)
    names = ["rotated_ocr_res_img.png", "rotated_preprocessed_img.png", "rotated_res.json"]
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    height, width = result["doc_preprocessor_res"].page.shape[:2]
    assert cv2.imread(str(tmp_path / names[0])).shape == (height, 2 * width, 3)
    assert cv2.imread(str(tmp_path / names[1])).shape[1] == 1227 + 2 * width
    assert list(result.img) == ["ocr_res_img", "preprocessed_img"]


def test_batches_and_instances_do_not_change_results(ocr: PaddleOCR) -> None:
    given = [str(PAGES / name) for name in ("rotated.png", "warped.jpg", "two_pages.pdf", "zh.png")]
    alone = ocr.predict(given)
    with PaddleOCR(device="cpu", precision="fp32", instances_per_device=2, batch_size=3) as split:
        together = split.predict(given)
    assert len(alone) == len(together) == 5
    for one, two in zip(alone, together, strict=True):
        assert same(dict(one), dict(two))  # type: ignore[call-overload]
