"""The installed PaddleOCR as the caller's process sees it, which never imports it.

      is it there, which versions?   import path and metadata of distributions
      its classes and options        docfleet.integrations.paddleocr.inspection in a child process --JSON--> remembered

To import it takes seconds, sets NumPy's print options and replaces handlers of loggers. What the child process found is
kept in the user's cache folder, for these versions at this place.
"""

from __future__ import annotations

import difflib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from docfleet.errors import StartError, UsageError
from docfleet.integrations.paddleocr.description import Package, PackageClass
from docfleet.results.base import write_atomically
from docfleet.weights import default_root

_LOG = logging.getLogger(__name__)

INSTALL = "pip install 'docfleet[paddleocr]'"
"""The command that installs the package."""

_MODULE = "paddleocr"
_DISTRIBUTIONS = ("paddleocr", "paddlex")
_FORMAT = 1
"""Of what is remembered; raised when `inspection` finds out other things."""
_PROGRAM = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from docfleet.integrations.paddleocr.inspection import main; main()"
)


def is_installed() -> bool:
    """Whether there is a package to import."""
    return _origin() is not None


def versions() -> dict[str, str]:
    """Distribution -> version, of the package and what it is made of, as far as they are installed as distributions."""
    found = {}
    for name in _DISTRIBUTIONS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def find_class(name: str) -> PackageClass:
    """The package's class of that name, or with that sub-command, however it is capitalised.

    Raises UsageError, naming what to do, where there is no package or no such class; StartError where it cannot be
    imported.
    """
    if not is_installed():
        raise UsageError(f"provider paddleocr: PaddleOCR is not installed here; {INSTALL}")
    classes = installed().classes
    names = {key.lower(): each for each in classes for key in (each.command, each.name) if key}
    found = names.get(name.lower().replace("-", "_"))
    if found is not None:
        return found
    close = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {names[close[0]].name}?" if close else f"it has {', '.join(each.name for each in classes)}"
    raise UsageError(f"there is no {name!r} in the installed PaddleOCR{_version()}; {hint}")


@functools.cache
def installed() -> Package:
    """What is installed. Raises StartError where it cannot be imported, or has nothing that takes pages."""
    origin = _origin()
    if origin is None:
        raise StartError(f"PaddleOCR is not installed here; {INSTALL}")
    remembered = default_root().with_name("paddleocr") / f"{_key(origin)}.json"
    try:
        return _package(remembered.read_bytes())
    except (OSError, msgspec.MsgspecError):
        pass
    data = _ask()
    package = _package(data)
    if not package.classes:
        raise StartError(
            f"the installed PaddleOCR{_version()} has no class that takes pages: version 3 is needed; {INSTALL}"
        )
    try:
        write_atomically(remembered, data)
    except OSError as error:
        _LOG.debug("what was found out about paddleocr cannot be kept: %s", error)
    return package


def _package(data: bytes) -> Package:
    return Package(versions=versions(), classes=msgspec.json.decode(data, type=tuple[PackageClass, ...]))


def _ask() -> bytes:
    """The classes as JSON, found out by a child process. Raises StartError."""
    _LOG.info("looking at the installed PaddleOCR%s, once for this version", _version())
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, json.dumps(sys.path)],
        stdin=subprocess.DEVNULL, capture_output=True, check=False,
    )  # fmt: skip
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2] or f"exit status {done.returncode}"
        answer = {"error": last}
    if "error" in answer:
        raise StartError(
            f"the installed PaddleOCR{_version()} cannot be imported: {answer['error']}; try {sys.executable} -c "
            "'import paddleocr'"
        )
    return json.dumps(answer["classes"]).encode()


def _origin() -> Path | None:
    """The package's `__init__.py`. Finding a top-level module imports nothing."""
    spec = importlib.util.find_spec(_MODULE)
    return None if spec is None or spec.origin is None else Path(spec.origin)


def _key(origin: Path) -> str:
    """Differs for anything that might have other classes or options."""
    what = [_FORMAT, sys.version, str(origin), origin.stat().st_mtime_ns, *sorted(versions().items())]
    return hashlib.sha256(json.dumps(what).encode()).hexdigest()[:32]


def _version() -> str:
    version = versions().get("paddleocr")
    return "" if version is None else f" {version}"
