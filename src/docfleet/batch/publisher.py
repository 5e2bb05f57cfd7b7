"""The worker of a batch job: a pipeline's own worker, whose results go into files where they are made.

      Task{source, settings, single, paged, pages, done, stat}
        --read-->     the page; of a document, the pages that are left to do
        --compute-->  as the pipeline does it
        --write-->    scans/a_7.txt, scans/a_7.json --> {"digest": ..., "line": ...}

Each file is written in the job's own folder and moved to its place, the JSON last, so that a page with a JSON is whole.
What travels back to the parent is small, and only when it is committed there does the page count.
"""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from docfleet.batch.artefacts import AGGREGATED, Artefact, artefacts, line
from docfleet.batch.listing import looks_of
from docfleet.batch.names import OutputName
from docfleet.batch.selection import pages_to_do
from docfleet.batch.shards import ShardWriter
from docfleet.documents.sources import Source, printable
from docfleet.errors import InputError
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Expanded, Task
from docfleet.fleet.worker import Worker, WorkerSpec
from docfleet.results.base import BaseResult, write_atomically

_THIS_NAME_ONLY = frozenset((errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL, errno.EISDIR, errno.ENOTDIR))
"""Errors of one file's name; after any other error no page could be written."""


class Publisher:
    """Wraps the worker of a pipeline."""

    def __init__(self, inner: Worker, options: Mapping[str, Any]) -> None:
        self._inner = inner
        module, _, attr = options["result"].partition(":")
        self._result: type[BaseResult] = getattr(importlib.import_module(module), attr)
        self._output = Path(os.fsdecode(options["output"]))
        self._tmp = Path(os.fsdecode(options["tmp"]))
        self._saves: Sequence[str] = options["saves"]
        self._fsync: bool = options["fsync"]
        self._dry: bool = options["dry"]
        self._shard = ShardWriter(self._output, fsync=self._fsync)

    def read(self, task: Task) -> Any:
        """The page, or the pages that a document still has to do."""
        payload = task.payload
        _check_unchanged(payload)
        found = self._inner.read(task)
        if task.part is not None:
            return found
        if isinstance(found, Expanded):
            parts = pages_to_do(len(found.parts), payload["pages"], payload["done"])
            sizes = None if found.sizes is None else [found.sizes[page] for page in parts]
            return Expanded(parts, sizes)
        # It is one page, which may not be wanted.
        return found if pages_to_do(1, payload["pages"], payload["done"]) else Expanded(())

    def compute(self, items: Sequence[Any]) -> Sequence[Any]:
        """As the pipeline does it."""
        return self._inner.compute(items)

    def write(self, task: Task, value: Any) -> dict[str, Any]:
        """Write the files of a page.

        Returns `digest`, sixteen bytes that stand for their content; `line`, where its line of aggregated output ends;
        or `stopped`, why neither this page nor any other can be written.
        """
        record = self._inner.write(task, value)
        path = Source.from_payload(task.payload["source"]).input_path
        result = self._result.from_record({"input_path": path, **record})
        name = OutputName(single=task.payload["single"], paged=task.payload["paged"]).of(result.page_index)
        result.save_as = PurePosixPath(name).name
        files = artefacts(result, self._saves)
        aggregated = line(result) if AGGREGATED in self._saves else None
        answer: dict[str, Any] = {"digest": _digest(files, aggregated)}
        if self._dry:
            return answer
        target = self._output
        try:
            for tail, data in files:
                target = self._output / f"{name}{tail}"
                write_atomically(target, data, aside=self._tmp, fsync=self._fsync)
            if aggregated is not None:
                target = self._output / "jsonl"
                answer["line"] = list(self._shard.append(aggregated))
        except OSError as error:
            if error.errno in _THIS_NAME_ONLY:
                raise
            return {"stopped": f"{printable(str(target))}: {error.strerror or error}"}
        return answer

    def close(self) -> None:
        """Release the pipeline's worker."""
        self._shard.close()
        self._inner.close()


def build(options: Mapping[str, Any], slot: Slot) -> Publisher:
    """Make the worker around `options["inner"]`, which is a WorkerSpec's target and options."""
    inner = WorkerSpec(options["inner"]["target"], options["inner"]["options"]).build(slot)
    return Publisher(inner, options)


def publisher_spec(
    inner: WorkerSpec, *, result: str, output: Path, tmp: Path, saves: Sequence[str], fsync: bool, dry: bool = False
) -> WorkerSpec:
    """The spec of a Publisher; `dry` makes everything and writes nothing, to compare digests."""
    options = {
        # Files that only the pipeline's own worker can make come with its records; so it is told what is wanted.
        "inner": {"target": inner.target, "options": {**inner.options, "own_process": True, "saves": list(saves)}},
        "result": result,
        "output": os.fsencode(output),
        "tmp": os.fsencode(tmp),
        "saves": list(saves),
        "fsync": fsync,
        "dry": dry,
    }
    return WorkerSpec(f"{__name__}:build", options)


def _check_unchanged(payload: Mapping[str, Any]) -> None:
    """Raises InputError if the file is not what it was when it was found: its pages would be of two documents."""
    expected = payload["stat"]
    if expected is None:
        return
    source = Source.from_payload(payload["source"])
    try:
        info = os.stat(source.input_path or "")  # noqa: PTH116
    except (OSError, ValueError):
        return  # Reading it will say what is wrong.
    if list(looks_of(info)) != list(expected):
        raise InputError(f"{source.name}: has changed since the job found it; run the same command again")


def _digest(files: Sequence[Artefact], aggregated: bytes | None) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    for tail, data in files:
        digest.update(f"{tail} {len(data)} ".encode())
        digest.update(data)
    digest.update(aggregated or b"")
    return digest.digest()
