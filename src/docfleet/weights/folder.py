"""A model folder in the official format: `inference.onnx` beside `inference.yml`.

    <folder>/inference.onnx     the network
    <folder>/inference.yml      Global.model_name, how to prepare its input, how to interpret its output

The same for folders of the store and for those that a user names with a `*_model_dir` option.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docfleet.errors import WeightsError

ONNX_FILE = "inference.onnx"
CONFIG_FILE = "inference.yml"

_PADDLE_FILES = ("inference.pdiparams", "inference.pdmodel", "inference.json", "model.safetensors")
"""What a folder of the other official formats holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFolder:
    """One model's files, found and readable."""

    name: str
    """The model's name, as the reference uses it where the model is its own."""
    path: Path
    onnx: Path
    config: Mapping[str, Any]
    """The parsed `inference.yml`. Shared: not to be changed."""
    sha256: str
    """Hex digest of `inference.onnx`: identifies the weights in cache keys and journals. Tensors that the ONNX file
    keeps in further files beside it are not covered."""


def open_model_folder(path: Path) -> ModelFolder:
    """The model in a folder that the user named; its name is `Global.model_name`, or else the folder's.

    Raises WeightsError if a file is missing or `inference.yml` cannot be understood.
    """
    if not path.is_dir():
        raise WeightsError(f"model folder {path} does not exist: name a folder with {ONNX_FILE} and {CONFIG_FILE}")
    onnx, config_file = path / ONNX_FILE, path / CONFIG_FILE
    if not onnx.is_file():
        raise _not_onnx(path)
    if not config_file.is_file():
        raise WeightsError(
            f"model folder {path} has no {CONFIG_FILE}, which says how the network's input is prepared: "
            "copy it from where the model came from"
        )
    config = read_config(config_file)
    try:
        digest = sha256_of(onnx)
    except OSError as error:
        raise WeightsError(f"{onnx} cannot be read: {error.strerror or error}") from error
    return ModelFolder(name=_name_in(config) or path.resolve().name, path=path, onnx=onnx, config=config, sha256=digest)


def read_config(path: Path) -> dict[str, Any]:
    """Parse an `inference.yml`. The 18,708 characters of a large recogniser take about 70 ms with libyaml.

    Raises WeightsError if it cannot be read or is not a mapping.
    """
    import yaml

    # The C loader is the same safe loader, ten times as fast; wheels of PyYAML have it, some builds do not.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        with path.open("rb") as file:
            config = yaml.load(file, Loader=loader)
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise WeightsError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(config, dict):
        raise WeightsError(f"{path} is not an inference.yml: expected a mapping, found {type(config).__name__}")
    return config


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes: about 15 ms for 20 MB."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _name_in(config: Mapping[str, Any]) -> str | None:
    section = config.get("Global")
    name = section.get("model_name") if isinstance(section, dict) else None
    return name if isinstance(name, str) and name else None


def _not_onnx(path: Path) -> WeightsError:
    other = next((name for name in _PADDLE_FILES if (path / name).is_file()), None)
    if other is None:
        return WeightsError(f"model folder {path} has no {ONNX_FILE}: name the folder that holds it and {CONFIG_FILE}")
    config_file = path / CONFIG_FILE
    name = _name_in(read_config(config_file)) if config_file.is_file() else None
    name = name or path.resolve().name.removesuffix("_infer").removesuffix("_safetensors")
    return WeightsError(
        f"model folder {path} holds a Paddle model ({other}) and no {ONNX_FILE}: take the ONNX variant "
        f"from PaddlePaddle/{name}_onnx, or convert it with paddle2onnx"
    )
