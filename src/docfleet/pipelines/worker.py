"""The Worker that runs any pipeline of ours: a source comes in, a record of plain values and arrays goes out.

      Task{source, settings} --read--> PageItem --compute--> record --write--> record

`read` opens documents and expands those of several pages; `compute` hands pages with equal settings to the pipeline's
stages together.
"""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from docfleet.documents.pages import Limits, Page, PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Expanded, Task
from docfleet.fleet.worker import WorkerSpec
from docfleet.pipelines.common import CommonOptions


class Stages(Protocol):
    """A pipeline's networks, loaded: pages in, one record each out."""

    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Process pages that share settings. A record must depend on its page and the settings alone."""

    def close(self) -> None:
        """Release the networks."""


@dataclass(frozen=True, slots=True)
class PageItem:
    """A page that has been read, and how it is to be processed."""

    page: Page
    settings: Mapping[str, Any]


class PageWorker:
    """Reads pages, runs a pipeline's stages over them."""

    def __init__(self, stages: Stages, reader: Reader) -> None:
        self._stages = stages
        self._reader = reader

    def read(self, task: Task) -> PageItem | Expanded:
        """Decode one page; a document of several pages expands into them."""
        found = self._reader.read(Source.from_payload(task.payload["source"]), task.part)
        if isinstance(found, PageCount):
            return Expanded(range(found.count), found.pixels)
        return PageItem(found, task.payload["settings"])

    def compute(self, items: Sequence[PageItem]) -> list[Mapping[str, Any]]:
        """Records of pages, in order. Pages of different calls may meet in a batch; each keeps its own settings."""
        records: list[Mapping[str, Any]] = [{}] * len(items)
        todo = list(range(len(items)))
        while todo:
            settings = items[todo[0]].settings
            together = [index for index in todo if items[index].settings == settings]
            todo = [index for index in todo if items[index].settings != settings]
            found = self._stages.run([items[index].page for index in together], settings)
            for index, record in zip(together, found, strict=True):
                records[index] = record
        return records

    def write(self, task: Task, value: Mapping[str, Any]) -> Mapping[str, Any]:
        """Nothing to slim down: the caller gets the whole record."""
        return value

    def close(self) -> None:
        """Release networks and open documents."""
        self._reader.close()
        self._stages.close()


def build(options: Mapping[str, Any], slot: Slot) -> PageWorker:
    """Make the worker: `options["stages"]` is `module:attr` of a class made from `options["plan"]` and the slot.

    With `options["own_process"]` OpenCV obeys the slot's budget; in the caller's process its settings are left alone.
    """
    if options.get("own_process"):
        import cv2

        cv2.setNumThreads(slot.threads)
    module, _, attr = options["stages"].partition(":")
    stages: Stages = getattr(importlib.import_module(module), attr)(options["plan"], slot)
    reader = Reader(Limits(**options["limits"]), **options["reading"])
    return PageWorker(stages, reader)


def worker_spec(stages: str, plan: Mapping[str, Any], options: CommonOptions) -> WorkerSpec:
    """The spec of a PageWorker: `stages` is `module:attr`, `plan` plain values; how pages are read is in `options`."""
    return WorkerSpec(f"{__name__}:build", {"stages": stages, "plan": plan, **reading_options(options)})


def reading_options(options: CommonOptions) -> dict[str, Any]:
    """What decides how a document is read, as plain values: `limits`, and `reading` for what else a reader takes."""

    def given(names: Sequence[str]) -> dict[str, Any]:
        return {name: value for name in names if (value := getattr(options, name)) is not None}

    return {"limits": given(_LIMITS), "reading": given(_READING)}


# Options of the same name; what is not given is the reader's to decide.
_LIMITS = tuple(field.name for field in dataclasses.fields(Limits))
_READING = ("pdf_dpi", "pdf_password", "allow_private_urls")
