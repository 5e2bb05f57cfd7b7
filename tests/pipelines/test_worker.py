"""The pipelines' Worker: pages of several calls in one batch, limits, and the networks it opens and closes."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import docfleet.pipelines.networks as networks
from docfleet.documents.pages import Limits, Page
from docfleet.documents.reader import Reader
from docfleet.engines.base import EngineOptions, Session, open_session
from docfleet.errors import InputError, WeightsError
from docfleet.fleet.devices import Slot
from docfleet.fleet.tasks import Expanded, Task
from docfleet.pipelines.networks import ModelRef
from docfleet.pipelines.ocr.options import OCROptions
from docfleet.pipelines.ocr.plan import resolve
from docfleet.pipelines.ocr.stages import OCRStages
from docfleet.pipelines.options import parse
from docfleet.pipelines.worker import PageItem, PageWorker, worker_spec
from docfleet.weights import NullProgress, Store

AS_IT_LIES: dict[str, Any] = {"use_doc_orientation_classify": False, "use_doc_unwarping": False}
TINY: dict[str, Any] = {
    "text_detection_model_name": "PP-OCRv6_tiny_det",
    "text_recognition_model_name": "PP-OCRv6_tiny_rec",
    **AS_IT_LIES,
}


class Noting:
    """Stages that note with whom and with which settings a page was processed."""

    def __init__(self) -> None:
        self.runs: list[tuple[int, Mapping[str, Any]]] = []

    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        self.runs.append((len(pages), settings))
        return [{"width": page.image.shape[1], "thresh": settings["thresh"]} for page in pages]

    def close(self) -> None:
        self.runs.append((0, {}))


def item(width: int, thresh: float) -> PageItem:
    return PageItem(Page(image=np.zeros((2, width, 3), np.uint8)), {"thresh": thresh})


def test_pages_of_several_calls_keep_their_settings_and_their_place() -> None:
    stages = Noting()
    worker = PageWorker(stages, Reader())
    records = worker.compute([item(1, 0.1), item(2, 0.2), item(3, 0.1), item(4, 0.3), item(5, 0.2)])
    assert [(record["width"], record["thresh"]) for record in records] == [
        (1, 0.1), (2, 0.2), (3, 0.1), (4, 0.3), (5, 0.2),
    ]  # fmt: skip
    assert stages.runs == [(2, {"thresh": 0.1}), (2, {"thresh": 0.2}), (1, {"thresh": 0.3})]


def test_a_document_of_several_pages_expands(two_pages: Path) -> None:
    worker = PageWorker(Noting(), Reader())
    payload = {"source": {"path": str(two_pages)}, "settings": {}}
    found = worker.read(Task((0,), payload))
    assert isinstance(found, Expanded)
    assert list(found.parts) == [0, 1]
    second = worker.read(Task((0, 1), payload, part=1))
    assert isinstance(second, PageItem)
    assert (second.page.page_index, second.page.page_count) == (1, 2)


@pytest.fixture
def two_pages() -> Path:
    return Path(__file__).parent.parent.parent / "examples" / "pages" / "two_pages.pdf"


@pytest.mark.weights
@pytest.mark.parametrize(
    ("limits", "message"),
    [({"max_document_pages": 1}, "max_document_pages"), ({"max_file_bytes": 10}, "max_file_bytes")],
)
def test_limits_are_options(two_pages: Path, limits: dict[str, int], message: str) -> None:
    options = parse(OCROptions, {**TINY, **limits})
    plan = resolve(options, device_type="cpu", progress=NullProgress())
    worker = worker_spec("docfleet.pipelines.ocr.stages:OCRStages", plan.to_plain(), options).build(Slot("cpu"))
    with pytest.raises(InputError, match=message):
        worker.read(Task((0,), {"source": {"path": str(two_pages)}, "settings": {}}))
    worker.close()


def test_options_of_reading_reach_the_reader() -> None:
    given = {"pdf_dpi": 72.0, "pdf_password": "secret", "allow_private_urls": True, "max_url_redirects": 0}
    spec = worker_spec("stages", {}, parse(OCROptions, given))
    assert spec.options["reading"] == {"pdf_dpi": 72.0, "pdf_password": "secret", "allow_private_urls": True}
    assert spec.options["limits"] == {"max_url_redirects": 0}
    Reader(Limits(**spec.options["limits"]), **spec.options["reading"]).close()
    assert worker_spec("stages", {}, parse(OCROptions, {})).options["reading"] == {}


def test_every_limit_is_an_option() -> None:
    options = {field.name for field in dataclasses.fields(OCROptions)}
    assert {field.name for field in dataclasses.fields(Limits)} <= options


@pytest.mark.weights
def test_sessions_get_the_slots_threads_and_the_cache_and_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[tuple[EngineOptions, Session]] = []

    def noting(onnx: Path, options: EngineOptions) -> Session:
        opened.append((options, open_session(onnx, options)))
        return opened[-1][1]

    monkeypatch.setattr(networks, "open_session", noting)
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path))
    (tmp_path / "models").symlink_to(Store().root if (Store().root).is_dir() else original_store(monkeypatch))
    plan = resolve(parse(OCROptions, TINY), device_type="cpu", progress=NullProgress())
    stages = OCRStages(plan.to_plain(), Slot("cpu", threads=2))
    assert [options.threads for options, _ in opened] == [2, 2, 2]
    assert {options.cache_dir for options, _ in opened} == {tmp_path / "compiled"}
    stages.close()
    for _, session in opened:
        assert session.__dict__["_request" if plan.engine == "openvino" else "_session"] is None


def original_store(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of the user who runs the tests."""
    with monkeypatch.context() as patch:
        patch.delenv("DOCFLEET_CACHE_HOME")
        return Store().root


@pytest.mark.weights
def test_weights_that_changed_since_the_plan_are_refused() -> None:
    name = "PP-OCRv6_tiny_det"
    with pytest.raises(WeightsError, match="has changed since"):
        ModelRef(name=name, folder=None, sha256="0" * 64).open()
    assert ModelRef(name=name, folder=None, sha256=Store().locate(name).sha256).open().name == name
