"""Python, libraries, engines and instances, as they are installed here."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from docfleet.cli.checks.check import Check, Level, Question
from docfleet.cli.checks.software import engines, instances, libraries, python
from docfleet.fleet.hardware import Machine

QUESTION = Question(pipeline="PaddleOCR", device="cpu", instances_per_device=1)


def _checks(examination, question: Question = QUESTION) -> dict[str, Check]:
    return {finding.name: finding for finding in examination(question) if isinstance(finding, Check)}


def test_python() -> None:
    assert sys.version.split()[0] in _checks(python)["python"].text


def test_libraries_with_their_versions() -> None:
    check = _checks(libraries)["libraries"]
    assert check.level is Level.OK
    assert f"numpy {importlib.metadata.version('numpy')}" in check.text
    assert f"pypdfium2 {importlib.metadata.version('pypdfium2')}" in check.text


def test_engines_with_what_they_run_on() -> None:
    found = _checks(engines)
    assert "CPU" in found["onnxruntime"].text
    assert all(check.level is Level.OK for check in found.values())


def test_instances() -> None:
    check = _checks(instances)["instances"]
    assert check.level is Level.OK
    assert check.text.startswith(f"1 on cpu, with {Machine.probe().usable_cores} thread")


def test_more_instances_than_cores_are_worth_a_look() -> None:
    cores = Machine.probe().usable_cores
    check = _checks(instances, Question(pipeline="ocr", device="cpu", instances_per_device=cores + 1))["instances"]
    assert check.level is Level.ATTENTION
    assert f"{cores + 1} slots share {cores} core" in check.text


def test_a_device_that_is_not_there_is_a_problem() -> None:
    check = _checks(instances, Question(pipeline="ocr", device="gpu:63"))["instances"]
    assert check.level is Level.PROBLEM
    assert "gpu:63 is not there" in check.text


def test_libraries_that_are_missing_broken_or_there_twice(tmp_path: Path) -> None:
    """In an environment of its own, of which every library is made up."""
    environment = tmp_path / "venv"
    venv.create(environment, with_pip=False, symlinks=os.name != "nt")
    packages = Path(
        subprocess.run(
            [environment / "bin" / "python", "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"],
            capture_output=True, text=True, check=True,
        ).stdout.strip()
    )  # fmt: skip
    for name in ("opencv-python", "opencv-python-headless", "pillow", "pypdfium2", "pyclipper"):
        info = packages / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    for module in ("PIL", "pypdfium2", "pyclipper"):
        (packages / f"{module}.py").write_text("", encoding="utf-8")
    (packages / "cv2.py").write_text("raise ImportError('libGL.so.1: no such file')", encoding="utf-8")
    source = Path(__file__).parents[3] / "src"
    script = (
        "from docfleet.cli.checks.check import Check, Question\n"
        "from docfleet.cli.checks.software import libraries\n"
        "for finding in libraries(Question(pipeline='ocr')):\n"
        "    if isinstance(finding, Check): print(finding.level, finding.text, finding.advice, sep='|')\n"
    )
    done = subprocess.run(
        [environment / "bin" / "python", "-c", script],
        capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(source)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    missing, twice, broken, rest = done.stdout.splitlines()
    assert missing == "problem|numpy is not installed|pip install numpy"
    assert twice.startswith("attention|opencv-python-headless and opencv-python are both installed")
    assert broken.startswith(
        "problem|cv2 cannot be imported: ImportError: libGL.so.1: no such file|pip install --force"
    )
    assert rest == "ok|pillow 1.0, pypdfium2 1.0, pyclipper 1.0|"


@pytest.mark.parametrize("examination", [python, libraries, engines, instances])
def test_each_says_what_it_is_about_to_do(examination) -> None:
    for finding in examination(QUESTION):
        assert isinstance(finding, Check | str)
