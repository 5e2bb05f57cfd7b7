"""Which models exist: their task, licence, origin, and where their files come from (`registry.toml`).

A model is of one of two kinds:

    pinned     sha256 known here; every source must deliver exactly that network, so it does not matter which one did.
               inference.yml is written from a template at installation.
    official   from its official repository; the sha256 that the hub publishes at the first download is trusted and
               recorded in the store. inference.yml comes with it.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from docfleet.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
"""Names become folder names."""


class ModelTask(StrEnum):
    """What a model does."""

    TEXT_DETECTION = "text_detection"
    TEXT_RECOGNITION = "text_recognition"
    TEXTLINE_ORIENTATION = "textline_orientation"
    DOC_ORIENTATION = "doc_orientation"
    DOC_UNWARPING = "doc_unwarping"
    LAYOUT_DETECTION = "layout_detection"
    SEAL_TEXT_DETECTION = "seal_text_detection"
    TABLE_STRUCTURE = "table_structure"
    TABLE_CLASSIFICATION = "table_classification"


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelSource:
    """A wheel on the package index that carries the network as plain data."""

    package: str
    version: str
    member: str
    """Path of the ONNX file inside the wheel."""
    platform: str | None = None
    """Platform tag of the wheel, if it has one; it is fetched on every platform."""

    def __str__(self) -> str:
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class HubSource:
    """An official repository with `inference.onnx` and `inference.yml`."""

    repository: str
    """`owner/name`."""

    def __str__(self) -> str:
        return self.repository


Source = WheelSource | HubSource


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One registered model."""

    name: str
    task: ModelTask
    licence: str
    """SPDX identifier of the weights' licence."""
    upstream: str
    """Repository of the project that made the weights."""
    sources: tuple[Source, ...]
    """Tried in this order. Wheels for a pinned model, hub repositories for an official one."""
    sha256: str | None = None
    """Hex digest of `inference.onnx`; None for an official model."""
    size: int | None = None
    """Bytes of `inference.onnx`, where pinned."""
    template: Mapping[str, Any] = field(default_factory=dict)
    """Body of the `inference.yml` that is written beside a pinned network."""
    characters: str | None = None
    """Key of the ONNX metadata whose lines become `PostProcess.character_dict`."""

    @property
    def recipe(self) -> str | None:
        """Digest of what the generated `inference.yml` is made from; None if it comes with the model.

        A store filled by a release with another template is thereby found out of date.
        """
        if self.sha256 is None:
            return None
        text = json.dumps([self.template, self.characters], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Registry:
    """The models by name, in the order of registration, and the default of each task."""

    def __init__(self, models: Iterable[Model], defaults: Mapping[ModelTask, str] | None = None) -> None:
        """Raises ValueError for a name that cannot be a folder's, or a default that is not registered for its task."""
        self._models = {model.name: model for model in models}
        self._defaults = dict(defaults or {})
        for name in self._models:
            if not _NAME.fullmatch(name):
                raise ValueError(f"bad model name {name!r}")
        for task, name in self._defaults.items():
            if name not in self._models or self._models[name].task is not task:
                raise ValueError(f"the default of {task} is {name!r}, which is not a registered model of that task")

    def __iter__(self) -> Iterator[Model]:
        return iter(self._models.values())

    def __len__(self) -> int:
        return len(self._models)

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def __getitem__(self, name: str) -> Model:
        """The model called `name`. Raises UsageError, with what it may have been meant to be."""
        try:
            return self._models[name]
        except KeyError:
            close = difflib.get_close_matches(name, self._models, n=3)
            hint = f"did you mean {' or '.join(close)}? " if close else ""
            raise UsageError(
                f"unknown model {name!r}: {hint}`docfleet models list` shows those that are registered; for "
                "any other, name its folder with the model's *_model_dir option"
            ) from None

    def default(self, task: ModelTask | str) -> Model:
        """The model that `task` uses when nothing else is asked for. Raises UsageError if it has none."""
        name = self._defaults.get(ModelTask(task))
        if name is None:
            raise UsageError(f"no model is the default of {task}: name one")
        return self._models[name]

    def defaults(self) -> dict[ModelTask, Model]:
        """The default model of each task that has one."""
        return {task: self._models[name] for task, name in self._defaults.items()}


def parse_registry(text: str) -> Registry:
    """The registry that a document like `registry.toml` describes.

    Raises ValueError or KeyError where it is not well formed: the file is part of the package, a test reads all of it.
    """
    import tomllib

    document = tomllib.loads(text)
    templates = document.get("templates", {})
    pinned = [_pinned(name, entry, templates) for name, entry in document.get("models", {}).items()]
    official = [
        _official(name, ModelTask(task)) for task, names in document.get("official", {}).items() for name in names
    ]
    names = [model.name for model in (*pinned, *official)]
    if len(set(names)) != len(names):
        raise ValueError(f"registered twice: {sorted({name for name in names if names.count(name) > 1})}")
    defaults = {ModelTask(task): name for task, name in document.get("defaults", {}).items()}
    return Registry((*pinned, *official), defaults)


@functools.cache
def builtin_registry() -> Registry:
    """The registry that comes with docfleet. Never changes, hence read once."""
    return parse_registry(Path(__file__).with_name("registry.toml").read_text(encoding="utf-8"))


def _pinned(name: str, entry: Mapping[str, Any], templates: Mapping[str, Any]) -> Model:
    sources = tuple(
        WheelSource(
            package=source["wheel"], version=source["version"], member=source["member"], platform=source.get("platform")
        )
        for source in entry["sources"]
    )
    return Model(
        name=name,
        task=ModelTask(entry["task"]),
        licence=entry["licence"],
        upstream=entry["upstream"],
        sources=sources,
        sha256=entry["sha256"],
        size=entry["size"],
        template=templates[entry["template"]],
        characters=entry.get("characters"),
    )


def _official(name: str, task: ModelTask) -> Model:
    return Model(
        name=name,
        task=task,
        licence="Apache-2.0",
        upstream="PaddlePaddle/PaddleX",
        sources=(HubSource(f"PaddlePaddle/{name}_onnx"),),
    )
