from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from docfleet.errors import UsageError
from docfleet.integrations.paddleocr import options
from docfleet.integrations.paddleocr.options import PackageOptions, check_setting, options_of
from docfleet.integrations.paddleocr.package import find_class
from docfleet.integrations.paddleocr.plan import PackagePlan
from docfleet.pipelines.options import parse
from tests.integrations.paddleocr.conftest import Standin

pytestmark = pytest.mark.usefixtures("standin")


def given(name: str = "PaddleOCR", **values: Any) -> PackageOptions:
    found = parse(options_of(find_class(name)), values)
    found.check()
    return found


def plan(name: str = "PaddleOCR", **values: Any) -> PackagePlan:
    return PackagePlan.of(given(name, **values))


@pytest.fixture
def paddle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Paddle is installed."""
    (tmp_path / "site" / "paddle").mkdir(parents=True)
    (tmp_path / "site" / "paddle" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))


def test_what_is_given_reaches_the_constructor_and_nothing_else(paddle: None) -> None:
    made = given(text_det_thresh=0.3, lang="no", device="cpu", timeout=3, text_model_dir=Path("models/x"))
    assert made.constructor_arguments() == {"text_det_thresh": 0.3, "lang": "no", "text_model_dir": "models/x"}
    assert made.call_arguments() == {}


def test_what_only_calls_take_goes_to_every_call() -> None:
    assert given(only_here=True, text_det_thresh=1).call_arguments() == {"only_here": True}


def test_values_are_the_packages_business() -> None:
    assert given(text_det_thresh={"0": 0.5}).constructor_arguments()["text_det_thresh"] == {"0": 0.5}


def test_a_name_that_there_is_not_is_refused_with_what_is_near() -> None:
    with pytest.raises(UsageError, match="Unknown argument: text_det_tresh; did you mean 'text_det_thresh'"):
        given(text_det_tresh=1)


def test_without_paddle_the_engine_is_onnxruntime(monkeypatch: pytest.MonkeyPatch) -> None:
    find = options.importlib.util.find_spec
    monkeypatch.setattr(options.importlib.util, "find_spec", lambda name: None if name == "paddle" else find(name))
    assert given().resolved_engine == "onnxruntime"
    assert given(engine="auto").resolved_engine == "onnxruntime"
    assert given(engine="paddle").resolved_engine == "paddle"
    assert given(paddlex_config="mine.yaml").resolved_engine is None


def test_with_paddle_the_engine_is_the_packages_choice(paddle: None) -> None:
    assert given().resolved_engine is None
    assert "engine" not in given().constructor_arguments()


def test_a_gpu_is_used_only_where_what_computes_can_use_it(paddle: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(options, "_is_there", lambda name: False)
    assert "install paddlepaddle-gpu" in (given().obstacle("gpu") or "")
    monkeypatch.setattr(options, "_is_there", lambda name: name == "paddlepaddle-gpu")
    assert given().obstacle("gpu") is None
    assert given().obstacle("npu") is None


def test_engines_are_the_packages() -> None:
    with pytest.raises(UsageError, match="engine is one of auto, paddle, onnxruntime, not 'openvino'"):
        given(engine="openvino")


def test_a_process_is_what_runs_it_whatever_is_asked() -> None:
    assert given().executor == given(executor="auto").executor == "processes"
    with pytest.raises(UsageError, match="executor"):
        given(executor="serial")


def test_pages_are_handed_over_one_by_one_unless_asked_otherwise() -> None:
    assert given().batch_size == 1
    assert given(batch_size=4).batch_size == 4


def test_kinds_of_files_that_there_are_not_are_refused() -> None:
    assert given(artefacts="img").artefacts == ("img",)
    with pytest.raises(UsageError, match="artefacts names 'pictures': there is img, html"):
        given(artefacts=["pictures"])


def test_only_classes_that_answer_are_asked() -> None:
    assert plan("DocUnderstanding", query="what?").default_settings()["asked"] == {"query": "what?"}
    with pytest.raises(UsageError, match="answers no questions"):
        given(query="what?")
    with pytest.raises(UsageError, match="--query"):
        plan("DocUnderstanding").default_settings()


def test_settings_that_a_call_would_swallow_are_refused() -> None:
    with pytest.raises(UsageError, match="a call of PaddleOCR takes text_det_thresh, only_here"):
        plan().settings_for({"anything": 1})
    check_setting(find_class("TextDetection"), "anything")


def test_results_of_other_calls_are_refused() -> None:
    with pytest.raises(UsageError, match="pages go to any instance"):
        plan().settings_for({"layout_det_res": []})


def test_what_cannot_travel_is_named() -> None:
    with pytest.raises(UsageError, match="text_det_thresh cannot travel"):
        plan(text_det_thresh=object())
    with pytest.raises(UsageError, match="only_here cannot travel"):
        plan().settings_for({"only_here": object()})


def test_a_call_overrules_what_the_pipeline_was_made_with() -> None:
    made = plan(only_here=True)
    assert made.default_settings()["call"] == {"only_here": True}
    assert made.settings_for({"only_here": False, "text_det_thresh": None})["call"] == {"only_here": False}


def test_the_outputs_depend_on_options_settings_versions_and_contents(tmp_path: Path) -> None:
    (tmp_path / "inference.onnx").write_bytes(b"weights")
    first = plan("ocr", text_model_dir=tmp_path, lang="no", only_here=True).to_plain()
    assert first["class"] == "PaddleOCR"
    assert first["options"]["lang"] == "no"
    assert first["settings"] == {"only_here": True}
    (tmp_path / "inference.onnx").write_bytes(b"weightz")
    second = plan("ocr", text_model_dir=tmp_path, lang="no", only_here=True).to_plain()
    assert second != first
    first["options"]["text_model_dir"].pop("sha256")
    second["options"]["text_model_dir"].pop("sha256")
    assert second == first


def test_a_folder_that_is_not_there_is_named() -> None:
    with pytest.raises(Exception, match="/nowhere: no such folder"):
        plan(text_model_dir="/nowhere").to_plain()


def test_options_of_a_class_are_made_once(standin: Standin) -> None:
    assert options_of(find_class("ocr")) is options_of(find_class("PaddleOCR"))
