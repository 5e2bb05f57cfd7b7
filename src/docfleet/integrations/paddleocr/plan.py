"""What decides a page's result, beside the page: the class, its options, and what is in the folders that they name."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docfleet.errors import UsageError, WeightsError
from docfleet.integrations.paddleocr.description import ASKED, PackageClass
from docfleet.integrations.paddleocr.options import PackageOptions, check_setting
from docfleet.integrations.paddleocr.package import versions
from docfleet.results.plain import to_plain

_FOLDERS = "_dir"
"""How options end that name a folder of a network."""
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class PackagePlan:
    """A pipeline of the package with nothing left to decide here; what is left open, the package decides."""

    package_class: PackageClass
    options: Mapping[str, Any]
    """The constructor's arguments, without the device."""
    call: Mapping[str, Any]
    """Settings of a call that sets nothing."""
    query: str | None
    artefacts: tuple[str, ...]

    @classmethod
    def of(cls, options: PackageOptions) -> PackagePlan:
        """The plan that options stand for. Raises UsageError for values that cannot travel to another process."""
        plan = cls(
            package_class=options.package_class,
            options=options.constructor_arguments(),
            call=options.call_arguments(),
            query=options.query,
            artefacts=options.artefacts,
        )
        _check_plain({**plan.options, **plan.call})
        return plan

    def for_worker(self) -> dict[str, Any]:
        """What a worker is made from."""
        return {
            "class": self.package_class.name,
            "call": self.package_class.call,
            "options": dict(self.options),
            "artefacts": list(self.artefacts),
        }

    def to_plain(self) -> dict[str, Any]:
        """What the outputs of a job depend on. Reads the folders and files that options name."""
        # Through to_plain, as JSON has no word for tuples and arrays; a path does not matter, what is there does.
        options = {
            name: self._contents[name] if name in self._contents else to_plain(value)
            for name, value in self.options.items()
        }
        return {
            "provider": "paddleocr",
            "class": self.package_class.name,
            "versions": versions(),
            "options": options,
            "settings": {**to_plain(dict(self.call)), **({} if self.query is None else {"query": self.query})},
        }

    def default_settings(self) -> dict[str, Any]:
        """The settings of a call that sets nothing. Raises UsageError where something has to be asked."""
        return self.settings_for({})

    def settings_for(self, given: Mapping[str, Any], asked: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The settings of one call, as plain values; `asked`: what goes with one image of a class that is asked.

        Raises UsageError for a setting that there is not, and for a value that cannot travel.
        """
        for name in given:
            check_setting(self.package_class, name)
        call = {**self.call, **{name: value for name, value in given.items() if value is not None}}
        _check_plain(call)
        return {"call": call, "asked": self._asked(asked or {})}

    def _asked(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        name = self.package_class.name
        if name not in ASKED:
            return {}
        found = {**({} if self.query is None else {"query": self.query}), **asked}
        if "query" not in found and name != "ChartParsing":
            raise UsageError(
                f"{name} is asked something about each page: give query='...' (--query), or as input "
                "{'image': ..., 'query': ...}"
            )
        _check_plain(found)
        return found

    @functools.cached_property
    def _contents(self) -> dict[str, dict[str, Any]]:
        """Of each option that names a folder of a network, or a configuration: what is in it. Raises WeightsError."""
        found = {}
        for name, value in self.options.items():
            is_file = name == "paddlex_config" and isinstance(value, str) and Path(value).is_file()
            if is_file or (name.endswith(_FOLDERS) and isinstance(value, str)):
                path = Path(value)
                # "folder" is what identities leave out; "name" and "sha256" are what reports show of networks.
                found[name] = {"folder": str(path), "name": name.removesuffix("_model_dir"), "sha256": _digest(path)}
        return found


def _digest(path: Path) -> str:
    """Of a file's content, or of the names and contents of everything in a folder."""
    digest = hashlib.sha256()
    try:
        for each in _files(path):
            digest.update(f"{each.relative_to(path).as_posix()} {each.stat().st_size}\n".encode())
            with each.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}; name a folder of a network") from error
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        if not path.is_dir():
            raise FileNotFoundError(2, "no such folder", str(path))
        yield from sorted(each for each in path.rglob("*") if each.is_file())


def _check_plain(values: Mapping[str, Any]) -> None:
    from docfleet.fleet.wire import check_plain

    for name, value in values.items():
        try:
            check_plain(value, name)
        except TypeError as error:
            raise UsageError(str(error)) from error
