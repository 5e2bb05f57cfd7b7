from __future__ import annotations

from pathlib import Path

import pytest

import docfleet
from docfleet.errors import UsageError
from docfleet.integrations import providers
from docfleet.integrations.paddleocr import package
from docfleet.integrations.paddleocr.pipeline import PackagePipeline
from docfleet.pipelines import catalog
from docfleet.pipelines.ocr.pipeline import PaddleOCR
from tests.integrations.paddleocr.conftest import Standin, standin

__all__ = ["standin"]

PAGE = Path(__file__).parents[2] / "docs" / "pipelines" / "paddleocr.md"


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No PaddleOCR, also where there is one."""
    monkeypatch.setattr(package, "_MODULE", "paddleocr_that_nobody_has")


def test_auto_takes_ours_where_there_is_one(standin: Standin) -> None:
    assert providers.find("ocr").load() is PaddleOCR
    assert providers.find("PaddleOCR", "auto").load() is PaddleOCR
    assert standin.did("import") == []


def test_auto_takes_paddleocrs_where_we_have_none(standin: Standin) -> None:
    entry = providers.find("doc-understanding")
    assert entry.load() is PackagePipeline
    assert entry.class_name == "DocUnderstanding"
    assert "query" in entry.load_options().__dataclass_fields__  # type: ignore[attr-defined]


def test_the_provider_that_is_named_is_the_one(standin: Standin) -> None:
    assert providers.find("ocr", "paddleocr").load() is PackagePipeline
    assert providers.find("ocr", "docfleet").load() is PaddleOCR
    with pytest.raises(UsageError, match="no pipeline 'DocUnderstanding'"):
        providers.find("DocUnderstanding", "docfleet")


def test_classes_of_ones_own_are_nobody_elses(standin: Standin) -> None:
    assert providers.find("tests.batch.pipelines:Echo").class_name == "tests.batch.pipelines:Echo"
    assert standin.did("import") == []


def test_without_paddleocr_the_line_says_how_to_get_it(absent: None) -> None:
    with pytest.raises(UsageError, match=r"no SealRecognition of its own .*: pip install 'docfleet\[paddleocr\]'$"):
        providers.find("sealrecognition")
    with pytest.raises(UsageError, match=r"no pipeline 'Padle'.*pip install"):
        providers.find("Padle")
    assert providers.find("PaddleOCR").load() is PaddleOCR


@pytest.mark.parametrize("name", providers.PADDLEOCR_CLASSES)
def test_every_class_has_its_row_and_it_says_whether_there_is_one_of_ours(name: str) -> None:
    [row] = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |")]
    own = row.split("|")[3].strip()
    assert own == ("not yet" if catalog.known(name) is None else "yes")


def test_a_provider_that_there_is_not() -> None:
    with pytest.raises(UsageError, match="provider is 'paddle': it is one of auto, docfleet, paddleocr"):
        providers.find("ocr", "paddle")


def test_load_pipeline_makes_either(standin: Standin, tmp_path: Path) -> None:
    with docfleet.load_pipeline("ocr", "paddleocr", device="cpu", text_det_thresh=0.1) as pipeline:
        assert type(pipeline) is PackagePipeline
    with pytest.raises(UsageError, match="Unknown argument: nonsense"):
        docfleet.load_pipeline("ocr", "docfleet", nonsense=1)
    with pytest.raises(UsageError, match="Unknown argument: nonsense"):
        docfleet.load_pipeline("ocr", "paddleocr", nonsense=1)
