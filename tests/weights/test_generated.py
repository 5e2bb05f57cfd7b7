"""The `inference.yml` that is written for a pinned network."""

from __future__ import annotations

import dataclasses

import pytest

from docfleet.errors import WeightsError
from docfleet.weights.folder import read_config
from docfleet.weights.generated import as_yaml, generated_config
from tests.weights.house import CHARACTERS, ONNX, tiny_model, tiny_onnx


def test_name_template_and_characters_come_together(tmp_path):
    path = tmp_path / "net.onnx"
    path.write_bytes(ONNX)
    model = tiny_model(ONNX)
    assert generated_config(model, path) == {
        "Global": {"model_name": "tiny"},
        "PostProcess": {"name": "CTCLabelDecode", "character_dict": CHARACTERS},
    }
    assert "character_dict" not in model.template["PostProcess"]


@pytest.mark.parametrize("metadata", [{}, {"character": ""}, {"other": "a"}])
def test_a_network_without_its_characters_is_refused(tmp_path, metadata):
    path = tmp_path / "net.onnx"
    path.write_bytes(tiny_onnx(metadata))
    with pytest.raises(WeightsError, match="the network of tiny does not carry its characters"):
        generated_config(tiny_model(ONNX), path)


def test_a_model_without_characters_needs_no_metadata(tmp_path):
    model = dataclasses.replace(tiny_model(ONNX), characters=None)
    assert generated_config(model, tmp_path / "never_read.onnx")["PostProcess"] == {"name": "CTCLabelDecode"}


def test_characters_survive_yaml(tmp_path):
    hard = ["\u3000", "'", '"', "#", "~", "y", "no", "null", "1", "1.5", "=", "-", ":", " ", "\u2028", "\ufeff", "🛁"]
    path = tmp_path / "inference.yml"
    path.write_bytes(as_yaml({"Global": {"model_name": "x"}, "PostProcess": {"character_dict": hard}}))
    config = read_config(path)
    assert config["PostProcess"]["character_dict"] == hard
    assert list(config) == ["Global", "PostProcess"]
