"""One aggregated output instead of a file for each page: lines of JSON in numbered files.

      worker --append--> jsonl/part-00007.jsonl, bytes 0-48211     its own file: nobody else writes to it
      parent --commit--> journal: part-00007.jsonl counts up to 48211
      whatever follows   was written by a worker that died before it could say so, and is cut off

A worker begins a new file when its own is full, and when it starts: appending to the file of a dead one would put lines
that count behind lines that do not. Lines of documents that have changed since are dropped when the job ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path

from docfleet.batch.journal import Journal, Shard
from docfleet.batch.listing import known_as
from docfleet.results.base import sync_folder

FOLDER = "jsonl"
_FOREIGN = "foreign_shards"
SHARD_BYTES = 256 << 20
"""A file that has so many is full."""


class ShardWriter:
    """Appends lines to files that are its own. One thread's."""

    def __init__(self, output: Path, *, fsync: bool = False, full: int = SHARD_BYTES) -> None:
        self._folder = output / FOLDER
        self._fsync = fsync
        self._full = full
        self._file: FileIO | None = None
        self._name = ""
        self._end = 0

    def append(self, line: bytes) -> tuple[str, int]:
        """Write a line; the file's name, and its size with it. Raises OSError, and the file is as it was before."""
        if self._file is None or self._end >= self._full:
            self._begin()
        assert self._file is not None
        try:
            _write_all(self._file, line)
            if self._fsync:
                os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self._end)
            self._file.seek(self._end)
            raise
        self._end += len(line)
        return self._name, self._end

    def close(self) -> None:
        """Idempotent."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _begin(self) -> None:
        self.close()
        self._folder.mkdir(exist_ok=True)
        number = _free_number(self._folder)
        while self._file is None:
            self._name = _file_name(number)
            try:
                self._file = (self._folder / self._name).open("xb", buffering=0)
            except FileExistsError:
                number += 1
        self._end = 0
        if self._fsync:
            sync_folder(self._folder)


def respect(output: Path, journal: Journal) -> None:
    """Note which files were there before this journal was: they are not ours to cut or to remove.

    Of a journal without outputs. Ours are numbered from there on. Raises OSError, and OutputError.
    """
    folder = output / FOLDER
    if folder.is_dir():
        journal.mark(_FOREIGN, _free_number(folder) - 1)
        journal.commit()


def trim(output: Path, journal: Journal) -> list[str]:
    """Cut off what does not count; gives the files that are shorter than what does. Only while no worker writes.

    Raises OSError.
    """
    folder = output / FOLDER
    if not folder.is_dir():
        return [name for name, shard in journal.shards().items() if shard.size]
    known = journal.shards()
    foreign = journal.marked(_FOREIGN) or 0
    for path in folder.iterdir():
        if path.name not in known and _number(path.name) > foreign:
            path.unlink()
    short = []
    for name, shard in known.items():
        path = folder / name
        size = path.stat().st_size if path.exists() else 0
        if size > shard.size:
            os.truncate(path, shard.size)
        elif size < shard.size:
            short.append(name)
    return short


def drop_stale(output: Path, journal: Journal) -> int:
    """Drop the lines of documents that were done again since; how many. Call after `trim`.

    Raises OSError, and OutputError where the journal cannot be written.
    """
    stale = journal.stale()
    dropped = 0
    if stale:
        newest = max(stale.values())
        for name, shard in journal.shards().items():
            if shard.run < newest and any(_is_stale(line, shard, stale) for line in _lines(output / FOLDER / name)):
                dropped += _rewrite(output / FOLDER, name, shard, stale, journal)
        journal.stale_dropped()
        journal.commit()
    return dropped


def _rewrite(folder: Path, name: str, shard: Shard, stale: Mapping[str, int], journal: Journal) -> int:
    """Copy the lines that count into a new file, and let that take the place of the old one, in one commit.

    Whenever this ends, one of the two is known to the journal, and `trim` removes the other.
    """
    dropped = 0
    other = _file_name(_free_number(folder))
    with (folder / other).open("xb") as new:
        for line in _lines(folder / name):
            if _is_stale(line, shard, stale):
                dropped += 1
            else:
                new.write(line)
        new.flush()
        os.fsync(new.fileno())
        size = new.tell()
    sync_folder(folder)
    journal.replace_shard(name, other, size)
    journal.commit()
    (folder / name).unlink()
    return dropped


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from file


def _is_stale(line: bytes, shard: Shard, stale: Mapping[str, int]) -> bool:
    """Whether a line was written before its document was done again."""
    path: str = json.loads(line)["input_path"]
    # As a list named it, relative to the folder; or joined below the folder as it was given.
    listed = path.removeprefix(os.path.join(shard.folder, ""))  # noqa: PTH118
    relative = known_as(listed, os.path.join(shard.working, shard.folder))  # noqa: PTH118
    return shard.run < stale.get(relative, 0)


def _write_all(file: FileIO, data: bytes) -> None:
    """Raw files write what they can: the last bytes of a disk, and no more than two gigabytes at once."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


def _free_number(folder: Path) -> int:
    return 1 + max((_number(path.name) for path in folder.iterdir()), default=0)


def _file_name(number: int) -> str:
    return f"part-{number:05}.jsonl"


def _number(name: str) -> int:
    """7 for `part-00007.jsonl`; 0 for what is no file of ours."""
    middle = name.removeprefix("part-").removesuffix(".jsonl")
    return int(middle) if middle.isdecimal() and name == _file_name(int(middle)) else 0
