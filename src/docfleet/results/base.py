"""What every result is: a dict with the reference's keys, and files named as the reference names them.

      result  --.json-->  {"res": {...}}  --save_to_json(folder)-->  folder/<stem>[_<page_index>]_res.json

A file is written aside and moved into place, so that a reader never sees half of one.
"""

from __future__ import annotations

import errno
import json
import mimetypes
import os
import random
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

from docfleet.results.plain import to_plain

_URL = re.compile(r"https?://(?:[^/?#]*@)?(?P<host>[^/?#]*)(?P<path>[^?#]*)", re.IGNORECASE)


class Artefact(NamedTuple):
    """A file that a result can become, apart from the place and the name that it gets."""

    key: str
    """What stands in its name after the page's, as `res`; may be empty."""
    suffix: str
    """With the dot."""
    data: bytes

    @property
    def tail(self) -> str:
        """What is appended to the page's name: `_res.json`, or `.md` without a key."""
        return f"_{self.key}{self.suffix}" if self.key else self.suffix


class BaseResult(dict[str, Any]):
    """The result of one page.

    Subclasses list their keys, say which of them make the JSON, and add typed properties. `input_path` is the path as
    the caller gave it (None for arrays); `page_index` is 0-based (None where the input is a plain image or an array).
    """

    json_keys: ClassVar[tuple[str, ...]] = ("input_path", "page_index")
    """Keys that go into the JSON, in this order, where the result has them."""

    kinds: ClassVar[tuple[str, ...]] = ("json",)
    """What such a result can be saved as; see `artefacts`."""

    _save_as: str | None = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild a result from the plain values and arrays that a worker sent."""
        return cls(record)

    @property
    def input_path(self) -> str | None:
        """Where the page came from."""
        return self.get("input_path")

    @property
    def page_index(self) -> int | None:
        """0-based page of a PDF or frame of a TIFF; None for plain images and arrays."""
        return self.get("page_index")

    @property
    def json(self) -> dict[str, dict[str, Any]]:
        """The JSON documents of this result by name; pages have one, `res`."""
        return {"res": self._json_document()}

    def _json_document(self) -> dict[str, Any]:
        values = self._json_values()
        return {key: to_plain(values[key]) for key in self.json_keys if key in values}

    def _json_values(self) -> Mapping[str, Any]:
        """What `json_keys` are looked up in; a result within this one stands there as its own JSON."""
        return self

    def print(self, json_format: bool = True, indent: int = 4, ensure_ascii: bool = False) -> None:
        """Print the JSON of this result on standard output; with `json_format=False` on a single line."""
        text = json.dumps(self.json, indent=indent if json_format else None, ensure_ascii=ensure_ascii)
        print(text.encode(sys.stdout.encoding or "utf-8", "backslashreplace").decode(sys.stdout.encoding or "utf-8"))  # noqa: T201

    def save_to_json(self, save_path: str | os.PathLike[str], indent: int = 4, ensure_ascii: bool = False) -> None:
        """Write the JSON: to `save_path` itself if it is named like a JSON file, else into that folder.

        In a folder the file is `<stem>[_<page_index>]_res.json`. Missing folders are made.
        """
        for name, document in self.json.items():
            data = json_bytes(document, indent=indent, ensure_ascii=ensure_ascii)
            write_atomically(self.target(save_path, name, ".json"), data)

    def artefacts(self, kind: str) -> Iterator[Artefact]:
        """The files that this result becomes as one of `kinds`; nothing is written and nothing changes.

        The same bytes and names as by `save_to_json(folder)` and its like, which write them as
        `<stem>[_<page_index>]_<key><suffix>`. Raises ValueError for a kind that there is not.
        """
        if kind != "json":
            raise ValueError(f"{kind!r} is not one of {', '.join(self.kinds)}")
        for name, document in self.json.items():
            yield Artefact(name, ".json", json_bytes(document, indent=4))

    def savers(self) -> tuple[Callable[[str | os.PathLike[str]], None], ...]:
        """The writers that `save_all` runs, in order."""
        return (self.save_to_json,)

    def save_all(self, save_path: str | os.PathLike[str]) -> None:
        """Write everything this result can be saved as into a folder."""
        for save in self.savers():
            save(save_path)

    def stem(self) -> str:
        """What the reference names this page's files by: `<stem of the input>[_<page_index>]`; made up for an array."""
        if self.input_path is None:
            stem = f"{int(time.time())}_{random.randint(1000, 9999)}"
        elif found := _URL.match(self.input_path):
            # `https://host/a.png?size=1/2`: what stands behind the path is no part of a name.
            stem = Path(found["path"]).stem or found["host"].replace(":", "_")
        else:
            stem = Path(self.input_path).stem
        return stem if self.page_index is None else f"{stem}_{self.page_index}"

    @property
    def save_as(self) -> str:
        """File name of this page's outputs without key and suffix; `stem()` unless it is set.

        Remembered, so that all files of an array share one name. Raises ValueError if set to a path.
        """
        if self._save_as is None:
            self._save_as = self.stem()
        return self._save_as

    @save_as.setter
    def save_as(self, name: str) -> None:
        if not name or Path(name).name != name:
            raise ValueError(f"{name!r} is not the name of a file without folder")
        self._save_as = name

    def target(self, save_path: str | os.PathLike[str], key: str, suffix: str) -> Path:
        """Where `save_to_*` writes: `save_path` itself when it has that type, else `<folder>/<stem>_<key><suffix>`."""
        path = Path(save_path)
        wanted = mimetypes.types_map.get(suffix)
        if wanted is not None and mimetypes.guess_type(path.name)[0] == wanted and not path.is_dir():
            return path
        return path / f"{self.save_as}_{key}{suffix}"


def json_bytes(document: Any, *, indent: int | None, ensure_ascii: bool = False) -> bytes:
    """A JSON document as `save_to_json` writes it: UTF-8; on one line without end where `indent` is None."""
    text = json.dumps(document, indent=indent, ensure_ascii=ensure_ascii)
    # A name with undecodable bytes is held as lone surrogates; their JSON escape is what json.loads reads back.
    return text.encode("utf-8", "backslashreplace")


def write_atomically(path: Path, data: bytes, *, aside: Path | None = None, fsync: bool = False) -> None:
    """Write `data` to `path` so that the file is there whole or not at all; folders above it are made as needed.

    Args:
        path: the file; what it held before is replaced.
        data: the whole content.
        aside: an existing folder to write in before the file is moved to its place; its absence is an error. The folder
            of `path` itself if None, and where `aside` lies on another file system.
        fsync: return only when content and name are on the disk, past all caches.

    Raises OSError, and leaves nothing behind then.
    """
    if aside is None:
        make_folder(path.parent, fsync=fsync)
    try:
        _write_aside(path, data, path.parent if aside is None else aside, fsync)
    except OSError as error:
        if aside is None or error.errno != errno.EXDEV:
            raise
        _write_aside(path, data, path.parent, fsync)


def _write_aside(path: Path, data: bytes, aside: Path, fsync: bool) -> None:
    temporary = aside / f".docfleet-{os.getpid()}-{secrets.token_hex(4)}"
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(data)
            if fsync:
                file.flush()
                os.fsync(file.fileno())
        try:
            temporary.replace(path)
        except FileNotFoundError:
            # Only now: the folder is there for all files but its first. Nothing is made for a file that is gone.
            if not temporary.exists():
                raise
            make_folder(path.parent, fsync=fsync)
            temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if fsync:
        sync_folder(path.parent)


def make_folder(folder: Path, *, fsync: bool = False) -> None:
    """Make a folder and those above it, as far as they are not there; with `fsync` so that a power cut keeps them."""
    made = [each for each in (folder, *folder.parents) if not each.exists()] if fsync else []
    folder.mkdir(parents=True, exist_ok=True)
    for each in made:
        sync_folder(each.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk, where the system has a way to."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        # Some network file systems cannot; they have written the name when they say that it is there.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(handle)
