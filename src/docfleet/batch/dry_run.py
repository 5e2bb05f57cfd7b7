"""What a job would do, without doing it: documents, pages, names of outputs. Writes nothing.

listing --> worker processes open each document and count its pages --> one line each, in the order of the listing

    scans/a.pdf     3 pages    scans/a_0.json scans/a_1.json scans/a_2.json
    scans/b.png     1 page     scans/b.json
    scans/c.pdf     input: scans/c.pdf: the PDF is encrypted; ...
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from docfleet.batch.artefacts import AGGREGATED, check_saves, file_tails
from docfleet.batch.folder import JobFolder
from docfleet.batch.journal import known_names
from docfleet.batch.listing import Document
from docfleet.batch.names import OutputName
from docfleet.batch.options import JobOptions
from docfleet.batch.run import documents_of
from docfleet.batch.selection import PageSelection, pages_to_do
from docfleet.documents.pages import Limits
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source, printable
from docfleet.fleet.devices import Slot
from docfleet.fleet.processes import ProcessExecutor
from docfleet.fleet.slots import slots_of
from docfleet.fleet.tasks import Failed, Task
from docfleet.fleet.worker import WorkerSpec
from docfleet.pipelines.base import Pipeline
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.worker import reading_options

_SHOWN = 4
"""Names of a document that are listed; of more the first two and the last."""


def dry_run(
    pipeline: type[Pipeline[Any, Any, Any]], options: CommonOptions, job: JobOptions, say: Callable[[str], object]
) -> int:
    """Say what the job would do, a line for each document and one at the end; fields are separated by tabs.

    Returns 0, or 1 if a document cannot be opened. Raises UsageError where there is nothing to do.
    """
    check_saves(job.saves, pipeline.result_type)
    listing, documents = documents_of(job)
    spec = WorkerSpec(f"{__name__}:PageCounter", reading_options(options))
    found = failed = pages = 0
    with ProcessExecutor(spec, slots_of("cpu"), timeout=options.timeout) as executor:
        names: dict[int, tuple[str, OutputName]] = {}
        tasks = _tasks(
            documents,
            job.pages,
            names,
            journal=JobFolder(job.output_dir).journal,
            may_repeat=job.input_list is not None,
        )
        for task, outcome in executor.run(tasks):
            path, name = names.pop(task.key[0])
            found += 1
            if isinstance(outcome, Failed):
                failed += 1
                say(f"{path}\t{outcome.failure.category}: {outcome.failure.message}")
                continue
            wanted: Sequence[int | None] = outcome.value["pages"]
            pages += len(wanted)
            say(f"{path}\t{_pages(len(wanted))}\t{_outputs(name, wanted, job.saves)}")
    skipped = f", {listing.skipped} files of other suffixes skipped" if listing.skipped else ""
    say(f"{found} documents, {_pages(pages)}, {failed} that cannot be opened{skipped}; nothing was written")
    return 1 if failed else 0


def _tasks(
    documents: Iterator[Document | None],
    pages: PageSelection | None,
    names: dict[int, tuple[str, OutputName]],
    *,
    journal: Path,
    may_repeat: bool,
) -> Iterator[Task]:
    """A task for each document, once; `names` is told what its outputs are called, as earlier runs have named them."""
    met: set[str] = set()
    number = -1
    with known_names(journal) as known:
        for document in documents:
            if document is None or document.relative in met:
                continue
            if may_repeat:
                met.add(document.relative)
            number += 1
            names[number] = printable(document.path), known(document.relative) or document.name()
            source = Source(document.path, error=document.problem)
            selected = None if pages is None else pages.to_plain()
            yield Task((number,), {"source": source.to_payload(), "pages": selected})


def _pages(count: int) -> str:
    return f"{count} page{'' if count == 1 else 's'}"


def _outputs(name: OutputName, pages: Sequence[int | None], saves: Sequence[str]) -> str:
    files = [f"{name.of(page)}{tail}" for page in pages for tail in file_tails(saves)]
    if len(files) > _SHOWN:
        files = [*files[:2], "...", files[-1]]
    return " ".join([*files, *(["a line of jsonl"] if AGGREGATED in saves and pages else [])])


class PageCounter:
    """A worker that opens documents and computes nothing."""

    def __init__(self, options: Mapping[str, Any], slot: Slot) -> None:
        self._reader = Reader(Limits(**options["limits"]), **options["reading"])

    def read(self, task: Task) -> list[int | None]:
        """The pages that would be done; None for a plain image."""
        count = self._reader.count(Source.from_payload(task.payload["source"]))
        selected = task.payload["pages"]
        if count is None:
            return [None] if pages_to_do(1, selected, ()) else []
        return list(pages_to_do(count, selected, ()))

    def compute(self, items: Sequence[list[int | None]]) -> Sequence[list[int | None]]:
        """Nothing."""
        return items

    def write(self, task: Task, value: list[int | None]) -> dict[str, Any]:
        """The pages travel."""
        return {"pages": value}

    def close(self) -> None:
        """Close the document that is open."""
        self._reader.close()
