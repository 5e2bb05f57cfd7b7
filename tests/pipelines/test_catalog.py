"""Pipelines by name: those there are, and classes of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from docfleet import PaddleOCR
from docfleet.errors import UsageError
from docfleet.pipelines.catalog import CATALOG, find, known_names
from docfleet.pipelines.ocr.options import OCROptions
from tests.batch.pipelines import Echo, EchoOptions


@pytest.mark.parametrize("name", ["PaddleOCR", "paddleocr", "PADDLEOCR", "ocr", "OCR"])
def test_a_pipeline_has_two_names_however_they_are_written(name: str) -> None:
    entry = find(name)
    assert entry.load() is PaddleOCR
    assert entry.load_options() is OCROptions


@pytest.mark.parametrize("entry", CATALOG, ids=lambda entry: entry.command)
def test_the_table_names_what_there_is(entry) -> None:
    assert entry.load().__name__ == entry.class_name
    assert entry.load_options() is entry.load().options_type
    assert find(entry.class_name) is find(entry.command) is entry


def test_names_are_listed_class_names_first() -> None:
    assert known_names() == ["PaddleOCR", "DocPreprocessor", "ocr", "doc_preprocessor"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("PadleOCR", "there is no pipeline 'PadleOCR' in this version; did you mean PaddleOCR?"),
        ("orc", "did you mean PaddleOCR?"),
        ("PPStructureV3", "there is PaddleOCR, DocPreprocessor, ocr, doc_preprocessor"),
        ("", "there is no pipeline ''"),
    ],
)
def test_a_name_that_is_not_there_is_answered_with_those_that_are(name: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        find(name)
    assert message in str(error.value)


def test_a_class_of_ones_own_is_named_by_where_it_is() -> None:
    entry = find("tests.batch.pipelines:Echo")
    assert entry.load() is Echo
    assert entry.load_options() is EchoOptions


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nowhere.at_all:Echo", "cannot be imported: No module named 'nowhere'"),
        ("tests.batch.pipelines:Nothing", "cannot be imported: .* has no attribute 'Nothing'"),
        ("tests.batch.pipelines:", "cannot be imported"),
        (":Echo", "cannot be imported"),
        ("tests.batch.pipelines:EchoStages", "is no subclass of docfleet.pipelines.base.Pipeline"),
        ("tests.batch.pipelines:LOG", "is no subclass of docfleet.pipelines.base.Pipeline"),
        ("broken_pipeline:Mine", "cannot be imported: SyntaxError"),
        ("failing_pipeline:Mine", "cannot be imported: ZeroDivisionError: division by zero"),
    ],
)
def test_what_is_no_class_of_ones_own_is_refused(
    path: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_pipeline.py").write_text("class Mine(")
    (tmp_path / "failing_pipeline.py").write_text("1 / 0")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UsageError, match=message):
        find(path)


def test_listing_the_names_imports_none_of_the_pipelines() -> None:
    code = """
import sys
from docfleet.pipelines.catalog import find, known_names
known_names()
find("ocr").load_options()
print([name for name in sys.modules if name in ("numpy", "cv2", "docfleet.pipelines.ocr.pipeline")])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
