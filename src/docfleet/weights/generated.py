"""Writes the `inference.yml` of a pinned model, whose wheel carries only the network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docfleet.errors import WeightsError
from docfleet.weights.onnx_metadata import read_metadata
from docfleet.weights.registry import Model


def generated_config(model: Model, onnx: Path) -> dict[str, Any]:
    """The registry's template, the model's name, and the characters that its network at `onnx` carries.

    The characters are those of the metadata, one a line; the blank and the final space are the decoder's to add.

    Raises WeightsError if the network's metadata lacks the characters.
    """
    config: dict[str, Any] = {"Global": {"model_name": model.name}, **model.template}
    if model.characters is not None:
        text = read_metadata(onnx).get(model.characters)
        if not text:
            raise WeightsError(
                f"the network of {model.name} does not carry its characters (metadata {model.characters!r})"
            )
        config["PostProcess"] = {**config.get("PostProcess", {}), "character_dict": text.split("\n")}
    return config


def as_yaml(config: Mapping[str, Any]) -> bytes:
    """The text of an `inference.yml`, in UTF-8, keys in the given order."""
    import yaml

    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    text: bytes = yaml.dump(config, Dumper=dumper, allow_unicode=True, sort_keys=False, encoding="utf-8")
    return text
