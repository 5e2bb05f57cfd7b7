"""Folders that a user names: what works, and what each mistake is told."""

from __future__ import annotations

import hashlib

import pytest

from docfleet.errors import WeightsError
from docfleet.weights import open_model_folder
from tests.weights.house import ONNX

CONFIG = "Global:\n  model_name: mine\nPostProcess:\n  character_dict: ['y', '~', \"\u3000\"]\n"


@pytest.fixture
def folder(tmp_path):
    """A complete folder in the official format."""
    path = tmp_path / "models" / "given"
    path.mkdir(parents=True)
    (path / "inference.onnx").write_bytes(ONNX)
    (path / "inference.yml").write_text(CONFIG, encoding="utf-8")
    return path


def test_opens_a_folder_in_the_official_format(folder):
    opened = open_model_folder(folder)
    assert (opened.name, opened.path, opened.onnx) == ("mine", folder, folder / "inference.onnx")
    assert opened.sha256 == hashlib.sha256(ONNX).hexdigest()
    assert opened.config["PostProcess"]["character_dict"] == ["y", "~", "\u3000"]


@pytest.mark.parametrize("config", ["PreProcess: {}", "Global:", "Global: {model_name: 7}"])
def test_a_config_without_a_name_takes_the_folders(folder, config):
    (folder / "inference.yml").write_text(config)
    assert open_model_folder(folder).name == "given"


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(WeightsError, match="none does not exist: name a folder with inference"):
        open_model_folder(tmp_path / "none")


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("inference.onnx", "given has no inference.onnx: name the folder that holds it"),
        ("inference.yml", "given has no inference.yml, which says how the network's input is prepared"),
    ],
)
def test_a_missing_file_is_named(folder, missing, message):
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match=message):
        open_model_folder(folder)


@pytest.mark.parametrize("file", ["inference.pdiparams", "inference.json", "model.safetensors"])
def test_a_paddle_model_names_its_onnx_variant(folder, file):
    (folder / "inference.onnx").rename(folder / file)
    with pytest.raises(WeightsError, match=rf"holds a Paddle model \({file}\).* PaddlePaddle/mine_onnx"):
        open_model_folder(folder)
    (folder / "inference.yml").unlink()
    folder = folder.rename(folder.with_name("PP-OCRv4_det_infer"))
    with pytest.raises(WeightsError, match="PaddlePaddle/PP-OCRv4_det_onnx"):
        open_model_folder(folder)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (b"a: [1, 2", "inference.yml cannot be read as YAML"),
        (b"\xff\xfe\x00", "inference.yml cannot be read as YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "inference.yml cannot be read as YAML"),
        (b"- a\n- b\n", "is not an inference.yml: expected a mapping, found list"),
    ],
)
def test_a_config_that_is_none(folder, config, message):
    (folder / "inference.yml").write_bytes(config)
    with pytest.raises(WeightsError, match=message) as caught:
        open_model_folder(folder)
    assert "\n" not in str(caught.value)
