"""`docfleet doc_preprocessor`: what it writes and says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.weights

PAGES = Path(__file__).parents[2] / "examples" / "pages"


def preprocess(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "docfleet", "doc_preprocessor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=250)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The flags of the reference's page on parallel inference, on two instances."""
    folder = tmp_path_factory.mktemp("output")
    pages = [part for name in ("rotated.png", "warped.jpg") for part in ("--input", PAGES / name)]
    devices = ["--device", "cpu", "--instances_per_device", "2"]
    steps = ["--use_doc_orientation_classify", "True", "--use_doc_unwarping", "True"]
    return folder, preprocess(*pages, *devices, *steps, "--save_path", folder)


def test_json_drawing_and_page_of_each(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert done[1].returncode == 0, done[1].stderr
    assert sorted(path.name for path in done[0].iterdir()) == [
        "rotated_output_img.png", "rotated_preprocessed_img.png", "rotated_res.json",
        "warped_output_img.jpg", "warped_preprocessed_img.jpg", "warped_res.json",
    ]  # fmt: skip
    assert json.loads((done[0] / "rotated_res.json").read_text(encoding="utf-8"))["angle"] == 90


def test_what_is_said(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    assert done[1].stdout == "turned by 90 degrees, made flat\nmade flat\n"
    assert f"== {PAGES / 'rotated.png'}: 868 x 1227 pixels" in done[1].stderr
    assert "2 pages read, 0 failed" in done[1].stderr


def test_only_the_page(tmp_path: Path) -> None:
    done = preprocess("-i", PAGES / "rotated.png", "--use-doc-unwarping", "no", "--print", "json",
                      "--save_path", tmp_path, "--save", "page")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["model_settings"] == {
        "use_doc_orientation_classify": True,
        "use_doc_unwarping": False,
    }
    [file] = tmp_path.iterdir()
    assert np.array_equal(cv2.imread(str(file)), cv2.imread(str(PAGES / "en.png")))


def test_a_bad_page_is_named_and_gives_status_1(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no image")
    done = preprocess("-i", tmp_path, "--use_doc_unwarping", "False")
    assert done.returncode == 1
    assert "bad.png" in done.stderr
    assert "0 pages read, 1 failed" in done.stderr
