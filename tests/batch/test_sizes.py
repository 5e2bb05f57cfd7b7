"""How many instances a job has where nobody said: as many as this machine has cores, as far as memory goes."""

from __future__ import annotations

import logging

import pytest

from docfleet.batch import sizes
from docfleet.batch.sizes import sized
from docfleet.errors import DeviceError
from docfleet.fleet.hardware import Machine
from docfleet.pipelines.common import CommonOptions

CORES = Machine.probe().usable_cores


def with_memory(monkeypatch: pytest.MonkeyPatch, memory: int | None) -> None:
    """As if so much were free: a machine has what it has."""
    monkeypatch.setattr(sizes, "available_memory", lambda: memory)


@pytest.mark.parametrize("device", [None, "auto", "cpu"])
def test_on_cpus_there_is_an_instance_for_each_core(device: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    with_memory(monkeypatch, None)
    options = sized(CommonOptions(device=device))
    assert (options.instances_per_device, options.batch_size) == (CORES, 1)


def test_instances_with_several_threads_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    with_memory(monkeypatch, None)
    assert sized(CommonOptions(device="cpu", cpu_threads=CORES)).instances_per_device == 1
    assert sized(CommonOptions(device="cpu", cpu_threads=10 * CORES)).instances_per_device == 1


def test_numbers_that_were_given_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    with_memory(monkeypatch, 1)
    options = CommonOptions(device="cpu", instances_per_device=7, batch_size=5, timeout=1.0)
    assert sized(options) == options


def test_where_memory_is_short_there_are_fewer_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_memory(monkeypatch, 1)
    assert sized(CommonOptions(device="cpu")).instances_per_device == 1
    if CORES > 1:
        assert f"1 instances and not {CORES}, one for each core" in caplog.text
        assert "--instances_per_device overrules this" in caplog.text


def test_where_memory_is_plenty_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with_memory(monkeypatch, 1 << 50)
    with caplog.at_level(logging.WARNING):
        assert sized(CommonOptions(device="cpu")).instances_per_device == CORES
    assert caplog.records == []


def test_memory_that_this_machine_has_is_looked_at() -> None:
    number = sized(CommonOptions(device="cpu")).instances_per_device
    assert number is not None
    assert 1 <= number <= CORES


def test_a_device_that_is_not_there_is_an_error_before_anything_starts() -> None:
    with pytest.raises(DeviceError):
        sized(CommonOptions(device="gpu:63"))
