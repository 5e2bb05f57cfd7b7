"""The registry: what it must hold, and what it refuses."""

from __future__ import annotations

import dataclasses
import re

import pytest

from docfleet.errors import UsageError
from docfleet.weights import HubSource, ModelTask, Registry, WheelSource, builtin_registry
from docfleet.weights.registry import parse_registry
from tests.weights.house import ONNX, tiny_model

PINNED = {
    "PP-OCRv6_small_det", "PP-OCRv6_small_rec", "PP-OCRv6_tiny_det", "PP-OCRv6_tiny_rec",
    "PP-OCR_mobile_v2.0_textline_cls", "PP-LCNet_x1_0_doc_ori", "UVDoc", "PicoDet_layout_cdla",
    "PP-OCRv4_mobile_seal_det", "SLANet_plus", "table_cls_wired_wireless",
}  # fmt: skip
"""The models that need no hub."""


def test_every_task_has_a_default_that_needs_no_hub():
    defaults = builtin_registry().defaults()
    assert set(defaults) == set(ModelTask)
    assert all(model.task is task for task, model in defaults.items())
    assert {model.name for model in defaults.values()} <= PINNED
    assert builtin_registry().default("text_recognition").name == "PP-OCRv6_small_rec"


def test_a_model_is_pinned_to_wheels_or_comes_from_its_official_repository():
    pinned = set()
    for model in builtin_registry():
        if model.sha256 is None:
            assert model.sources == (HubSource(f"PaddlePaddle/{model.name}_onnx"),)
            assert model.recipe is None
        else:
            pinned.add(model.name)
            assert re.fullmatch("[0-9a-f]{64}", model.sha256)
            assert model.size
            assert model.sources
            assert all(isinstance(source, WheelSource) for source in model.sources)
            assert model.template
        assert model.licence
        assert model.upstream
    assert pinned == PINNED


@pytest.mark.parametrize(
    "name",
    ["PP-OCRv6_medium_det", "PP-OCRv6_medium_rec", "PP-OCRv5_server_det", "PP-OCRv5_server_rec", "PP-OCRv5_mobile_det",
     "PP-OCRv5_mobile_rec", "PP-LCNet_x1_0_textline_ori", "PP-DocLayout_plus-L", "korean_PP-OCRv5_mobile_rec",
     "th_PP-OCRv5_mobile_rec", "el_PP-OCRv5_mobile_rec", "te_PP-OCRv5_mobile_rec", "ta_PP-OCRv5_mobile_rec",
     "eslav_PP-OCRv5_mobile_rec", "arabic_PP-OCRv5_mobile_rec", "cyrillic_PP-OCRv5_mobile_rec",
     "devanagari_PP-OCRv5_mobile_rec", "latin_PP-OCRv5_mobile_rec"],
)  # fmt: skip
def test_the_references_own_defaults_are_registered(name):
    assert builtin_registry()[name].name == name


def test_recognisers_and_no_others_but_tables_take_characters_from_their_network():
    assert {model.task for model in builtin_registry() if model.characters} == {
        ModelTask.TEXT_RECOGNITION,
        ModelTask.TABLE_STRUCTURE,
    }


def test_every_label_of_the_layout_model_is_mapped():
    template = builtin_registry()["PicoDet_layout_cdla"].template
    assert list(template["docfleet"]["label_map"]) == template["label_list"]


def test_an_unknown_name_gets_a_hint():
    with pytest.raises(UsageError, match="unknown model 'PP-OCRv6_smal_det': did you mean PP-OCRv6_small_det"):
        builtin_registry()["PP-OCRv6_smal_det"]
    with pytest.raises(UsageError, match=r"unknown model '\.\./\.\./etc': `docfleet models list` shows"):
        builtin_registry()["../../etc"]


def test_a_task_without_default_says_so():
    with pytest.raises(UsageError, match="no model is the default of doc_unwarping"):
        Registry([tiny_model(ONNX)]).default(ModelTask.DOC_UNWARPING)


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".incoming", "a b"])
def test_a_name_that_is_no_folder_name_is_refused(name):
    with pytest.raises(ValueError, match="bad model name"):
        Registry([tiny_model(ONNX, name=name)])


def test_a_default_must_be_registered_for_its_task():
    for task, name in ((ModelTask.TEXT_RECOGNITION, "other"), (ModelTask.DOC_UNWARPING, "tiny")):
        with pytest.raises(ValueError, match=f"the default of {task} is '{name}'"):
            Registry([tiny_model(ONNX)], {task: name})


def test_a_model_registered_twice_is_refused():
    with pytest.raises(ValueError, match=r"registered twice: \['A'\]"):
        parse_registry('[official]\ntext_detection = ["A"]\nlayout_detection = ["B", "A"]\n')


def test_the_recipe_changes_with_what_inference_yml_is_made_from_and_with_nothing_else():
    model = tiny_model(ONNX)
    assert dataclasses.replace(model, template={"other": 1}).recipe != model.recipe
    assert dataclasses.replace(model, characters="labels").recipe != model.recipe
    assert dataclasses.replace(model, licence="MIT", sources=(), sha256="0" * 64).recipe == model.recipe
