"""`docfleet devices`: what it says about this machine, and about devices that are not there."""

from __future__ import annotations

import json
import os

import pytest

from docfleet.cli.devices import _ranges
from docfleet.cli.main import run


def test_it_shows_this_machine(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--device", "cpu", "--instances_per_device", "2", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert set(answer["cpus"]) == os.sched_getaffinity(0)
    assert 1 <= answer["cores"] <= len(answer["cpus"])
    assert [slot["name"] for slot in answer["slots"]] == ["cpu#0", "cpu#1"]
    assert sum(slot["threads"] for slot in answer["slots"]) <= max(2, answer["cores"])
    assert "cpu" in answer["devices"]
    assert "onnxruntime" in " ".join(answer["engines"])


def test_people_get_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "slots of 'cpu'" in out
    assert "cpu#0" in out


def test_a_device_that_is_not_there_exits_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["devices", "--device", "gpu:63"]) == 3
    assert "gpu:63 is not there" in capsys.readouterr().err


@pytest.mark.parametrize(("cpus", "text"), [([], ""), ([3], "3"), ([0, 1, 2], "0-2"), ([8, 0, 1, 3, 9], "0-1,3,8-9")])
def test_ranges(cpus: list[int], text: str) -> None:
    assert _ranges(cpus) == text
