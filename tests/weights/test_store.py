"""The store: verified, fetched once, repaired, safe for several processes, usable offline. Real pip, wheels of ours."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from docfleet.errors import UsageError, WeightsError
from docfleet.weights import (
    Check,
    NullProgress,
    Registry,
    State,
    Store,
    WheelSource,
    builtin_registry,
    default_root,
    open_model_folder,
)
from docfleet.weights.folder import read_config
from docfleet.weights.record import inspect
from tests.weights.house import (
    CHARACTERS,
    MEMBER,
    ONNX,
    build_wheel,
    contents,
    flip_a_byte,
    know_only,
    pip_settings,
    serve,
    tiny_model,
    tiny_onnx,
    tiny_registry,
)

WHEEL = "tiny_house-1.0-py3-none-any.whl"

LOCATE = """
import sys
from pathlib import Path
from docfleet.weights import Store
from tests.weights.house import tiny_registry
print("ready", flush=True)
sys.stdin.readline()
folder = Store(Path(sys.argv[1]), tiny_registry()).locate("tiny")
print(folder.sha256, folder.config["PostProcess"]["character_dict"][1])
"""


def locating(root: Path, environment: dict[str, str], **options) -> subprocess.Popen[str]:
    """A process that locates `tiny` as soon as it gets a line."""
    paths = [str(Path(__file__).parents[2]), *sys.path]
    return subprocess.Popen(
        [sys.executable, "-c", LOCATE, str(root)], text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, env={**environment, "PYTHONPATH": os.pathsep.join(paths)}, **options,
    )  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Path:
    """A wheel house with the wheel of `tiny`."""
    folder = tmp_path_factory.mktemp("house")
    build_wheel(folder, {MEMBER: ONNX})
    return folder


@pytest.fixture(scope="module")
def installed(house, tmp_path_factory) -> Path:
    """A store that pip has filled once; to be copied."""
    root = tmp_path_factory.mktemp("installed") / "models"
    with pytest.MonkeyPatch.context() as patch:
        know_only(patch, house)
        Store(root, tiny_registry()).locate("tiny")
    return root


@pytest.fixture
def store(installed, tmp_path) -> Store:
    """A filled store of the test's own."""
    shutil.copytree(installed, tmp_path / "models")
    return Store(tmp_path / "models", tiny_registry())


@pytest.fixture
def offline(monkeypatch) -> None:
    """No pip can be started and none would find anything."""
    know_only(monkeypatch, None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")


COMPLETE = {f"tiny/{name}" for name in ("inference.onnx", "inference.yml", "config.json", "record.json")}


def test_a_filled_store_works_offline_and_leaves_everything_as_it_is(store, offline):
    before = {path: (store.root / path).stat().st_mtime_ns for path in contents(store.root)}
    folder = store.locate("tiny")
    assert (folder.name, folder.path, folder.onnx) == ("tiny", store.where("tiny"), store.root / "tiny/inference.onnx")
    assert folder.sha256 == tiny_model(ONNX).sha256
    assert folder.config["PostProcess"] == {"name": "CTCLabelDecode", "character_dict": CHARACTERS}
    assert store.pull("tiny") == folder
    shutil.rmtree(store.root / ".locks")
    store.fetch(["tiny"])
    assert not (store.root / ".locks").exists()
    assert store.verify("tiny") == Check(State.OK)
    assert store.installed() == ("tiny",)
    assert {path: (store.root / path).stat().st_mtime_ns for path in contents(store.root)} == before
    assert set(before) == COMPLETE


def test_a_folder_of_the_store_is_a_folder_in_the_official_format(store):
    ours, theirs = store.locate("tiny"), open_model_folder(store.where("tiny"))
    assert ours == theirs
    assert ours.config == read_config(store.where("tiny") / "inference.yml")


def test_an_empty_store_offline_says_what_is_missing_and_what_to_do(tmp_path, offline):
    store = Store(tmp_path / "models", tiny_registry())
    assert store.verify("tiny") == Check(State.MISSING, "inference.onnx", f"is not in {tmp_path / 'models' / 'tiny'}")
    assert store.installed() == ()
    with pytest.raises(WeightsError) as caught:
        store.locate("tiny")
    message = str(caught.value)
    assert f"inference.onnx is not in {store.where('tiny')}" in message
    for way_out in ("docfleet models pull tiny", "DOCFLEET_CACHE_HOME", "tiny-house==1.0", "PIP_FIND_LINKS"):
        assert way_out in message
    assert "\n" not in message
    assert contents(store.root) == set()


@pytest.mark.parametrize("file", ["inference.yml", "config.json", "record.json"])
def test_damage_beside_an_intact_network_is_repaired_offline(store, offline, caplog, file):
    path = store.where("tiny") / file
    path.write_bytes(path.read_bytes()[:-3])
    assert (store.verify("tiny").state, store.verify("tiny").file) == (State.DAMAGED, file)
    with caplog.at_level(logging.WARNING):
        assert store.locate("tiny").config["PostProcess"]["character_dict"] == CHARACTERS
    assert f"model tiny: {file} is" in caplog.text
    assert store.verify("tiny") == Check(State.OK)
    assert contents(store.root) == COMPLETE


@pytest.mark.parametrize("file", sorted(COMPLETE))
def test_no_flipped_bit_anywhere_gets_through(store, file):
    intact = store.locate("tiny")
    path = store.root / file
    data = path.read_bytes()
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        _, found = inspect(store.registry["tiny"], path.parent)
        # Where the files came from is for people and for a repair; everything else in the record is checked.
        assert found is None or (found == intact and path.name == "record.json")


@pytest.mark.parametrize("damage", [flip_a_byte, Path.unlink], ids=["a flipped byte", "a missing file"])
def test_a_damaged_network_is_fetched_again(store, house, monkeypatch, caplog, damage):
    know_only(monkeypatch, house)
    damage(store.where("tiny") / "inference.onnx")
    assert store.verify("tiny").file == "inference.onnx"
    with caplog.at_level(logging.WARNING):
        assert store.locate("tiny").onnx.read_bytes() == ONNX
    assert "model tiny: inference.onnx " in caplog.text
    assert contents(store.root) == COMPLETE


def test_a_damaged_network_that_cannot_be_fetched_is_not_used_and_not_removed(store, offline):
    network = store.where("tiny") / "inference.onnx"
    flip_a_byte(network)
    damaged = network.read_bytes()
    with pytest.raises(WeightsError, match=r"inference\.onnx is not what was installed"):
        store.locate("tiny")
    assert network.read_bytes() == damaged
    assert contents(store.root) == COMPLETE


def test_another_releases_template_replaces_inference_yml_alone(store, offline):
    model = dataclasses.replace(tiny_model(ONNX), template={"PostProcess": {"name": "Better"}})
    newer = Store(store.root, Registry([model]))
    assert newer.verify("tiny") == Check(State.DAMAGED, "inference.yml", "was written by another release")
    assert newer.locate("tiny").config["PostProcess"]["name"] == "Better"


def test_another_releases_network_is_fetched(store, tmp_path, monkeypatch):
    onnx = tiny_onnx({"character": "x\ny"})
    source = WheelSource(package="tiny-house", version="2.0", member=MEMBER)
    build_wheel(tmp_path / "house", {MEMBER: onnx}, version="2.0")
    know_only(monkeypatch, tmp_path / "house")
    newer = Store(store.root, Registry([tiny_model(onnx, sources=(source,))]))
    assert newer.verify("tiny").reason == "is not the file that this release registers"
    assert newer.locate("tiny").config["PostProcess"]["character_dict"] == ["x", "y"]


def test_force_fetches_what_is_intact(store, house, tmp_path, monkeypatch):
    with serve(house) as server:
        know_only(monkeypatch, None)
        monkeypatch.setenv("PIP_FIND_LINKS", server.url)
        store.pull("tiny")
        assert server.downloads[WHEEL] == 0
        store.pull("tiny", force=True, progress=NullProgress())
        assert server.downloads[WHEEL] == 1
    assert contents(store.root) == COMPLETE


def test_sources_are_tried_in_order(house, tmp_path, monkeypatch):
    know_only(monkeypatch, house)
    gone = WheelSource(package="gone-house", version="1.0", member=MEMBER)
    here = WheelSource(package="tiny-house", version="1.0", member=MEMBER)
    store = Store(tmp_path, Registry([tiny_model(ONNX, sources=(gone, here))]))
    assert store.locate("tiny").sha256 == tiny_model(ONNX).sha256
    assert json.loads((store.where("tiny") / "record.json").read_text())["source"] == "tiny-house==1.0"


def test_when_no_source_delivers_each_is_told(house, tmp_path, monkeypatch):
    know_only(monkeypatch, house)
    gone = WheelSource(package="gone-house", version="1.0", member=MEMBER)
    other = WheelSource(package="tiny-house", version="1.0", member="other.onnx")
    store = Store(tmp_path, Registry([tiny_model(ONNX, sources=(gone, other))]))
    with pytest.raises(
        WeightsError, match=r"gone-house==1\.0 .*; tiny_house-1\.0-py3-none-any\.whl does not hold other"
    ):
        store.locate("tiny")
    assert contents(store.root) == set()


def test_four_processes_fetch_a_missing_model_once(house, tmp_path):
    with serve(house) as server:
        environment = pip_settings(find_links=server.url)
        processes = [locating(tmp_path / "models", environment) for _ in range(4)]
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
        assert [answer for answer, _ in answers] == [f"{tiny_model(ONNX).sha256} b\n"] * 4, answers
        assert server.downloads[WHEEL] == 1
    assert contents(tmp_path / "models") == COMPLETE


@pytest.mark.kills
@pytest.mark.skipif(sys.platform == "win32", reason="process groups are POSIX")
def test_a_kill_half_way_leaves_nothing_that_counts_and_the_next_one_cleans_up(house, tmp_path, monkeypatch):
    store = Store(tmp_path / "models", tiny_registry())
    with serve(house) as server:
        server.hold.set()
        process = locating(store.root, pip_settings(find_links=server.url), start_new_session=True)
        try:
            process.stdin.write("go\n")
            process.stdin.flush()
            assert server.held.wait(60)
            assert store.verify("tiny").state is State.MISSING
            assert store.installed() == ()
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert any((store.root / ".incoming" / "tiny").iterdir())
    assert store.verify("tiny").state is State.MISSING
    know_only(monkeypatch, house)
    assert store.locate("tiny").onnx.read_bytes() == ONNX
    assert contents(store.root) == COMPLETE
    assert not list((store.root / ".incoming").iterdir())


def test_a_store_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file" / "models", tiny_registry())
    with pytest.raises(WeightsError, match=r"tiny cannot be stored in .*file.models: .*set DOCFLEET_CACHE_HOME"):
        store.locate("tiny")


def test_an_unknown_name_is_a_usage_error_everywhere(tmp_path):
    store = Store(tmp_path, tiny_registry())
    for ask in (store.locate, store.pull, store.verify, store.where):
        with pytest.raises(UsageError, match="unknown model 'tyny': did you mean tiny"):
            ask("tyny")
    with pytest.raises(UsageError, match="unknown model 'tyny'"):
        store.fetch(["tiny", "tyny"])
    assert not store.root.exists() or not list(store.root.iterdir())


def test_the_store_lies_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path))
    assert Store().root == tmp_path / "models"
    assert Store().registry is builtin_registry()
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", "~/somewhere")
    assert default_root() == Path.home() / "somewhere" / "models"
    monkeypatch.delenv("DOCFLEET_CACHE_HOME")
    assert default_root() == platformdirs.user_cache_path("docfleet") / "models"


def test_a_folder_of_a_user_that_does_not_exist(monkeypatch):
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", "~nosuch_user/x")
    with pytest.raises(
        WeightsError, match=r"DOCFLEET_CACHE_HOME is ~nosuch_user/x, and .*set it to the path"
    ) as caught:
        Store()
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() != 0, reason="only root can be a user without an entry")
@pytest.mark.parametrize("home", ["", "~/x"])
def test_a_user_without_a_home(home):
    script = (
        "import os, docfleet.weights as weights, platformdirs, pwd; os.setuid(54321)\n"
        "try: weights.default_root()\nexcept weights.store.WeightsError as error: print(error)"
    )
    bare = {name: value for name, value in os.environ.items() if name != "HOME" and not name.startswith("XDG_")}
    done = subprocess.run(
        [sys.executable, "-c", script], env={**bare, "DOCFLEET_CACHE_HOME": home},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    said = f"DOCFLEET_CACHE_HOME is {home}" if home else "DOCFLEET_CACHE_HOME is not set"
    assert done.stdout.startswith(f"no folder for the models' files: {said}, and ")
    assert len(done.stdout.splitlines()) == 1


@pytest.mark.weights
def test_the_tiny_models_come_from_the_package_index_and_run(tmp_path):
    import numpy as np
    import onnxruntime

    from docfleet.weights.onnx_metadata import read_metadata

    store = Store(tmp_path)
    shapes = {"PP-OCRv6_tiny_det": (1, 3, 64, 64), "PP-OCRv6_tiny_rec": (1, 3, 48, 320)}
    for name, shape in shapes.items():
        folder = store.locate(name)
        assert folder.sha256 == builtin_registry()[name].sha256
        session = onnxruntime.InferenceSession(str(folder.onnx), providers=["CPUExecutionProvider"])
        assert read_metadata(folder.onnx) == session.get_modelmeta().custom_metadata_map
        (output,) = session.run(None, {"x": np.zeros(shape, np.float32)})
        if "rec" in name:
            # One class for the blank before the characters, one for the space after them.
            assert output.shape[-1] == len(folder.config["PostProcess"]["character_dict"]) + 2
        assert store.verify(name) == Check(State.OK)
