"""The result of preprocessing: its keys, its files, and the way back to the page as it came."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from docfleet.errors import UsageError
from docfleet.results.doc_preprocessor import DocPreprocessorResult

PAGE = np.random.default_rng(0).integers(0, 256, (60, 40, 3), dtype=np.uint8)
TURNED = np.ascontiguousarray(np.rot90(PAGE))
FLAT = np.random.default_rng(1).integers(0, 256, TURNED.shape, dtype=np.uint8)
GRID = np.stack(np.meshgrid(np.linspace(5, 50, 31), np.linspace(4, 30, 45)), axis=-1).astype(np.float32)


def record(*, angle: int = 90, flat: bool = True, **more: Any) -> dict[str, Any]:
    """As a worker sends it: without the images that a step did not change."""
    made: dict[str, Any] = {
        "input_path": "in/photo.png",
        "page_index": None,
        "input_img": PAGE,
        "model_settings": {"use_doc_orientation_classify": angle >= 0, "use_doc_unwarping": flat},
        "angle": angle,
    }
    if angle > 0:
        made["rot_img"] = TURNED
    if flat:
        made |= {"output_img": FLAT, "sampling_grid": GRID}
    return made | more


def result(**options: Any) -> DocPreprocessorResult:
    return DocPreprocessorResult.from_record(record(**options))


KEYS = ["input_path", "page_index", "input_img", "model_settings", "angle", "rot_img", "output_img"]


def test_keys_are_the_references() -> None:
    assert list(result()) == KEYS
    assert list(result(angle=-1, flat=False)) == KEYS


def test_images_that_a_step_did_not_change_are_the_same_array() -> None:
    both = result()
    assert both["input_img"] is PAGE
    assert both["rot_img"] is TURNED
    assert both["output_img"] is FLAT
    turned = result(flat=False)
    assert turned["output_img"] is turned["rot_img"] is TURNED
    neither = result(angle=0, flat=False)
    assert neither["output_img"] is neither["rot_img"] is neither["input_img"] is PAGE
    assert neither.page is PAGE


def test_json_holds_what_the_references_holds(tmp_path: Path) -> None:
    result().save_to_json(tmp_path)
    document = json.loads((tmp_path / "photo_res.json").read_text(encoding="utf-8"))
    assert document == {
        "input_path": "in/photo.png",
        "page_index": None,
        "model_settings": {"use_doc_orientation_classify": True, "use_doc_unwarping": True},
        "angle": 90,
    }
    assert list(document) == ["input_path", "page_index", "model_settings", "angle"]


@pytest.mark.parametrize(
    ("input_path", "page_index", "names"),
    [
        ("in/photo.jpg", None, ["photo_output_img.jpg", "photo_preprocessed_img.jpg", "photo_res.json"]),
        ("photo.JPG", None, ["photo_output_img.JPG", "photo_preprocessed_img.JPG", "photo_res.json"]),
        ("scan.pdf", 3, ["scan_3_output_img.png", "scan_3_preprocessed_img.png", "scan_3_res.json"]),
        ("scan.tif", 0, ["scan_0_output_img.tif", "scan_0_preprocessed_img.tif", "scan_0_res.json"]),
        ("odd.ras", None, ["odd_output_img.png", "odd_preprocessed_img.png", "odd_res.json"]),
    ],
)
def test_file_names_are_the_references_and_the_page_by_itself(
    tmp_path: Path, input_path: str, page_index: int | None, names: list[str]
) -> None:
    result(input_path=input_path, page_index=page_index).save_all(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == names


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".jpg"])
def test_the_page_is_saved_as_it_is(tmp_path: Path, suffix: str) -> None:
    result(input_path=f"photo{suffix}").save_to_page(tmp_path)
    saved = cv2.imread(str(tmp_path / f"photo_output_img{suffix}"))
    if suffix == ".jpg":
        assert saved.shape == FLAT.shape
    else:
        assert np.array_equal(saved, FLAT)


def test_one_file_of_another_type(tmp_path: Path) -> None:
    result(input_path="photo.jpg").save_to_page(tmp_path / "new" / "page.png")
    assert np.array_equal(cv2.imread(str(tmp_path / "new" / "page.png")), FLAT)
    result().save_to_img(tmp_path / "drawing.webp")
    assert cv2.imread(str(tmp_path / "drawing.webp")).shape[1] == PAGE.shape[1] + 2 * FLAT.shape[1]
    with pytest.raises(UsageError, match=r"not written as '\.svg'"):
        result().save_to_page(tmp_path / "page.svg")


def test_artefacts_are_the_files_and_leave_nothing_behind(tmp_path: Path) -> None:
    page = result(input_path="photo.jpg")
    page.save_all(tmp_path)
    made = {f"photo_{key}{suffix}": data for kind in page.kinds for key, suffix, data in page.artefacts(kind)}
    assert made == {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="'html' is not one of json, img, page"):
        list(page.artefacts("html"))


def test_a_point_on_its_way_back() -> None:
    """Made flat and turned: through the grid first, and then back by a quarter turn."""
    corners = [[0, 0], [FLAT.shape[1] - 1, FLAT.shape[0] - 1]]
    on_the_turned_page = np.float32([GRID[0, 0], GRID[-1, -1]])
    expected = [[PAGE.shape[1] - 1 - y, x] for x, y in on_the_turned_page]
    assert np.allclose(result().to_original(corners), expected, atol=1e-4)


def test_shapes_of_points_are_kept() -> None:
    assert result().to_original(np.zeros((3, 4, 2), np.int16)).shape == (3, 4, 2)
    assert result().to_original((1, 2)).shape == (2,)
    assert result().to_original(np.zeros((0, 4, 2))).shape == (0, 4, 2)


def test_without_any_step_points_stay() -> None:
    points = np.float32([[0, 0], [7.25, 8]])
    assert np.array_equal(result(angle=-1, flat=False).to_original(points), points)


def test_a_network_that_does_not_tell_is_named() -> None:
    page = result(sampling_grid=None)
    with pytest.raises(UsageError, match="not where its points come from"):
        page.to_original([[0, 0]])


def test_the_grid_survives_pickling() -> None:
    again = pickle.loads(pickle.dumps(result()))
    assert np.array_equal(again.to_original([[3, 4]]), result().to_original([[3, 4]]))
