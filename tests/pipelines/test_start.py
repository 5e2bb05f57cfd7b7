"""When a pipeline cannot start or cannot go on: an error that names what is missing, at once; no worker is left."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import sysconfig
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import pytest

from docfleet import PaddleOCR
from docfleet.errors import ClosedError, DeviceError, StartError, UsageError, WeightsError
from docfleet.weights import Store
from tests.pipelines.programs import (
    LIMIT_S,
    READ,
    TINY,
    TWO,
    Ended,
    Programs,
    read,
    wait_for_no_workers,
    workers,
    written,
)

pytestmark = [pytest.mark.weights, pytest.mark.usefixtures("no_worker_left")]

MODELS = ("PP-OCRv6_tiny_det", "PP-OCRv6_tiny_rec", "PP-OCR_mobile_v2.0_textline_cls")

REPORT = """
import os, pathlib, time

folder = pathlib.Path(__file__).parent
(folder / f"started{os.getpid()}").touch()
end = time.monotonic() + LIMIT_S
while (folder / "hold").exists() and time.monotonic() < end:
    time.sleep(0.01)
"""


@dataclass(frozen=True, slots=True)
class Interpreters:
    """Sees every Python that this process starts, and can hold them before they have done anything."""

    folder: Path

    def started(self) -> int:
        return len(list(self.folder.glob("started*")))

    def hold(self) -> None:
        (self.folder / "hold").touch()

    def release(self) -> None:
        (self.folder / "hold").unlink(missing_ok=True)


@pytest.fixture
def interpreters(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Interpreters:
    """Through the module that Python imports when it starts, on the path that workers take over."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(REPORT.replace("LIMIT_S", str(LIMIT_S)), encoding="utf-8")
    monkeypatch.syspath_prepend(folder)
    return Interpreters(folder)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A folder of the user's own with the recognition network."""
    return Path(shutil.copytree(Store().where("PP-OCRv6_tiny_rec"), tmp_path / "own_rec"))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with the networks, and nowhere to fetch them from."""
    for name in MODELS:
        shutil.copytree(Store().locate(name).path, tmp_path / "home" / "models" / name)
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "models"


def with_own(model: Path, **options: Any) -> PaddleOCR:
    """A pipeline that reads with the network in `model`."""
    named = {name: value for name, value in TINY.items() if name != "text_recognition_model_name"}
    return PaddleOCR(**named, text_recognition_model_dir=model, **options)


def overwrite_network(folder: Path) -> None:
    (folder / "inference.onnx").write_bytes(b"not a network")


def remove_network(folder: Path) -> None:
    (folder / "inference.onnx").unlink()


def remove_config(folder: Path) -> None:
    (folder / "inference.yml").unlink()


# Weights.


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (shutil.rmtree, "does not exist"),
        (remove_network, "has no inference.onnx"),
        (remove_config, "has no inference.yml"),
    ],
)
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_model_folder_without_its_files(
    model: Path, interpreters: Interpreters, executor: str, damage: Callable[[Path], None], what: str
) -> None:
    damage(model)
    with pytest.raises(WeightsError, match=f"{model} {what}"):
        with_own(model, executor=executor)
    assert interpreters.started() == 0


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_network_that_is_none(model: Path, executor: str) -> None:
    overwrite_network(model)
    with pytest.raises(StartError, match=f"cannot load {model}/inference.onnx"):
        read(with_own(model, executor=executor))


@pytest.mark.parametrize(
    ("damage", "what"),
    [
        (shutil.rmtree, "{0} does not exist"),
        (remove_network, "{0} has no inference.onnx"),
        (overwrite_network, "{0}/inference.onnx has changed since the pipeline was made"),
    ],
)
def test_a_model_folder_that_changes_while_the_workers_start(
    model: Path, interpreters: Interpreters, damage: Callable[[Path], None], what: str
) -> None:
    interpreters.hold()
    with with_own(model, instances_per_device=2) as ocr:
        damage(model)
        interpreters.release()
        # The second call too: it does not wait for workers that never come.
        for _ in range(2):
            with pytest.raises(StartError, match=what.format(model)):
                read(ocr)
    assert interpreters.started() == 2


@pytest.mark.parametrize(
    ("damage", "what"),
    [(shutil.rmtree, "inference.onnx is not in"), (overwrite_network, "inference.onnx is not what was installed")],
)
@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_store_that_has_lost_a_network(store: Path, executor: str, damage: Callable[[Path], None], what: str) -> None:
    damage(store / MODELS[1])
    with pytest.raises(WeightsError, match=f"model {MODELS[1]}: {what}.* could not be fetched"):
        PaddleOCR(executor=executor, **TINY)


def test_a_store_that_is_emptied_while_the_workers_start(store: Path, interpreters: Interpreters) -> None:
    interpreters.hold()
    with PaddleOCR(**TWO) as ocr:
        shutil.rmtree(store)
        interpreters.release()
        with pytest.raises(StartError, match=f"inference.onnx is not in {store}.* could not be fetched"):
            read(ocr)


@pytest.mark.kills
def test_a_model_folder_that_is_gone_when_workers_are_replaced(model: Path) -> None:
    with with_own(model, executor="processes") as ocr:
        assert read(ocr) == READ
        shutil.rmtree(model)
        assert read(ocr) == READ
        [worker] = workers()
        worker.kill()
        with pytest.raises(StartError, match=f"{model} does not exist"):
            read(ocr)


def test_a_serial_pipeline_has_loaded_what_it_needs(model: Path) -> None:
    with with_own(model, executor="serial") as ocr:
        shutil.rmtree(model)
        assert read(ocr) == READ


# Devices and engines.


@pytest.mark.parametrize("device", ["gpu:99", "gpu:0,99", "npu:99", "cpu:99", "cpu:0,99"])
@pytest.mark.parametrize("options", [{}, {"instances_per_device": 2}, {"engine": "onnxruntime"}])
def test_a_device_that_is_not_there(interpreters: Interpreters, device: str, options: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match=f"{device[:3]}:.*99 is not there"):
        PaddleOCR(**{**TINY, **options, "device": device})
    assert interpreters.started() == 0


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_an_engine_that_has_no_provider_for_the_device(executor: str) -> None:
    with pytest.raises(StartError, match="tensorrt has no execution provider for cpu"):
        read(PaddleOCR(use_tensorrt=True, executor=executor, **TINY))


def test_serial_cannot_do_everything(interpreters: Interpreters) -> None:
    for what, option in {"2 instances": {"instances_per_device": 2}, "timeout": {"timeout": 5}}.items():
        with pytest.raises(UsageError, match=f"executor='serial' cannot do {what}"):
            PaddleOCR(executor="serial", **TINY, **option)
    assert interpreters.started() == 0


def test_an_engine_that_is_not_installed(programs: Programs) -> None:
    """An environment with everything but OpenVINO: asked for by name it is an error, `auto` takes the other one."""
    site = programs.folder / "site"
    site.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("openvino"):
            (site / entry.name).symlink_to(entry)
    text = """
from docfleet import PaddleOCR
from docfleet.errors import EngineError
from tests.pipelines.programs import TWO, read, workers

try:
    PaddleOCR(engine="openvino", **TWO)
except EngineError as error:
    print(error)
print(len(workers()))
ocr = PaddleOCR(**TWO)
print(read(ocr), len(workers()))
"""
    path = os.pathsep.join([programs.environment()["PYTHONPATH"], str(site)])
    right = f"the engine openvino is not installed: pip install openvino\n0\n{READ} 2\n"
    # -S: without the site-packages of this interpreter.
    assert programs.run(["-S", "-c", text], PYTHONPATH=path) == Ended(0, right, "")


# What callers do to a pipeline.


def test_a_loop_that_is_left() -> None:
    with PaddleOCR(**TWO) as ocr:
        for _ in ocr.predict_iter(written("many") for _ in range(1000)):
            break
        assert len(workers()) == 2
    assert workers() == []


def test_an_exception_in_the_block() -> None:
    with pytest.raises(ZeroDivisionError), PaddleOCR(**TWO) as ocr:
        for _ in ocr.predict_iter(written("many") for _ in range(1000)):
            assert len(workers()) == 2
            _ = 1 / 0
    assert workers() == []


def test_a_pipeline_that_is_forgotten() -> None:
    ocr = PaddleOCR(**TWO)
    for _ in ocr.predict_iter(written("many") for _ in range(1000)):
        break
    assert len(workers()) == 2
    del ocr
    wait_for_no_workers()


def test_a_pipeline_that_is_forgotten_in_a_cycle() -> None:
    cycle: list[Any] = [PaddleOCR(**TWO)]
    cycle.append(cycle)
    assert read(cycle[0]) == READ
    assert len(workers()) == 2
    del cycle
    gc.collect()
    wait_for_no_workers()


def test_results_that_are_asked_for_keep_the_pipeline() -> None:
    pages = PaddleOCR(**TWO).predict_iter(written(text) for text in READ)
    gc.collect()
    assert [line for page in pages for line in page.texts] == READ
    wait_for_no_workers()


def test_a_pipeline_that_was_never_used() -> None:
    """Its workers are still starting."""
    PaddleOCR(**TWO).close()
    assert workers() == []


def test_a_closed_pipeline_says_so() -> None:
    ocr = PaddleOCR(**TWO)
    pages = ocr.predict_iter(written(f"page {number}") for number in range(1000))
    next(pages)
    ocr.close()
    ocr.close()
    with pytest.raises(ClosedError, match="closed"):
        list(pages)  # What was ready may still come.
    with pytest.raises(ClosedError, match="closed"):
        read(ocr)


@pytest.mark.parametrize("executor", ["serial", "processes"])
def test_a_pipeline_cannot_be_pickled(executor: str) -> None:
    with PaddleOCR(executor=executor, **TINY) as ocr, pytest.raises(TypeError, match="pipeline"):
        pickle.dumps(ocr)


@pytest.mark.kills
def test_a_worker_that_stops_dead_in_the_middle_of_a_page(caplog: pytest.LogCaptureFixture) -> None:
    """Its page is read by another, and so are those behind it."""
    page = np.full((1000, 1000, 3), 255, np.uint8)
    for y in range(50, 1000, 60):
        cv2.putText(page, "a second of work for one core", (20, y), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    with PaddleOCR(timeout=6, **TINY) as ocr:
        assert read(ocr) == READ
        [worker] = workers()
        stopper = threading.Thread(target=stop_when_busy, args=[worker])
        stopper.start()
        [busy, small] = ocr.predict([page, written("small")])
        stopper.join()
        assert (len(busy.texts), small.texts) == (16, ["small"])
        assert worker.pid not in {worker.pid for worker in workers()}
    assert "takes too long" in caplog.text


@pytest.mark.kills
def test_a_worker_that_stops_dead_between_two_pages(caplog: pytest.LogCaptureFixture) -> None:
    """No page has begun, so no page's time is up; it is missed after ten seconds all the same."""
    with PaddleOCR(timeout=3, **TINY) as ocr:
        assert read(ocr) == READ
        [worker] = workers()
        stop(worker)
        assert read(ocr) == READ
        assert worker.pid not in {worker.pid for worker in workers()}
    assert "stands still between two pages" in caplog.text


def stop_when_busy(process: psutil.Process) -> None:
    """Stop it when it has computed for 0.2 s."""

    def spent() -> float:
        times = process.cpu_times()
        return times.user + times.system

    before, end = spent(), time.monotonic() + LIMIT_S
    while spent() < before + 0.2 and time.monotonic() < end:
        time.sleep(0.01)
    stop(process)


def stop(process: psutil.Process) -> None:
    process.suspend()
    end = time.monotonic() + LIMIT_S
    while process.status() != psutil.STATUS_STOPPED and time.monotonic() < end:
        time.sleep(0.001)
