"""`PaddleOCR` as a caller meets it: inputs, order, failures, batches, closing. Real networks, the smallest ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from docfleet import OCRResult, PaddleOCR, PageFailure, PartialFailure
from docfleet.errors import ClosedError, UsageError, WeightsError
from docfleet.weights import Store

pytestmark = pytest.mark.weights

AS_IT_LIES: dict[str, Any] = {"use_doc_orientation_classify": False, "use_doc_unwarping": False}
TINY: dict[str, Any] = {
    "text_detection_model_name": "PP-OCRv6_tiny_det",
    "text_recognition_model_name": "PP-OCRv6_tiny_rec",
    **AS_IT_LIES,
}


def written(*lines: str) -> NDArray[np.uint8]:
    """A page with lines of text."""
    image = np.full((60 + 70 * len(lines), 520, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(image, line, (20, 60 + 70 * number), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    return image


@pytest.fixture(scope="module")
def ocr() -> Iterator[PaddleOCR]:
    with PaddleOCR(device="cpu", **TINY) as pipeline:
        yield pipeline


@pytest.fixture(scope="module")
def patient() -> Iterator[PaddleOCR]:
    """Puts failures in place, and takes three pages at a time."""
    with PaddleOCR(device="cpu", on_error="return", batch_size=3, **TINY) as pipeline:
        yield pipeline


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three good pages, two bad ones, in this order of names."""
    cv2.imwrite(str(tmp_path / "a.png"), written("alpha 1"))
    (tmp_path / "b.png").write_bytes(b"")
    cv2.imwrite(str(tmp_path / "c.jpg"), written("gamma 3"))
    (tmp_path / "d.pdf").write_bytes(b"%PDF-1.4 and nothing else")
    cv2.imwrite(str(tmp_path / "e.bmp"), written("delta 5"))
    return tmp_path


def texts(results: list[Any]) -> list[Any]:
    return [result.texts if isinstance(result, OCRResult) else result.failure.category for result in results]


def test_one_array_one_result(ocr: PaddleOCR) -> None:
    assert texts(ocr.predict(written("hello 42"))) == [["hello 42"]]


def test_input_can_be_given_by_name(ocr: PaddleOCR) -> None:
    assert texts(ocr.predict(input=[written("one"), written("two")])) == [["one"], ["two"]]


def test_bad_files_cost_only_themselves(ocr: PaddleOCR, folder: Path) -> None:
    with pytest.raises(PartialFailure, match=r"2 pages or documents failed: .*b\.png") as caught:
        ocr.predict(str(folder))
    assert texts(list(caught.value.results or [])) == [["alpha 1"], ["gamma 3"], ["delta 5"]]
    assert caught.value.failed == 2
    assert [Path(one.input_path or "").name for one in caught.value.failures] == ["b.png", "d.pdf"]
    assert {one.failure.category for one in caught.value.failures} == {"input"}


def test_predict_iter_delivers_everything_good_before_it_raises(ocr: PaddleOCR, folder: Path) -> None:
    found = []
    with pytest.raises(PartialFailure):
        for result in ocr.predict_iter(folder):
            found.append(result)  # noqa: PERF402 - what came before the exception counts
    assert texts(found) == [["alpha 1"], ["gamma 3"], ["delta 5"]]


def test_failures_in_place(patient: PaddleOCR, folder: Path) -> None:
    results = patient.predict(folder)
    assert texts(results) == [["alpha 1"], "input", ["gamma 3"], "input", ["delta 5"]]
    failure = results[1]
    assert isinstance(failure, PageFailure)
    assert failure.input_path == str(folder / "b.png")
    assert str(failure).startswith(str(folder / "b.png"))


def test_batches_do_not_change_results(ocr: PaddleOCR, patient: PaddleOCR) -> None:
    pages = [
        written("first page", "of two lines"),
        written("x"),
        np.full((50, 50, 3), 255, np.uint8),
        written("last 9"),
    ]
    for alone, together in zip(
        ocr.predict(pages, return_word_box=True), patient.predict(pages, return_word_box=True), strict=True
    ):
        assert json.dumps(alone.json) == json.dumps(together.json)  # type: ignore[union-attr]
        assert np.array_equal(alone["rec_boxes"], together["rec_boxes"])  # type: ignore[index]


def test_pages_with_other_settings_may_share_a_batch(patient: PaddleOCR) -> None:
    page = written("share me")
    plain, words = patient.predict_iter([page] * 3), patient.predict_iter([page] * 3, return_word_box=True)
    pairs = list(zip(plain, words, strict=True))
    assert [("text_word" in a, "text_word" in b) for a, b in pairs] == [(False, True)] * 3  # type: ignore[operator]


def test_the_generator_is_asked_only_as_needed(ocr: PaddleOCR) -> None:
    taken: list[int] = []

    def pages() -> Iterator[NDArray[np.uint8]]:
        for number in range(1000):
            taken.append(number)
            yield written(f"page {number}")

    results = ocr.predict_iter(pages())
    next(results)
    next(results)
    assert taken == [0, 1]


def test_an_error_of_the_callers_generator_reaches_the_caller(ocr: PaddleOCR) -> None:
    def pages() -> Iterator[NDArray[np.uint8]]:
        yield written("fine")
        raise KeyError("mine")

    results = ocr.predict_iter(pages())
    assert next(results)["rec_texts"] == ["fine"]  # type: ignore[index]
    with pytest.raises(KeyError, match="mine"):
        next(results)


@pytest.mark.parametrize("shape", [(1, 1), (20000, 30), (30, 20000), (3, 500), (64, 64)])
@pytest.mark.parametrize("shade", [0, 255])
def test_odd_pages_give_valid_results(ocr: PaddleOCR, tmp_path: Path, shape: tuple[int, int], shade: int) -> None:
    [result] = ocr.predict(np.full((*shape, 3), shade, np.uint8), return_word_box=True)
    result.save_to_json(tmp_path / "page.json")  # type: ignore[union-attr]
    document = json.loads((tmp_path / "page.json").read_text(encoding="utf-8"))
    assert len(document["rec_texts"]) == len(document["rec_boxes"]) == len(document["text_word"])


def test_a_line_on_its_head_is_turned(ocr: PaddleOCR) -> None:
    upright = written("Document number 12345")[20:90]
    page = np.full((200, 520, 3), 255, np.uint8)
    page[60:130] = upright[::-1, ::-1]
    [turned] = ocr.predict(page)
    assert turned["textline_orientation_angles"] == [1]  # type: ignore[index]
    assert turned["rec_texts"] == ["Document number 12345"]  # type: ignore[index]
    [left] = ocr.predict(page, use_textline_orientation=False)
    assert left["rec_texts"] != ["Document number 12345"]  # type: ignore[index]


def test_upright_numbers_stay_upright(ocr: PaddleOCR) -> None:
    numbers = ["93.64", "F1", "-1", "88.3", "9", "-960.00", "x+1"]
    [result] = ocr.predict(written(*numbers))
    assert result["textline_orientation_angles"] == [0] * len(result["dt_polys"])  # type: ignore[index]
    assert "93.64" in result["rec_texts"]  # type: ignore[index]


def test_several_threads_share_one_pipeline(ocr: PaddleOCR) -> None:
    found: dict[int, Any] = {}

    def read(number: int) -> None:
        found[number] = texts(ocr.predict([written(f"worker {number}")] * 3))

    threads = [threading.Thread(target=read, args=(number,)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: [[f"worker {number}"]] * 3 for number in (1, 2, 3)}


def test_a_closed_pipeline_says_so() -> None:
    pipeline = PaddleOCR(device="cpu", **TINY)
    pipeline.close()
    pipeline.close()
    with pytest.raises(ClosedError, match="closed"):
        pipeline.predict(written("late"))


def test_onnxruntime_reads_the_same(ocr: PaddleOCR) -> None:
    pages = [written("same text", "either way"), written("0123456789")]
    with PaddleOCR(device="cpu", engine="onnxruntime", precision="fp32", **TINY) as other:
        assert texts(other.predict(pages)) == texts(ocr.predict(pages))


def test_a_model_folder_of_the_users_own(ocr: PaddleOCR) -> None:
    folder = Store().where("PP-OCRv6_tiny_rec")
    with PaddleOCR(
        device="cpu", text_detection_model_name="PP-OCRv6_tiny_det", text_recognition_model_dir=folder, **AS_IT_LIES
    ) as own:
        assert texts(own.predict(written("own folder"))) == [["own folder"]]


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=str(tmp_path)):
        PaddleOCR(device="cpu", text_detection_model_dir=tmp_path)


def test_wrong_calls_are_refused_before_anything_runs(ocr: PaddleOCR) -> None:
    with pytest.raises(UsageError, match="Unknown argument: thresh"):
        ocr.predict_iter(written("x"), thresh=0.5)  # type: ignore[call-arg]
    with pytest.raises(UsageError, match="not something to read"):
        ocr.predict_iter(42)
    with pytest.raises(UsageError, match="made with use_doc_unwarping=False and cannot make pages flat"):
        ocr.predict_iter(written("x"), use_doc_unwarping=True)


def test_a_step_that_the_pipeline_was_made_without_is_refused() -> None:
    without = PaddleOCR(device="cpu", use_textline_orientation=False, **TINY)
    with without, pytest.raises(UsageError, match="cannot turn lines"):
        without.predict(written("x"), use_textline_orientation=True)


def test_an_array_that_fails_can_be_told_from_its_neighbours(patient: PaddleOCR) -> None:
    results = patient.predict([written("one"), np.zeros((5, 5, 7), np.uint8), 42, written("two")])
    assert [one.index for one in results if isinstance(one, PageFailure)] == [1, 2]
    assert str(results[1]).startswith("input 2: ")


def test_options_without_effect_are_said_once(caplog: pytest.LogCaptureFixture) -> None:
    PaddleOCR(device="cpu", enable_mkldnn=True, enable_hpi=False, **TINY).close()
    assert [record.message for record in caplog.records if "no effect" in record.message] == [
        "enable_hpi, enable_mkldnn: accepted for compatibility with PaddleOCR, no effect here"
    ]


def test_the_former_name_of_predict_still_works(ocr: PaddleOCR) -> None:
    with pytest.warns(DeprecationWarning, match="now called predict"):
        assert texts(ocr.ocr(written("old name"))) == [["old name"]]
