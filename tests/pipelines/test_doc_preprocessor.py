"""`DocPreprocessor` as a caller meets it, on the example pages. Real networks.

The expectations on keys and JSON are written from what PaddleOCR 3.7 puts out, not from our own output.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from docfleet import DocPreprocessor, DocPreprocessorResult, PageFailure
from docfleet.errors import UsageError, WeightsError
from docfleet.pipelines.doc_preprocessor.options import DocPreprocessorCall, DocPreprocessorOptions
from docfleet.pipelines.options import option_fields
from docfleet.weights import Store
from tests.pipelines.test_split import same

pytestmark = pytest.mark.weights

PAGES = Path(__file__).parents[2] / "examples" / "pages"
KEYS = ["input_path", "page_index", "input_img", "model_settings", "angle", "rot_img", "output_img"]
REFERENCE_CONSTRUCTOR = """
doc_orientation_classify_model_name doc_orientation_classify_model_dir doc_unwarping_model_name doc_unwarping_model_dir
use_doc_orientation_classify use_doc_unwarping
device engine enable_hpi use_tensorrt precision enable_mkldnn mkldnn_cache_capacity cpu_threads enable_cinn
paddlex_config
""".split()


def example(name: str) -> NDArray[np.uint8]:
    page: NDArray[np.uint8] = cv2.imread(str(PAGES / name))
    return page


@pytest.fixture(scope="module")
def preprocessor() -> Iterator[DocPreprocessor]:
    with DocPreprocessor(device="cpu", precision="fp32") as pipeline:
        yield pipeline


def only(results: Any) -> DocPreprocessorResult:
    [result] = results
    assert isinstance(result, DocPreprocessorResult)
    return result


def test_options_are_the_references() -> None:
    assert set(REFERENCE_CONSTRUCTOR) <= {field.name for field in option_fields(DocPreprocessorOptions)}
    predict = list(inspect.signature(DocPreprocessor.predict).parameters)
    assert predict[1:] == list(inspect.signature(DocPreprocessorCall).parameters)
    assert predict[1:] == ["input", "use_doc_orientation_classify", "use_doc_unwarping"]


def test_a_turned_page_is_turned_upright_and_loses_nothing(preprocessor: DocPreprocessor) -> None:
    result = only(preprocessor.predict(str(PAGES / "rotated.png"), use_doc_unwarping=False))
    assert list(result) == KEYS
    assert result.angle == 90
    assert result["model_settings"] == {"use_doc_orientation_classify": True, "use_doc_unwarping": False}
    assert np.array_equal(result["rot_img"], example("en.png"))
    assert result["output_img"] is result["rot_img"]
    assert np.array_equal(result["input_img"], example("rotated.png"))


def test_both_steps_by_default(preprocessor: DocPreprocessor) -> None:
    result = only(preprocessor.predict(example("rotated.png")))
    assert result["model_settings"] == {"use_doc_orientation_classify": True, "use_doc_unwarping": True}
    for key, shape in (("input_img", (868, 1227, 3)), ("rot_img", (1227, 868, 3)), ("output_img", (1227, 868, 3))):
        assert (result[key].shape, result[key].dtype) == (shape, np.uint8)
        assert result[key].flags.c_contiguous, key  # the reference's is a view with negative strides
    assert not np.array_equal(result["output_img"], result["rot_img"])


def test_neither_step_leaves_the_page_as_it_is(preprocessor: DocPreprocessor) -> None:
    page = example("rotated.png")
    result = only(preprocessor.predict(page, use_doc_orientation_classify=False, use_doc_unwarping=False))
    assert result.angle == -1
    assert result["output_img"] is result["rot_img"] is result["input_img"]
    assert np.array_equal(result["output_img"], page)


@pytest.mark.parametrize("page_index", [None, 1])
def test_the_json_is_the_references(preprocessor: DocPreprocessor, tmp_path: Path, page_index: int | None) -> None:
    name = "rotated.png" if page_index is None else "two_pages.pdf"
    result = preprocessor.predict(str(PAGES / name))[page_index or 0]
    result.save_to_json(tmp_path)  # type: ignore[union-attr]
    [file] = tmp_path.iterdir()
    assert file.name == ("rotated_res.json" if page_index is None else "two_pages_1_res.json")
    expected = {
        "input_path": str(PAGES / name),
        "page_index": page_index,
        "model_settings": {"use_doc_orientation_classify": True, "use_doc_unwarping": True},
        "angle": 90 if page_index is None else 0,
    }
    # Not compared as dictionaries: the order of keys and the four spaces are part of it.
    assert file.read_text(encoding="utf-8") == json.dumps(expected, indent=4, ensure_ascii=False)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, (True, True)),
        ({"use_doc_unwarping": False}, (True, False)),
        ({"use_doc_orientation_classify": False}, (False, True)),
        ({"use_doc_orientation_classify": True}, (True, True)),
        ({"use_doc_orientation_classify": None, "use_doc_unwarping": False}, (True, False)),
    ],
)
def test_each_step_is_switched_by_itself(
    preprocessor: DocPreprocessor, settings: dict[str, Any], steps: tuple[bool, bool]
) -> None:
    result = only(preprocessor.predict(example("en.png"), **settings))
    assert tuple(result["model_settings"].values()) == steps
    assert (result.angle >= 0, result.sampling_grid is not None) == steps


def test_settings_of_the_pipeline_hold_for_its_calls() -> None:
    with DocPreprocessor(device="cpu", use_doc_unwarping=False) as pipeline:
        result = only(pipeline.predict(example("rotated.png")))
        assert tuple(result["model_settings"].values()) == (True, False)
        with pytest.raises(UsageError, match="made with use_doc_unwarping=False and cannot make pages flat"):
            pipeline.predict_iter(example("en.png"), use_doc_unwarping=True)
        kept = only(pipeline.predict(example("rotated.png"), use_doc_orientation_classify=False))
        assert kept.angle == -1


def test_corners_of_a_turned_and_flattened_page_are_found_on_the_original(preprocessor: DocPreprocessor) -> None:
    """What the corrected page shows around a point stands around the point's place on the page as it came."""
    result = only(preprocessor.predict(example("rotated.png")))
    gray = cv2.cvtColor(result.page, cv2.COLOR_BGR2GRAY)
    corners = cv2.goodFeaturesToTrack(gray, 40, 0.05, 30)[:, 0]
    places = result.to_original(corners)
    original = cv2.cvtColor(result["input_img"], cv2.COLOR_BGR2GRAY)
    alike = 0
    for (x, y), (there_x, there_y) in zip(corners, places, strict=True):
        here = cv2.getRectSubPix(gray, (15, 15), (float(x), float(y)))
        there = np.rot90(cv2.getRectSubPix(original, (15, 15), (float(there_x), float(there_y))))
        alike += float(np.corrcoef(here.ravel(), there.ravel())[0, 1]) > 0.8
    assert alike >= 0.9 * len(corners)


def test_two_instances_give_what_one_gives(preprocessor: DocPreprocessor, tmp_path: Path) -> None:
    """Files, pages of a document, arrays and a bad one, whichever instance takes them and in whichever batch."""
    (tmp_path / "bad.png").write_bytes(b"not an image")
    arrays = [np.ascontiguousarray(np.rot90(example("en.png"), -turns)) for turns in range(4)]
    strips = [np.full((1, 1, 3), 7, np.uint8), example("zh.png")[:, :40]]
    before: list[Any] = [*arrays, str(PAGES / "two_pages.pdf")]
    after: list[Any] = [*strips, str(PAGES / "warped.jpg")]
    with DocPreprocessor(
        device="cpu", precision="fp32", instances_per_device=2, batch_size=3, on_error="return"
    ) as split:
        together = split.predict([*before, str(tmp_path / "bad.png"), *after])
    assert [index for index, one in enumerate(together) if isinstance(one, PageFailure)] == [6]
    alone = preprocessor.predict([*before, *after])
    good = [one for one in together if isinstance(one, DocPreprocessorResult)]
    assert [one.angle for one in good[:4]] == [0, 90, 180, 270]
    assert len(good) == len(alone)
    for one, two in zip(alone, good, strict=True):
        assert isinstance(one, DocPreprocessorResult)
        assert same(dict(one), dict(two))
        assert same(one.sampling_grid, two.sampling_grid)
        assert {artefact.data for artefact in one.artefacts("page")} == {
            artefact.data for artefact in two.artefacts("page")
        }


def test_a_classifier_of_lines_in_the_place_of_one_of_pages_is_refused() -> None:
    folder = Store().where("PP-OCR_mobile_v2.0_textline_cls")
    with pytest.raises(WeightsError, match="of 0, 90, 180, 270 degrees is needed"):
        DocPreprocessor(device="cpu", doc_orientation_classify_model_dir=folder, use_doc_unwarping=False)


def test_a_folder_of_the_users_own(preprocessor: DocPreprocessor) -> None:
    with DocPreprocessor(
        device="cpu", precision="fp32", doc_unwarping_model_dir=Store().where("UVDoc"),
        use_doc_orientation_classify=False,
    ) as own:  # fmt: skip
        found = only(own.predict(example("warped.jpg")))
    expected = only(preprocessor.predict(example("warped.jpg"), use_doc_orientation_classify=False))
    assert found["output_img"].tobytes() == expected["output_img"].tobytes()
