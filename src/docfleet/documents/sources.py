"""From whatever a user passes as `input` to a lazy sequence of sources.

    "scans/"          ->  Source("scans/a.png"), Source("scans/b.pdf"), ...
    "scans/*.jpg"     ->  the same for what matches
    array             ->  Source(array=...)
    [..., generator]  ->  each element in turn, asked for only when it is needed
    42                ->  UsageError;  [42, "a.png"]  ->  Source(error=...), Source("a.png")

Runs in the caller's process, so it asks the file system for names and kinds and never opens a file. What is wrong with
one input travels on as a source and is raised when that source is read: it costs its place and nothing else.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from docfleet.documents.folders import MAGIC_CHARACTERS, Found, match_pattern, walk_folder
from docfleet.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LATER = {
    "bytes": "write them to a file and pass its path",
    "PIL image": "pass its path, or an array: numpy.asarray(image.convert('RGB'))[:, :, ::-1]",
    "URL": "download it and pass the path",
}


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One input: a file by name, an array, or a place where something that cannot be read was given."""

    input_path: str | None = None
    """As results report it: as given, or joined below the folder that was given; None for an array."""
    array: np.ndarray[Any, Any] | None = None
    """A page in memory, the caller's own object; checked when it is read."""
    error: str | None = None
    """Why there is nothing to read, for a person; reading the source raises it as InputError."""

    @property
    def name(self) -> str:
        """What messages call this source, on one line and without characters that cannot be printed."""
        return "the array" if self.input_path is None else printable(self.input_path)

    def to_payload(self) -> dict[str, Any]:
        """Plain values that travel between processes: strings, bytes and the array.

        A file name that is no valid text in the file system's encoding travels as bytes: it could not be encoded.
        """
        payload: dict[str, Any] = {}
        if self.input_path is not None:
            payload["path"] = self.input_path if _is_text(self.input_path) else os.fsencode(self.input_path)
        if self.array is not None:
            payload["array"] = self.array
        if self.error is not None:
            payload["error"] = self.error
        return payload

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Source:
        """The inverse of `to_payload`."""
        path = payload.get("path")
        return cls(None if path is None else os.fsdecode(path), payload.get("array"), payload.get("error"))


def iter_sources(input: object) -> Iterator[Source]:  # noqa: A002 - the reference's word for it
    """The sources that `input` stands for, in order and lazily.

    `input`: a path (str or path-like) of a file or folder, a glob pattern (`*`, `?`, `[` in a string that names
    nothing), a NumPy array, or a sequence or iterator of these, nested as deep as you like. Folders are walked as
    `walk_folder` says. Nothing is silently left out: a folder without documents, a pattern without matches and an
    element that is none of the above are one source each, and reading it raises InputError.

    Raises UsageError at once if `input` itself is of a kind that is not read. What an iterator of the caller raises
    passes through.
    """
    reason = _unsupported(input)
    if reason is not None:
        raise UsageError(f"input: {reason}")
    return _sources(input)


def _sources(item: object) -> Iterator[Source]:
    reason = _unsupported(item)
    if reason is not None:
        yield Source(item if isinstance(item, str) else None, error=reason)
    elif _is_array(item):
        yield Source(array=item)
    elif isinstance(item, (str, os.PathLike)):
        for found in _look_up(os.fsdecode(item)):
            problem = None if found.problem is None else printable(f"{found.path}: {found.problem}")
            yield Source(found.path, error=problem)
    elif isinstance(item, (Sequence, Iterator)):
        for element in item:
            yield from _sources(element)


def _look_up(path: str) -> Iterator[Found]:
    if os.path.isdir(path):  # noqa: PTH112 - pathlib would drop "./", which results keep
        return walk_folder(path)
    if os.path.lexists(path) or MAGIC_CHARACTERS.isdisjoint(path):
        return iter([Found(path)])
    folder, pattern = _split_pattern(path)
    return match_pattern(folder, pattern)


def _split_pattern(path: str) -> tuple[str, str]:
    """The part before the first component with a magic character, and the rest."""
    first = next(index for index, character in enumerate(path) if character in MAGIC_CHARACTERS)
    cut = max(path.rfind(separator, 0, first) for separator in (os.sep, os.altsep or os.sep)) + 1
    return path[:cut], path[cut:]


def _unsupported(item: object) -> str | None:
    """Why an element cannot be a source, or None if it can."""
    if isinstance(item, (bytes, bytearray, memoryview)):
        kind = "bytes"
    elif isinstance(item, str) and _URL.match(item):
        kind = "URL"
    elif type(item).__module__.startswith("PIL."):  # By name: asking Pillow would import it into every caller.
        kind = "PIL image"
    elif isinstance(item, (str, os.PathLike, Sequence, Iterator)) or _is_array(item):
        return None
    else:
        return (
            f"{type(item).__name__} is not something to read: "
            "pass a path, a folder, a pattern, an array, or a list of these"
        )
    return f"{kind} input is not supported yet: {_LATER[kind]}"


def _is_array(item: object) -> TypeGuard[np.ndarray[Any, Any]]:
    # Whoever has an array has imported NumPy; whoever has none, as a command line, need not wait for it.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(item, numpy.ndarray)


def printable(text: str) -> str:
    """`text` on one line, with everything that cannot be shown or encoded as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
