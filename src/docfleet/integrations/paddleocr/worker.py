"""The worker: one pipeline of the package on the one device of its slot.

      Task{source, settings} --read-->  page, by our reader
                             --compute->  the package's own result for each page
                             --write-->   {document: its JSON, values: its keys, files: drawings, ...}

The package sees pixels and never a file, so a file costs what it costs our own pipelines, and PDFs of one process never
wait for each other. What it is to know of a page's origin is written into the result afterwards.

      what the package does in its process                here
      one file that cannot be read ends the run           is a failure of that page, before the package is called
      an exception ends the run                           the batch is done again page by page, one failure is left
      a step that was not loaded is an extra result       is the failure of that page
      ONNX Runtime takes all cores, `cpu_threads` or not  the slot's threads
      no GPU: goes on on the CPU                           cannot start
      handlers of its own on its loggers                  its records reach the caller's log, under the same names
      what it is given may be painted on                  it gets a copy
"""

from __future__ import annotations

import importlib
import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from docfleet.documents.pages import Limits, Page
from docfleet.documents.reader import Reader
from docfleet.errors import DocfleetError, StartError
from docfleet.fleet.devices import Slot, constr_device
from docfleet.fleet.tasks import Task
from docfleet.integrations.paddleocr import fonts
from docfleet.integrations.paddleocr.description import ASKED
from docfleet.integrations.paddleocr.files import KINDS, check_kinds, files_of
from docfleet.integrations.paddleocr.values import to_plain_values
from docfleet.pipelines.worker import PageWorker
from docfleet.results.plain import to_plain

_ENVIRONMENT = {"PADDLEOCR_DISABLE_AUTO_LOGGING_CONFIG": "1", "PADDLE_PDX_DISABLE_DEVICE_FALLBACK": "1"}
_LOGGERS = ("paddlex", "paddleocr")
_LAYOUT = "layout_parsing_result"
"""Where the classes with a visual step keep the result that can be saved."""
_NO_MEMORY = re.compile(
    r"out of memory|bad_alloc|failed to allocate|insufficient memory|resourceexhausted|alloc_failed|ENOMEM",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Computed:
    """The package's result for a page."""

    result: Any
    page: Page


class PackageStages:
    """One instance of a class of the package."""

    def __init__(self, plan: Mapping[str, Any], slot: Slot) -> None:
        """Make it as `plan` (`PackagePlan.for_worker`) says. Raises StartError with the package's own reason."""
        self._name: str = plan["class"]
        with _start_errors(self._name):
            package = importlib.import_module("paddleocr")
            _take_over_logging()
            arguments = {"device": _device_of(slot), **_threads_of(plan["options"], slot), **plan["options"]}
            self._pipeline = getattr(package, self._name)(**arguments)
        self._call = getattr(self._pipeline, plan["call"])

    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> list[Computed]:
        """Results of pages with equal settings (`PackagePlan.settings_for`).

        Raises what the package raises; MemoryError where its engine had none, DocfleetError where it says itself that
        it cannot.
        """
        given = [self._input_of(page, settings["asked"]) for page in pages]
        results = []
        with _memory_errors():
            for result in self._call(given, **settings["call"]):
                if set(result) == {"error"}:
                    raise DocfleetError(f"{self._name}: {result['error']}")
                results.append(result)
        if len(results) != len(pages):
            raise RuntimeError(f"{self._name} gave {len(results)} results for {len(pages)} pages")
        return [Computed(_placed(result, page), page) for result, page in zip(results, pages, strict=True)]

    def _input_of(self, page: Page, asked: Mapping[str, Any]) -> Any:
        """What the package is handed for a page."""
        if self._name not in ASKED:
            return page.image.copy()
        # These networks take arrays for RGB, and read files otherwise than the others do: by Pillow, as they lie.
        is_file = page.input_path is not None and page.page_index is None
        return {"image": page.input_path if is_file else page.image[:, :, ::-1].copy(), **asked}

    def close(self) -> None:
        """Release the networks, as far as the package lets go of them."""
        self._pipeline.close()


class PackageWorker(PageWorker):
    """Reads pages, has the package process them, and makes what travels."""

    def __init__(self, stages: PackageStages, reader: Reader, *, kinds: Sequence[str], with_values: bool) -> None:
        super().__init__(stages, reader)  # type: ignore[arg-type]  # its results become records in `write`
        self._kinds = kinds
        self._with_values = with_values

    def write(self, task: Task, value: Any) -> dict[str, Any]:
        """The record of a page, for `PackageResult.from_record`.

        Files are made here, while the next page is computed.
        """
        computed: Computed = value
        # A visual step gives a plain dict around the result that can be saved.
        saved = computed.result.get(_LAYOUT, computed.result)
        if "img" in self._kinds:
            fonts.prepare_fonts_of(saved)
        return {
            "page_index": computed.page.page_index,
            "document": _document_of(computed.result),
            "values": to_plain_values(computed.result) if self._with_values else None,
            "files": {kind: files_of(saved, kind, computed.page.input_path) for kind in self._kinds},
            "markdown": _markdown_of(saved) if self._with_values and "markdown" in self._kinds else None,
        }


def build(options: Mapping[str, Any], slot: Slot) -> PackageWorker:
    """Make the worker; `options` as `docfleet.integrations.paddleocr.pipeline` writes them.

    A batch job adds `saves`, the kinds of files that it wants; there the results' values go nowhere.
    """
    os.environ.update({name: value for name, value in _ENVIRONMENT.items() if name not in os.environ})
    import cv2

    cv2.setNumThreads(slot.threads)
    plan = options["plan"]
    wanted = options.get("saves")
    kinds = [kind for kind in KINDS if kind in (plan["artefacts"] if wanted is None else wanted)]
    check_kinds(kinds)
    stages = PackageStages(plan, slot)
    if "img" in kinds:
        fonts.prepare_usual_fonts()
    reader = Reader(Limits(**options["limits"]), **options["reading"])
    return PackageWorker(stages, reader, kinds=kinds, with_values=wanted is None)


def _device_of(slot: Slot) -> str:
    """The one device as this process counts; the package has no word for a NUMA node, to which the process is bound."""
    if slot.device_type == "cpu":
        return "cpu"
    return constr_device(slot.device_type, [slot.library_id])


def _threads_of(options: Mapping[str, Any], slot: Slot) -> dict[str, Any]:
    """The slot's budget in the words of the engine; what the user says of the engine stands."""
    if "engine_config" in options:
        return {}
    if options.get("engine") == "onnxruntime":
        return {"engine_config": {"intra_op_num_threads": slot.threads, "inter_op_num_threads": 1}}
    return {"cpu_threads": slot.threads}


def _take_over_logging() -> None:
    """Records of the package's loggers go where all others go, at the levels that the caller has set."""
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.NOTSET)


@contextmanager
def _start_errors(name: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        # The package's own reason is often the cause of what it raises.
        reasons = [f"{type(each).__name__}: {' '.join(str(each).split())}" for each in _chain(error)]
        raise StartError(f"PaddleOCR's {name} cannot be made: {'; because of '.join(reasons)}") from error


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    while current is not None:
        yield current
        current = current.__cause__


@contextmanager
def _memory_errors() -> Iterator[None]:
    """Engines have no error of their own for this; a batch that does not fit is halved if it is called by its name."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        if _NO_MEMORY.search(str(error)):
            raise MemoryError(" ".join(str(error).split())) from error
        raise


def _placed(result: Any, page: Page) -> Any:
    """The result, told where its page is from: the package saw pixels."""
    place = {"input_path": page.input_path, "page_index": page.page_index}
    if _LAYOUT in result:
        _placed(result[_LAYOUT], page)
    elif "image" in result and "result" in result:
        # An answer keeps the image it was asked about, and knows of no pages.
        result["image"] = page.input_path
        place = {name: value for name, value in place.items() if value is not None}
    result.update(place)
    if "page_count" in result:
        result["page_count"] = page.page_count
    return result


def _document_of(result: Any) -> dict[str, Any]:
    """The package's JSON document of a page."""
    if _LAYOUT in result:
        return {key: _document_of(value) if key == _LAYOUT else _plain(value) for key, value in result.items()}
    documents: Mapping[str, Any] = result.json
    document: dict[str, Any] = to_plain(documents["res"])
    return document


def _plain(value: Any) -> Any:
    return to_plain(to_plain_values(value))


def _markdown_of(result: Any) -> Any:
    return to_plain_values(result.markdown) if hasattr(result, "markdown") else None
