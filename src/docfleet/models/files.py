"""A model's files as the networks' modules see them, and what its `inference.yml` says.

PreProcess.transform_ops: [{DecodeImage: {img_mode: BGR}}, {DetResizeForTest: {...}}, {NormalizeImage: {...}}, ...]
PostProcess: {name: DBPostProcess, ...}
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from docfleet.errors import WeightsError


class ModelFiles(Protocol):
    """What a network's module needs to know of a model; `docfleet.weights.ModelFolder` is one."""

    @property
    def name(self) -> str: ...
    @property
    def onnx(self) -> Path: ...
    @property
    def config(self) -> Mapping[str, Any]:
        """The parsed `inference.yml`."""

    @property
    def sha256(self) -> str: ...


def transform_ops(files: ModelFiles) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The steps of preparation, in order: name and parameters.

    Raises WeightsError if `inference.yml` does not have them in the official form.
    """
    ops = post_or_pre_process(files, "PreProcess").get("transform_ops")
    if not isinstance(ops, list) or not all(isinstance(op, Mapping) and len(op) == 1 for op in ops):
        raise malformed(files, "PreProcess.transform_ops is not a list of named steps")
    for op in ops:
        ((name, parameters),) = op.items()
        yield name, parameters if isinstance(parameters, Mapping) else {}


def transform_op(files: ModelFiles, name: str) -> Mapping[str, Any] | None:
    """Parameters of the step `name`, or None if there is no such step."""
    return next((parameters for op, parameters in transform_ops(files) if op == name), None)


def post_or_pre_process(files: ModelFiles, section: str) -> Mapping[str, Any]:
    """The section `PreProcess` or `PostProcess`; raises WeightsError if it is missing."""
    values = files.config.get(section)
    if not isinstance(values, Mapping):
        raise malformed(files, f"it has no section {section}")
    return values


def reads_rgb(files: ModelFiles, *, default: bool) -> bool:
    """Whether the network wants red first; `default` where `inference.yml` leaves it to the kind of model."""
    decode = transform_op(files, "DecodeImage")
    return default if decode is None else str(decode.get("img_mode", "BGR")).upper() == "RGB"


def malformed(files: ModelFiles, what: str) -> WeightsError:
    """The error for an `inference.yml` that does not fit this use."""
    return WeightsError(f"inference.yml of the model {files.name} ({files.onnx.parent}): {what}")
