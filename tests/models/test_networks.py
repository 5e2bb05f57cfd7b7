"""The real networks: what they read, and that a result depends on its own page or crop alone."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from docfleet.engines.base import EngineOptions, open_session
from docfleet.models.crops import crop_quads
from docfleet.models.detection import DetectionParams, TextDetector
from docfleet.models.orientation import OrientationClassifier
from docfleet.models.page_orientation import PageOrientation
from docfleet.models.quads import sort_quads
from docfleet.models.recognition import TextRecognizer
from docfleet.models.rotate import rotate_image, turn_upright
from docfleet.models.unwarping import Unwarper
from docfleet.models.words import word_regions
from docfleet.weights import Store, builtin_registry

pytestmark = pytest.mark.weights

LINES = ["Invoice 2024-117", "Total amount 1284.50", "Thank you for your order"]


def drawn_page(lines: list[str], *, height: int = 400, width: int = 640) -> np.ndarray:
    page = np.full((height, width, 3), 255, np.uint8)
    for number, line in enumerate(lines):
        cv2.putText(page, line, (40, 70 + 90 * number), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0, 0, 0), 2, cv2.LINE_AA)
    return page


def drawn_crop(text: str, scale: float = 1.0) -> np.ndarray:
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    crop = np.full((height + below + 8, width + 12, 3), 255, np.uint8)
    cv2.putText(crop, text, (6, height + 4), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 2, cv2.LINE_AA)
    return crop


def random_crops(count: int, seed: int) -> list[np.ndarray]:
    """Drawn lines of many widths, on grounds of any colour."""
    random = np.random.default_rng(seed)
    alphabet = list("abcdefghijklmnopqrstuvwxyz 0123456789")
    crops = []
    for _ in range(count):
        crop = drawn_crop("".join(random.choice(alphabet, random.integers(2, 40))), random.uniform(0.6, 2))
        crops.append(np.minimum(crop, random.integers(150, 256, 3)).astype(np.uint8))
    return crops


def detector(engine: str, size: str = "tiny", **options) -> TextDetector:
    files = Store().locate(f"PP-OCRv6_{size}_det")
    return TextDetector(open_session(files.onnx, EngineOptions(engine=engine, **options)), files)


def recognizer(engine: str, size: str = "tiny", batch_size: int | None = None, **options) -> TextRecognizer:
    files = Store().locate(f"PP-OCRv6_{size}_rec")
    session = open_session(files.onnx, EngineOptions(engine=engine, **options))
    return TextRecognizer(session, files, batch_size=batch_size)


@pytest.fixture(scope="module", params=["openvino", "onnxruntime"])
def engine(request):
    return request.param


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_reads_a_page(engine, size):
    page = drawn_page(LINES)
    (found,) = detector(engine, size).detect([page], DetectionParams())
    quads, crops = crop_quads(page, found.polygons[sort_quads(found.polygons)])
    lines = recognizer(engine, size).recognize(crops)
    assert [line.text for line in lines] == LINES
    assert min(line.score for line in lines) > 0.8
    assert len(quads) == 3


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("batch_size", [None, 5])
def test_a_crop_does_not_depend_on_its_neighbours(engine, threads, batch_size):
    ours = recognizer(engine, batch_size=batch_size, threads=threads)
    crop = drawn_crop("Neighbours 12.5")
    (alone,) = ours.recognize([crop])
    for seed in range(3):
        others = random_crops(12, seed)
        place = 4 * seed
        assert ours.recognize([*others[:place], crop, *others[place:]])[place] == alone


def test_neighbours_are_read_alone_and_together_alike(engine):
    ours = recognizer(engine, batch_size=4)
    crops = random_crops(10, seed=7)
    assert ours.recognize(crops) == [ours.recognize([crop])[0] for crop in crops]


def test_openvino_reads_alike_with_one_and_two_threads():
    crops = random_crops(6, seed=3)
    assert recognizer("openvino", threads=1).recognize(crops) == recognizer("openvino", threads=2).recognize(crops)
    page = drawn_page(LINES)
    one, two = (detector("openvino", threads=threads).detect([page], DetectionParams())[0] for threads in (1, 2))
    np.testing.assert_array_equal(one.polygons, two.polygons)
    np.testing.assert_array_equal(one.scores, two.scores)


def test_a_page_does_not_depend_on_those_before_it(engine):
    ours = detector(engine)
    page = drawn_page(LINES)
    (alone,) = detector(engine).detect([page], DetectionParams())
    (again,) = ours.detect([drawn_page(["Other"], width=900), drawn_page([]), page], DetectionParams())[2:]
    np.testing.assert_array_equal(alone.polygons, again.polygons)
    np.testing.assert_array_equal(alone.scores, again.scores)


@pytest.mark.parametrize("shape", [(400, 300, 3), (1, 1, 3), (30, 20_000, 3)])
def test_pages_without_text(engine, shape):
    (found,) = detector(engine).detect([np.full(shape, 255, np.uint8)], DetectionParams())
    assert found.polygons.shape == (0, 4, 2)
    assert found.scores.shape == (0,)


def test_a_long_strip_is_read(engine):
    strip = np.full((40, 3000, 3), 255, np.uint8)
    cv2.putText(strip, "Strip", (2500, 30), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0, 0, 0), 2, cv2.LINE_AA)
    (found,) = detector(engine).detect([strip], DetectionParams())
    _, crops = crop_quads(strip, found.polygons)
    assert [line.text for line in recognizer(engine).recognize(crops)] == ["Strip"]


def test_words_stand_where_they_were_drawn():
    page = drawn_page(["Total amount"])
    (found,) = detector("openvino").detect([page], DetectionParams())
    quads, crops = crop_quads(page, found.polygons)
    (line,) = recognizer("openvino").recognize(crops, return_word_box=True)
    texts, regions = word_regions(line.words, quads[0])
    assert texts == ["Total", " ", "amount"]
    (width, _), _ = cv2.getTextSize("Total", cv2.FONT_HERSHEY_SIMPLEX, 1.0, 2)
    (begin, _), (end, _), *_ = regions[0]
    assert begin == pytest.approx(40, abs=15)
    assert end == pytest.approx(40 + width, abs=15)


def test_upside_down_lines_are_noticed(engine):
    files = Store().locate(builtin_registry().default("textline_orientation").name)
    session = open_session(files.onnx, EngineOptions(engine=engine))
    classifier = OrientationClassifier(session, files, batch_size=4)
    crops = [drawn_crop(line) for line in LINES]
    turned = [rotate_image(crop, 180) for crop in crops]
    found = classifier.classify([*crops, *turned])
    assert [each.index for each in found] == [0, 0, 0, 1, 1, 1]
    assert [each.label for each in found[2:4]] == ["0_degree", "180_degree"]
    assert found[4:] == classifier.classify(turned[1:])


PAGES = Path(__file__).parents[2] / "examples" / "pages"


@pytest.fixture(scope="module", params=["openvino", "onnxruntime"])
def pages(request) -> PageOrientation:
    files = Store().locate("PP-LCNet_x1_0_doc_ori")
    return PageOrientation(open_session(files.onnx, EngineOptions(engine=request.param)), files)


@pytest.mark.parametrize("name", ["en.png", "zh.png"])
def test_the_four_orientations_of_a_page(pages, name):
    page = cv2.imread(str(PAGES / name))
    # Turned clockwise by as many degrees, as np.rot90 with a negative count does it.
    found = pages.angles([np.ascontiguousarray(np.rot90(page, -quarters)) for quarters in range(4)])
    assert found == [0, 90, 180, 270]
    assert np.array_equal(turn_upright(np.ascontiguousarray(np.rot90(page, -1)), found[1]), page)


def test_a_page_whose_middle_is_blank(pages):
    """The reference leaves such a page as it lies: all that it looks at is white."""
    page = np.full((1400, 1000, 3), 255, np.uint8)
    page[60:320, 60:928] = cv2.imread(str(PAGES / "en.png"))[110:370]
    assert pages.angles([np.ascontiguousarray(np.rot90(page, -quarters)) for quarters in range(4)]) == [0, 90, 180, 270]


def unwarper(engine: str, **options) -> Unwarper:
    files = Store().locate("UVDoc")
    return Unwarper(open_session(files.onnx, EngineOptions(engine=engine, **options)), files)


def evenness(page: np.ndarray) -> float:
    """How much rows of pixels differ from each other: where lines of text run level, those between them are empty."""
    gray = cv2.cvtColor(page, cv2.COLOR_BGR2GRAY).astype(float)
    height, width = gray.shape
    ink = np.maximum(cv2.blur(gray, (41, 41)) - gray, 0)
    return float(ink[int(0.15 * height) : int(0.4 * height), int(0.2 * width) : int(0.75 * width)].mean(axis=1).std())


def test_a_bent_page_is_made_flat():
    photo = cv2.imread(str(PAGES / "warped.jpg"))
    flat = unwarper("openvino").unwarp(photo)
    assert flat.image.shape == photo.shape
    assert evenness(flat.image) > 2 * evenness(photo)
    assert flat.grid is not None
    # The desk around the sheet is gone: all that is left comes from within.
    assert flat.grid[..., 0].min() > 0
    assert flat.grid[..., 0].max() < photo.shape[1]


def test_engines_and_threads_make_the_same_page_flat():
    photo = cv2.imread(str(PAGES / "warped.jpg"))
    one, two = (unwarper("openvino", threads=threads).unwarp(photo) for threads in (1, 2))
    assert one.image.tobytes() == two.image.tobytes()
    other = unwarper("onnxruntime").unwarp(photo)
    assert np.abs(one.grid - other.grid).max() < 1  # the last digit of half precision is up to half a pixel here
