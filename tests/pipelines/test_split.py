"""The same results however the work is split: instances, batches and order against the serial twin."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from docfleet import OCRResult, PaddleOCR, PageFailure, PartialFailure

pytestmark = pytest.mark.weights

TINY: dict[str, Any] = {
    "device": "cpu",
    "text_detection_model_name": "PP-OCRv6_tiny_det",
    "text_recognition_model_name": "PP-OCRv6_tiny_rec",
    "use_doc_orientation_classify": False,
    "use_doc_unwarping": False,
}
EXAMPLES = Path(__file__).parent.parent.parent / "examples" / "pages"


def written(text: str) -> NDArray[np.uint8]:
    image = np.full((130, 520, 3), 255, np.uint8)
    cv2.putText(image, text, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    return image


def same(a: Any, b: Any) -> bool:
    """Equal values of equal types; arrays of equal dtype, shape and bytes."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


@pytest.fixture(scope="module")
def serial() -> Iterator[PaddleOCR]:
    with PaddleOCR(executor="serial", **TINY) as pipeline:
        pipeline.predict(str(EXAMPLES / "two_pages.pdf"))  # Its decoder process is there before the first test, too.
        yield pipeline


@pytest.fixture(scope="module")
def split() -> Iterator[PaddleOCR]:
    """Two instances, batches of 8, and failures in place."""
    with PaddleOCR(instances_per_device=2, batch_size=8, on_error="return", **TINY) as pipeline:
        # Both workers, and their decoders, are there before the first test looks for what it leaves behind.
        pipeline.predict([written("warm up"), str(EXAMPLES / "two_pages.pdf")] * 16)
        yield pipeline


def inputs(folder: Path) -> list[Any]:
    """Files, a document of several pages, arrays, a bad file in between, a name that is no text."""
    (folder / "bad.png").write_bytes(b"not an image")
    odd = folder / os.fsdecode(b"caf\xe9\nnew line.png")
    cv2.imwrite(str(folder / "plain.png"), written("odd name"))
    (folder / "plain.png").rename(odd)
    arrays = [written(f"array {number}") for number in range(20)]
    return [str(EXAMPLES / "two_pages.pdf"), *arrays[:10], str(folder / "bad.png"), str(odd), *arrays[10:]]


def test_the_comparison_can_fail() -> None:
    assert same({"a": [np.zeros(2)], "b": (1, None)}, {"a": [np.zeros(2)], "b": (1, None)})
    assert not same({"a": np.zeros(2)}, {"a": np.zeros(2, np.float32)})
    assert not same([1, 2], [1, 2.0])
    assert not same({"a": 1, "b": 2}, {"b": 2, "a": 1})


def test_two_instances_give_what_one_gives(serial: PaddleOCR, split: PaddleOCR, tmp_path: Path) -> None:
    given = inputs(tmp_path)
    with pytest.raises(PartialFailure) as caught:
        serial.predict(given, return_word_box=True)
    alone = list(caught.value.results or [])
    together = split.predict(given, return_word_box=True)
    bad = [index for index, result in enumerate(together) if isinstance(result, PageFailure)]
    assert bad == [12]
    assert [result.failure.category for result in together if isinstance(result, PageFailure)] == ["input"]
    good = [result for result in together if isinstance(result, OCRResult)]
    assert len(good) == len(alone) == 23
    for one, two in zip(alone, good, strict=True):
        assert same(dict(one), dict(two)), one.input_path
    assert good[12]["input_path"].endswith("caf\udce9\nnew line.png")


def test_unordered_gives_the_same_set(serial: PaddleOCR, tmp_path: Path) -> None:
    given = [str(EXAMPLES / "two_pages.pdf"), *(written(f"number {number}") for number in range(12))]
    with PaddleOCR(instances_per_device=2, batch_size=2, ordered=False, **TINY) as pipeline:
        found = pipeline.predict(given)
    ordered = serial.predict(given)
    assert len(found) == len(ordered)
    left = [dict(result) for result in found]  # type: ignore[call-overload]
    for one in ordered:
        match = next(index for index, other in enumerate(left) if same(dict(one), other))  # type: ignore[call-overload]
        left.pop(match)
    assert left == []


def test_received_arrays_are_ordinary_arrays(split: PaddleOCR) -> None:
    [result] = split.predict(written("write here"))
    image = result["doc_preprocessor_res"]["output_img"]  # type: ignore[index]
    image[:] = 0
    assert not image.any()


def test_two_calls_can_be_interleaved(split: PaddleOCR) -> None:
    first = split.predict_iter(written(f"first {number}") for number in range(5))
    second = split.predict_iter((written(f"second {number}") for number in range(5)), return_word_box=True)
    for one, two in zip(first, second, strict=True):
        assert "text_word" not in one  # type: ignore[operator]
        assert "text_word" in two  # type: ignore[operator]


def test_a_caller_may_stop_early(split: PaddleOCR) -> None:
    for result in split.predict_iter(written(f"page {number}") for number in range(100)):
        assert isinstance(result, OCRResult)
        break
    assert split.predict(written("still here"))[0]["rec_texts"] == ["still here"]  # type: ignore[index]


@pytest.mark.corpus
@pytest.mark.skipif("DOCFLEET_CORPUS" not in os.environ, reason="DOCFLEET_CORPUS names no corpus")
def test_real_pages_too() -> None:
    """Scans, photos, tables and Chinese, with the default networks."""
    folder = Path(os.environ["DOCFLEET_CORPUS"]) / "files"
    pages = [*sorted(folder.glob("scan/*.tif")), *sorted(folder.glob("tables/*.png"))[:6], folder / "paddle/book.jpg",
             folder / "snips/rapidocr_ch_en_num.jpg"]  # fmt: skip
    as_they_lie = {"use_doc_orientation_classify": False, "use_doc_unwarping": False}
    with PaddleOCR(device="cpu", executor="serial", **as_they_lie) as one:
        alone = one.predict(pages, return_word_box=True)
    with PaddleOCR(device="cpu", instances_per_device=2, batch_size=8, **as_they_lie) as two:
        together = two.predict(pages, return_word_box=True)
    assert len(alone) == len(together) == len(pages)
    for a, b in zip(alone, together, strict=True):
        assert same(dict(a), dict(b)), a.input_path  # type: ignore[call-overload]
