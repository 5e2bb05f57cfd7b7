"""Pipelines for tests of batch jobs, named as `tests.batch.pipelines:Echo`: no networks, and every page is logged.

A page's result is its size and the mean of its pixels. What happens to a page is written in its file's name:

      abort-*.png   ends its worker      slow-*.png   takes half a second      fail-*.png   raises
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from docfleet.documents.pages import Page
from docfleet.fleet.devices import Slot
from docfleet.pipelines.base import Pipeline
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.ocr.pipeline import PaddleOCR
from docfleet.pipelines.ocr.stages import OCRStages
from docfleet.pipelines.options import option
from docfleet.results.base import BaseResult
from docfleet.weights import Progress

LOG = "DOCFLEET_TEST_LOG"
"""Names a file to which each page that is computed is appended, a line each."""


def log_pages(pages: Sequence[Page]) -> None:
    """Append a line of JSON each; one write, so that lines of several workers do not mix."""
    if LOG in os.environ:
        lines = "".join(json.dumps([page.input_path, page.page_index]) + "\n" for page in pages)
        with Path(os.environ[LOG]).open("a", encoding="ascii") as file:
            file.write(lines)


@dataclass(frozen=True, kw_only=True)
class EchoOptions(CommonOptions):
    word: str | None = option(help="goes into every result")
    seconds: float | None = option(help="that each page takes")


@dataclass(frozen=True, kw_only=True)
class EchoPlan:
    word: str
    seconds: float

    def to_plain(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def default_settings(self) -> dict[str, Any]:
        return {}


class EchoStages:
    def __init__(self, plan: Mapping[str, Any], slot: Slot) -> None:
        self._plan = plan

    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        log_pages(pages)
        return [self._record(page) for page in pages]

    def _record(self, page: Page) -> dict[str, Any]:
        name = Path(page.input_path or "").name
        if name.startswith("abort"):
            os.abort()
        if name.startswith("fail"):
            raise ValueError("this page is bad")
        time.sleep(0.5 if name.startswith("slow") else self._plan["seconds"])
        height, width = page.image.shape[:2]
        record = {"width": width, "height": height, "mean": float(page.image.mean()), "word": self._plan["word"]}
        return record if page.page_index is None else {"page_index": page.page_index, **record}

    def close(self) -> None:
        pass


class EchoResult(BaseResult):
    json_keys: ClassVar[tuple[str, ...]] = ("input_path", "page_index", "width", "height", "mean", "word")

    @property
    def text(self) -> str:
        return f"{self['width']} x {self['height']}"


class Echo(Pipeline[EchoOptions, EchoPlan, EchoResult]):
    options_type = EchoOptions
    result_type = EchoResult
    stages = "tests.batch.pipelines:EchoStages"

    @classmethod
    def resolve(cls, options: EchoOptions, *, device_type: str, progress: Progress) -> EchoPlan:
        return EchoPlan(word=options.word or "", seconds=options.seconds or 0.0)


class LoggedStages(OCRStages):
    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        log_pages(pages)
        return super().run(pages, settings)


class LoggedOCR(PaddleOCR):
    """PaddleOCR, which logs its pages."""

    stages: ClassVar[str] = "tests.batch.pipelines:LoggedStages"


class MoodyStages(EchoStages):
    def _record(self, page: Page) -> dict[str, Any]:
        return {**super()._record(page), "mean": float(os.getpid())}


class Moody(Echo):
    """Gives another result in every process."""

    stages = "tests.batch.pipelines:MoodyStages"
