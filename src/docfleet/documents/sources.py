"""From whatever a user passes as `input` to a lazy sequence of sources.

    "scans/"          ->  Source("scans/a.png"), Source("scans/b.pdf"), ...
    "scans/*.jpg"     ->  the same for what matches
    "https://..."     ->  Source("https://...", url=True)
    bytes             ->  Source(data=...)
    array, image      ->  Source(array=...)
    [..., generator]  ->  each element in turn, asked for only when it is needed
    42                ->  UsageError;  [42, "a.png"]  ->  Source(error=...), Source("a.png")

Runs in the caller's process, so it asks the file system for names and kinds and never opens a file. What is wrong with
one input travels on as a source and is raised when that source is read: it costs its place and nothing else.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeGuard

from docfleet.documents.folders import MAGIC_CHARACTERS, Found, match_pattern, walk_folder
from docfleet.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_SCHEMES = frozenset({"http", "https"})
_PASSWORD = re.compile(r"(?<=://)([^/?#@]*):[^/?#@]*@")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One input: a file, a URL, bytes, an array, or a place where something that cannot be read was given."""

    input_path: str | None = None
    """As results report it: a path as given, or joined below the folder that was given; a URL; None for what has no
    name."""
    array: np.ndarray[Any, Any] | None = None
    """A page in memory, the caller's own object; checked when it is read."""
    data: bytes | np.ndarray[Any, Any] | None = None
    """A document in memory; an array of bytes once it has travelled."""
    url: bool = False
    """Whether `input_path` is to be fetched."""
    listed: bool = False
    """Of a URL: whether it came out of a list or an iterator, which strangers may have written."""
    error: str | None = None
    """Why there is nothing to read, for a person; reading the source raises it as InputError."""

    @property
    def name(self) -> str:
        """What messages call this source: one line that can be printed, without the password of a URL."""
        if self.input_path is None:
            return "the array" if self.data is None else "the bytes"
        return printable(_PASSWORD.sub(r"\1:***@", self.input_path) if self.url else self.input_path)

    def to_payload(self) -> dict[str, Any]:
        """Plain values that travel between processes: strings, bytes, flags and arrays.

        A file name that is no valid text in the file system's encoding travels as bytes: it could not be encoded. A
        document in memory travels as an array, which is shared with the other process and not copied through a socket.
        """
        payload: dict[str, Any] = {}
        if self.input_path is not None:
            payload["path"] = self.input_path if _is_text(self.input_path) else os.fsencode(self.input_path)
        if self.array is not None:
            payload["array"] = self.array
        if self.data is not None:
            payload["data"] = _as_array(self.data)
        if self.url:
            payload["url"] = True
        if self.listed:
            payload["listed"] = True
        if self.error is not None:
            payload["error"] = self.error
        return payload

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any]) -> Source:
        """The inverse of `to_payload`."""
        path = payload.get("path")
        return cls(
            None if path is None else os.fsdecode(path),
            array=payload.get("array"),
            data=payload.get("data"),
            url=payload.get("url", False),
            listed=payload.get("listed", False),
            error=payload.get("error"),
        )


def iter_sources(input: object) -> Iterator[Source]:  # noqa: A002 - the reference's word for it
    """The sources that `input` stands for, in order and lazily.

    `input`: a path (str or path-like) of a file or folder, a glob pattern (`*`, `?`, `[` in a string that names
    nothing), an http or https URL, a document as bytes, a NumPy array, an image of Pillow's, a `Source`, or a sequence
    or iterator of these, nested as deep as you like. Folders are walked as `walk_folder` says. Nothing is silently left
    out: a folder without documents, a pattern without matches and an element that is none of the above are one source
    each, and reading it raises InputError.

    What can change while it waits is copied when its turn comes: bytearrays, memory views and images; not arrays.

    Raises UsageError at once if `input` itself is of a kind that is not read. What an iterator of the caller raises
    passes through.
    """
    reason = _unsupported(input)
    if reason is not None:
        raise UsageError(f"input: {reason}")
    return _sources(input, listed=False)


def _sources(item: object, *, listed: bool) -> Iterator[Source]:
    reason = _unsupported(item)
    if reason is not None:
        yield Source(item if isinstance(item, str) else None, error=reason)
    elif isinstance(item, Source):
        yield item
    elif _is_array(item):
        yield Source(array=item)
    elif isinstance(item, (bytes, bytearray, memoryview)):
        yield Source(data=bytes(item))
    elif _is_image(item):
        yield _image_source(item)
    elif isinstance(item, str) and _URL.match(item):
        yield Source(item, url=True, listed=listed)
    elif isinstance(item, (str, os.PathLike)):
        for found in _look_up(os.fsdecode(item)):
            problem = None if found.problem is None else printable(f"{found.path}: {found.problem}")
            yield Source(found.path, error=problem)
    elif isinstance(item, (Sequence, Iterator)):
        for element in item:
            yield from _sources(element, listed=True)


def _image_source(image: Any) -> Source:
    """An image of Pillow's as an array. Whoever made it has decided to decode it in this process."""
    from docfleet.documents.arrays import page_of_image

    try:
        return Source(array=page_of_image(image))
    except (InputError, MemoryError) as error:
        return Source(error=str(error) or "there is no memory for the image")


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
    if isinstance(item, str) and (url := _URL.match(item)) and url[1].lower() not in _SCHEMES:
        if url[1].lower() == "file":
            return f"{printable(item)}: pass the path without file://"
        return f"{printable(item)}: {url[1]}:// is not fetched, only http:// and https:// are; pass a file or its bytes"
    if isinstance(item, io.IOBase):  # An iterator too, of lines.
        return "an open file is not something to read: pass its path, or its content: file.read()"
    if isinstance(item, (str, os.PathLike, Source, bytes, bytearray, memoryview, Sequence, Iterator)):
        return None
    if _is_array(item) or _is_image(item):
        return None
    return (
        f"{type(item).__name__} is not something to read: "
        "pass a path, a folder, a pattern, a URL, bytes, an array, an image, or a list of these"
    )


def _is_image(item: object) -> bool:
    # Whoever has an image has imported Pillow; whoever has none need not wait for it.
    pillow = sys.modules.get("PIL.Image")
    return pillow is not None and isinstance(item, pillow.Image)


def _is_array(item: object) -> TypeGuard[np.ndarray[Any, Any]]:
    # Whoever has an array has imported NumPy; whoever has none, as a command line, need not wait for it.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(item, numpy.ndarray)


def _as_array(data: bytes | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.frombuffer(data, np.uint8) if isinstance(data, bytes) else data


def printable(text: str) -> str:
    """`text` on one line, with everything that cannot be shown or encoded as an escape."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
