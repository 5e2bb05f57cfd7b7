"""Which slots and which executor the options stand for, on machines with and without what they name."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import pytest

from docfleet.errors import DeviceError, UsageError
from docfleet.fleet.devices import Slot
from docfleet.pipelines.common import CommonOptions
from docfleet.pipelines.executors import choose_slots, executor_for

ONE, TWO = [Slot("cpu")], [Slot("cpu"), Slot("cpu", instance=1)]


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that lists two GPUs, beside an ONNX Runtime that was built for CPUs."""
    import onnxruntime

    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("the installed ONNX Runtime is one for GPUs")
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'GPU 0: one'\necho 'GPU 1: two'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
@pytest.mark.parametrize("device", [None, "auto"])
def test_auto_takes_the_cpu_where_the_runtime_cannot_use_the_gpus(
    two_gpus: None, device: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        slots = choose_slots(CommonOptions(device=device))
    assert [slot.name for slot in slots] == ["cpu#0"]
    assert "2 gpu found" in caplog.text
    assert "onnxruntime-gpu" in caplog.text


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a shell script")
def test_gpus_that_are_named_are_never_replaced_by_the_cpu(two_gpus: None) -> None:
    assert [slot.name for slot in choose_slots(CommonOptions(device="gpu:0,1"))] == ["gpu:0#0", "gpu:1#0"]
    with pytest.raises(DeviceError, match="gpu:2 is not there"):
        choose_slots(CommonOptions(device="gpu:2"))


@pytest.mark.parametrize(
    ("options", "slots", "kind"),
    [
        (CommonOptions(), ONE, "serial"),
        (CommonOptions(executor="auto"), TWO, "processes"),
        (CommonOptions(timeout=1.0), ONE, "processes"),
        (CommonOptions(memory_limit=1), ONE, "processes"),
        (CommonOptions(executor="processes"), ONE, "processes"),
        (CommonOptions(executor="serial"), ONE, "serial"),
    ],
)
def test_the_executor_follows_what_is_asked_for(options: CommonOptions, slots: list[Slot], kind: str) -> None:
    assert executor_for(options, slots) == kind


def test_serial_refuses_what_it_cannot_do() -> None:
    with pytest.raises(UsageError, match="2 instances and timeout"):
        executor_for(CommonOptions(executor="serial", timeout=1.0), TWO)
