"""One page in every form that an input can have: the same text, on the serial twin and on several instances."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from docfleet import PaddleOCR, PageFailure
from tests.documents.makers import encoded, encrypted_pdf, form_bomb_pdf, image_pdf
from tests.documents.server import answer, routes, serving

pytestmark = pytest.mark.weights

TINY: dict[str, Any] = {
    "device": "cpu",
    "text_detection_model_name": "PP-OCRv6_tiny_det",
    "text_recognition_model_name": "PP-OCRv6_tiny_rec",
    "on_error": "return",
    "max_decode_seconds": 1,
    "max_decode_bytes": 150_000_000,
}
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "pages" / "two_pages.pdf"


def written(text: str) -> np.ndarray:
    image = np.full((130, 520, 3), 255, np.uint8)
    cv2.putText(image, text, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    return image


PAGE = written("every form")


@pytest.fixture(scope="module", params=[{"executor": "serial"}, {"instances_per_device": 2}], ids=["serial", "split"])
def how(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {**TINY, **request.param}


@pytest.fixture(scope="module")
def pipeline(how: dict[str, Any]) -> Iterator[PaddleOCR]:
    with PaddleOCR(**how, use_doc_orientation_classify=False, use_doc_unwarping=False) as pipeline:
        # Workers and their decoders are there before the first test looks for what it leaves behind.
        pipeline.predict([str(EXAMPLE)] * 8)
        yield pipeline


def test_every_form_of_a_page(pipeline: PaddleOCR, tmp_path: Path) -> None:
    rgb = Image.fromarray(PAGE[..., ::-1])
    png, tiff = encoded(rgb, "PNG"), encoded(rgb, "TIFF")
    (tmp_path / "page.png").write_bytes(png)
    on_glass = Image.fromarray(np.dstack([PAGE * 0, 255 - PAGE[..., 0]]))  # Black ink on nothing.
    with serving(routes({"/page.tif": answer(tiff)})) as server:
        given = [
            str(tmp_path / "page.png"), png, bytearray(tiff), memoryview(png), PAGE, PAGE[..., 0], PAGE > 128,
            PAGE.astype(np.uint16) * 257, np.dstack([PAGE, PAGE[..., 0] * 0 + 255]), rgb, on_glass,
            Image.open(io.BytesIO(png)), encoded(rgb, "GIF"), encoded(on_glass, "PNG"),
        ]  # fmt: skip
        results = pipeline.predict(given)
        fetched = pipeline.predict(f"http://127.0.0.1:{server.port}/page.tif")
        refused = pipeline.predict([f"http://127.0.0.1:{server.port}/page.tif"])

    assert [result.texts for result in [*results, *fetched]] == [["every form"]] * (len(given) + 1)
    assert [result.input_path for result in results] == [str(tmp_path / "page.png"), *[None] * (len(given) - 1)]
    assert fetched[0].input_path == f"http://127.0.0.1:{server.port}/page.tif"
    assert fetched[0].page_index == 0
    assert isinstance(refused[0], PageFailure)
    assert refused[0].failure.category == "input"


def test_a_document_in_memory_is_the_one_in_the_file(pipeline: PaddleOCR) -> None:
    from_file, from_memory = pipeline.predict(str(EXAMPLE)), pipeline.predict(EXAMPLE.read_bytes())

    assert [page.page_index for page in from_memory] == [0, 1]
    assert [page.texts for page in from_memory] == [page.texts for page in from_file]


def test_bombs_and_locks_cost_their_places(how: dict[str, Any]) -> None:
    good = [written(f"page {number}") for number in range(4)]
    given = [good[0], form_bomb_pdf(), good[1], image_pdf(3000, 3000, 500), encrypted_pdf("x"), good[2], b"", good[3]]

    with PaddleOCR(**how, use_doc_orientation_classify=False, use_doc_unwarping=False) as pipeline:
        results = pipeline.predict(given)

    failed = [index for index, result in enumerate(results) if isinstance(result, PageFailure)]
    assert failed == [1, 3, 4, 6]
    assert {results[index].failure.category for index in failed} == {"input"}
    assert [results[index].texts for index in (0, 2, 5, 7)] == [[f"page {number}"] for number in range(4)]
    assert str(results[4]) == "input 5: the bytes: the PDF is encrypted; give its password as pdf_password"
