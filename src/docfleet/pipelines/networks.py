"""The networks of a pipeline: wanted by name or folder, found once in the parent, loaded in every instance.

options --> Wanted --find, fetching--> ModelRef (name, folder, sha256) --in the plan, as plain values-->
                                               Networks.load, in each instance --> Session, ModelFolder
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from docfleet.engines.base import EngineOptions, Session, open_session, resolve_engine, resolve_precision
from docfleet.errors import WeightsError
from docfleet.fleet.devices import Slot
from docfleet.pipelines.common import CommonOptions
from docfleet.weights import ModelFolder, Progress, Store, default_root, open_model_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One network that the options ask for: a folder that the user named, or a name to find in the store."""

    role: str
    name: str
    """Ignored where a folder is given."""
    folder: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A network by name, folder and content."""

    name: str
    folder: str | None
    """The folder that the user named; None for a model of the store."""
    sha256: str

    @classmethod
    def of(cls, wanted: Wanted) -> Self:
        """The network that is wanted, which must be there. Raises UsageError, WeightsError."""
        files = _open(wanted.name, wanted.folder)
        return cls(name=files.name, folder=wanted.folder, sha256=files.sha256)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any] | None) -> Self | None:
        """The inverse of `dataclasses.asdict`; None stays None."""
        return None if plain is None else cls(**plain)

    def open(self) -> ModelFolder:
        """Its verified files. Raises WeightsError if they are gone, or other ones than when the plan was made."""
        files = _open(self.name, self.folder)
        if files.sha256 != self.sha256:
            raise WeightsError(f"{files.onnx} has changed since the pipeline was made; make it anew")
        return files


def find(wanted: Sequence[Wanted], progress: Progress) -> dict[str, ModelRef]:
    """The networks by role; those that are not in the store are fetched together. Raises UsageError, WeightsError."""
    Store().fetch([one.name for one in wanted if one.folder is None], progress=progress)
    return {one.role: ModelRef.of(one) for one in wanted}


def resolve_computing(options: CommonOptions, device_type: str) -> tuple[str, str]:
    """The engine and the precision that options stand for on a type of device. Raises UsageError, EngineError."""
    wanted = "auto" if options.engine is None else options.engine
    engine = resolve_engine("tensorrt" if options.use_tensorrt else wanted, device_type)
    return engine, resolve_precision(options.precision or "auto", engine, device_type)


class Networks:
    """Loads networks for one slot, and releases them together."""

    def __init__(self, engine: str, precision: str, slot: Slot) -> None:
        self._options = EngineOptions(
            engine=engine,
            device_type=slot.device_type,
            device_id=slot.library_id,
            threads=slot.threads,
            precision=precision,
            cache_dir=default_root().with_name("compiled"),
        )
        self._sessions: list[Session] = []

    def load(self, model: ModelRef) -> tuple[Session, ModelFolder]:
        """A network, ready to run, and its files. Raises EngineError, WeightsError."""
        files = model.open()
        session = open_session(files.onnx, self._options)
        self._sessions.append(session)
        return session, files

    def close(self) -> None:
        """Release the networks."""
        for session in self._sessions:
            session.close()


def _open(name: str, folder: str | None) -> ModelFolder:
    return Store().locate(name) if folder is None else open_model_folder(Path(folder))
