"""The example pages, read as the README's first command reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path

import pytest

pytestmark = pytest.mark.weights

ROOT = Path(__file__).parent.parent
PAGES = ROOT / "examples" / "pages"


def squeezed(text: str) -> str:
    """Text without white space, which a recogniser is free to place."""
    return re.sub(r"\s+", "", text)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("output")
    done = subprocess.run(
        [sys.executable, "-m", "docfleet", "ocr", "--input", str(PAGES), "--save_path", str(folder)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_every_page_has_its_json(output: tuple[Path, str]) -> None:
    assert sorted(path.name for path in output[0].glob("*.json")) == [
        "en_res.json",
        "rotated_res.json",
        "two_pages_0_res.json",
        "two_pages_1_res.json",
        "warped_res.json",
        "zh_res.json",
    ]


def test_every_page_has_its_drawings(output: tuple[Path, str]) -> None:
    pages = ["en.png", "rotated.png", "two_pages_0.png", "two_pages_1.png", "warped.jpg", "zh.png"]
    expected = {page.replace(".", f"_{kind}.") for page in pages for kind in ("ocr_res_img", "preprocessed_img")}
    assert {path.name for path in output[0].iterdir() if path.suffix != ".json"} == expected


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("en", ["en"]),
        ("zh", ["zh"]),
        ("rotated", ["rotated"]),
        ("warped", ["warped"]),
        ("two_pages", ["two_pages_0", "two_pages_1"]),
    ],
)
def test_pages_are_read(output: tuple[Path, str], name: str, files: list[str]) -> None:
    expected = (PAGES / "expected" / f"{name}.txt").read_text(encoding="utf-8")
    documents = [json.loads((output[0] / f"{file}_res.json").read_text(encoding="utf-8")) for file in files]
    found = "\n".join(line for document in documents for line in document["rec_texts"])
    assert SequenceMatcher(None, squeezed(expected), squeezed(found), autojunk=False).ratio() > 0.98


def test_a_page_on_its_side_is_turned(output: tuple[Path, str]) -> None:
    document = json.loads((output[0] / "rotated_res.json").read_text(encoding="utf-8"))
    assert document["doc_preprocessor_res"]["angle"] == 90


def test_the_text_is_printed(output: tuple[Path, str]) -> None:
    document = json.loads((output[0] / "en_res.json").read_text(encoding="utf-8"))
    assert "\n".join(document["rec_texts"]) in output[1]
