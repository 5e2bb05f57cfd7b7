from __future__ import annotations

import sys
from pathlib import Path

import pytest

from docfleet.errors import StartError, UsageError
from docfleet.integrations.paddleocr import package
from docfleet.integrations.paddleocr.package import find_class, installed, is_installed
from tests.integrations.paddleocr.conftest import Standin


@pytest.fixture
def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No PaddleOCR, also where there is one."""
    monkeypatch.setattr(package, "_MODULE", "paddleocr_that_nobody_has")
    package.installed.cache_clear()


def test_an_absent_package_is_one_line_with_the_command(absent: None) -> None:
    assert not is_installed()
    with pytest.raises(UsageError, match=r"^provider paddleocr: .* pip install 'docfleet\[paddleocr\]'$"):
        find_class("SealRecognition")


def test_a_package_that_cannot_be_imported_says_why(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STANDIN_BROKEN", "1")
    with pytest.raises(StartError, match=r"cannot be imported: ImportError: libGL\.so\.1"):
        find_class("PaddleOCR")


def test_a_process_that_dies_while_it_looks_says_what_it_said(
    standin: Standin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(package, "_PROGRAM", "import sys; sys.exit('the disk is gone')")
    with pytest.raises(StartError, match="cannot be imported: the disk is gone"):
        find_class("PaddleOCR")


def test_a_package_without_pipelines_is_said_to_be_too_old(
    standin: Standin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "old" / "paddleocr").mkdir(parents=True)
    (tmp_path / "old" / "paddleocr" / "__init__.py").write_text("class PaddleOCR: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path / "old"))
    with pytest.raises(StartError, match="version 3 is needed"):
        installed()


def test_the_classes_that_take_pages_are_found(standin: Standin) -> None:
    assert {each.name for each in installed().classes} == {
        "DocUnderstanding", "PPChatOCRv4Doc", "PPStructureV3", "PaddleOCR", "TextDetection",
    }  # fmt: skip


def test_a_class_is_found_by_its_name_and_by_its_command(standin: Standin) -> None:
    for name in ("PaddleOCR", "paddleocr", "ocr", "OCR"):
        assert find_class(name).name == "PaddleOCR"
    for name in ("doc_understanding", "doc-understanding"):
        assert find_class(name).name == "DocUnderstanding"


def test_a_name_that_there_is_not_is_named_with_what_is_near(standin: Standin) -> None:
    with pytest.raises(UsageError, match=r"no 'PadleOCR' in the installed PaddleOCR.*did you mean PaddleOCR\?"):
        find_class("PadleOCR")
    with pytest.raises(UsageError, match="it has DocUnderstanding, PPChatOCRv4Doc"):
        find_class("xyzzy")


def test_options_get_the_types_of_the_packages_own_flags(standin: Standin) -> None:
    found = {each.name: each for each in find_class("PaddleOCR").constructor}
    types = {name: each.flag for name, each in found.items()}
    assert types == {
        "text_det_thresh": "float", "use_doc_unwarping": "bool", "lang": "str", "old_thresh": "float",
        "rec_batch_size": "int", "text_model_dir": "any", "device": "str", "enable_hpi": "bool", "engine": "str",
        "input_shape": "any", "engine_config": "any", "paddlex_config": "any",
    }  # fmt: skip
    assert found["engine"].choices == ("paddle", "onnxruntime")
    assert found["lang"].help == "what lang does"


def test_settings_of_calls_are_those_that_they_declare(standin: Standin) -> None:
    ocr, asked, network, chat = map(find_class, ("ocr", "DocUnderstanding", "TextDetection", "PPChatOCRv4Doc"))
    assert [(each.name, each.flag) for each in ocr.settings] == [
        ("text_det_thresh", "float"), ("only_here", "bool"), ("layout_det_res", "any"),
    ]  # fmt: skip
    assert not ocr.open
    assert {each.name for each in asked.settings} >= {"max_new_tokens", "temperature"}
    assert network.open
    assert not network.settings
    assert chat.call == "visual_predict_iter"
    assert "keys" not in {each.name for each in chat.constructor}


def test_the_package_is_looked_at_once(standin: Standin) -> None:
    first = installed()
    package.installed.cache_clear()
    assert installed() == first
    assert len(standin.did("import")) == 1


def test_another_version_is_looked_at_anew(standin: Standin, monkeypatch: pytest.MonkeyPatch) -> None:
    installed()
    monkeypatch.setattr(package, "versions", lambda: {"paddleocr": "99"})
    package.installed.cache_clear()
    assert installed().versions == {"paddleocr": "99"}
    assert len(standin.did("import")) == 2


def test_a_folder_that_cannot_be_written_costs_the_memory_alone(
    standin: Standin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path / "file" / "cache"))
    assert installed().classes
    assert "paddleocr" not in sys.modules
