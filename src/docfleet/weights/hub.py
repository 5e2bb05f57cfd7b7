"""Fetches `inference.onnx` and `inference.yml` from an official repository, through huggingface_hub.

    repository --(its list of files, at one commit)--> expected digests --> download --> compare --> HubFiles

No sha256 of these files is known to the registry. The first download trusts what the hub publishes over its
authenticated connection (trust on first use); the store records digests and commit, every later use is checked against
that record, and a repair asks for the recorded commit.

Mirrors, tokens and proxies are huggingface_hub's own settings (HF_ENDPOINT and others); no token is needed.
"""

from __future__ import annotations

import hashlib
import importlib
from dataclasses import dataclass
from pathlib import Path

from docfleet.errors import WeightsError
from docfleet.weights.folder import CONFIG_FILE, ONNX_FILE, sha256_of
from docfleet.weights.progress import Progress
from docfleet.weights.registry import HubSource


@dataclass(frozen=True, slots=True)
class HubFiles:
    """What was fetched."""

    onnx: Path
    config: Path
    revision: str
    """Hex id of the repository's commit."""


def fetch_from_hub(source: HubSource, scratch: Path, *, revision: str | None, progress: Progress) -> HubFiles:
    """Fetch both files into the empty folder `scratch`, at commit `revision` or at the newest one.

    Raises WeightsError if huggingface_hub is not installed, the repository cannot be reached, or a file is not what
    the hub says it is.
    """
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise WeightsError(
            f"{source} is fetched through huggingface_hub, which is not installed: pip install 'docfleet[hub]'"
        ) from error
    try:
        listing = hub.HfApi().model_info(source.repository, revision=revision, files_metadata=True)
        published = {file.rfilename: file for file in listing.siblings or ()}
        paths = []
        for name in (ONNX_FILE, CONFIG_FILE):
            if name not in published:
                raise WeightsError(f"{source} has no {name}")
            progress.started(f"{source} {name}", published[name].size)
            try:
                path = Path(hub.hf_hub_download(source.repository, name, revision=listing.sha, local_dir=scratch))
                progress.advanced(path.stat().st_size)
            finally:
                progress.finished()
            lfs = published[name].lfs
            _compare(path, source, sha256=lfs.sha256 if lfs else None, git_id=published[name].blob_id)
            paths.append(path)
    except WeightsError:
        raise
    # The HTTP client under huggingface_hub, and with it the family of errors, differs between its versions.
    except Exception as error:
        raise WeightsError(f"{source} could not be fetched: {type(error).__name__}: {_first_line(error)}") from error
    return HubFiles(paths[0], paths[1], str(listing.sha))


def _compare(path: Path, source: HubSource, *, sha256: str | None, git_id: str | None) -> None:
    """Large files are published with their SHA-256, small ones with the id that git gives their content."""
    if sha256 is not None:
        expected, found = sha256, sha256_of(path)
    else:
        content = path.read_bytes()
        expected = git_id or "unknown"
        found = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    if found != expected:
        raise WeightsError(f"{path.name} from {source} arrived with digest {found}, not {expected}: try again")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
