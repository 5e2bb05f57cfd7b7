"""`docfleet ocr` as a whole: exit status, what goes where, and what happens when output cannot be written."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

pytestmark = pytest.mark.weights

TINY = ["--text_detection_model_name", "PP-OCRv6_tiny_det", "--text_recognition_model_name", "PP-OCRv6_tiny_rec",
        "--use_doc_orientation_classify", "False", "--use_doc_unwarping", "False"]  # fmt: skip


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Two good pages and a bad one between them."""
    folder = tmp_path / "pages"
    folder.mkdir()
    for name, text in (("a.png", "first page"), ("c.png", "last page")):
        image = np.full((100, 400, 3), 255, np.uint8)
        cv2.putText(image, text, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
        cv2.imwrite(str(folder / name), image)
    (folder / "b.png").write_bytes(b"no image")
    return folder


def ocr(*arguments: str | Path, shell: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command; `shell` is appended to it as a shell would read it."""
    command = [sys.executable, "-m", "docfleet", "ocr", *TINY, *map(str, arguments)]
    if shell:
        command = ["bash", "-c", f'set -o pipefail; "$@" {shell}', "bash", *command]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment}
    )


def test_text_on_stdout_messages_on_stderr_json_in_the_folder(pages: Path, tmp_path: Path) -> None:
    done = ocr("-i", pages / "a.png", "-i", pages / "c.png", "--save_path", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == "first page\nlast page\n"
    assert "2 pages read, 0 failed" in done.stderr
    names = ["a_ocr_res_img.png", "a_res.json", "c_ocr_res_img.png", "c_res.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names


def test_only_what_is_asked_for_is_saved(pages: Path, tmp_path: Path) -> None:
    done = ocr("-i", pages / "a.png", "--save_path", tmp_path / "out", "--save", "json", "--print", "none")
    assert (done.returncode, done.stdout) == (0, "")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_res.json"]


def test_a_bad_page_is_named_and_gives_status_1(pages: Path) -> None:
    done = ocr("-i", pages, "--print", "json")
    assert done.returncode == 1
    assert [json.loads(line)["rec_texts"] for line in done.stdout.splitlines()] == [["first page"], ["last page"]]
    [line] = [line for line in done.stderr.splitlines() if line.startswith("docfleet: input:")]
    assert "b.png" in line
    assert "2 pages read, 1 failed" in done.stderr


def test_standard_input(pages: Path, tmp_path: Path) -> None:
    done = ocr("-i", "-", "--save_path", tmp_path / "out", shell=f"< {shlex.quote(str(pages / 'a.png'))}")
    assert (done.returncode, done.stdout) == (0, "first page\n")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["stdin_ocr_res_img.png", "stdin_res.json"]
    assert json.loads((tmp_path / "out" / "stdin_res.json").read_text())["input_path"] == "stdin"


def test_standard_input_that_is_no_document() -> None:
    done = ocr("-i", "-", shell="< /dev/null")
    assert done.returncode == 1
    assert "docfleet: input: stdin: the file is empty" in done.stderr


def test_several_instances_from_the_command_line(pages: Path) -> None:
    done = ocr("-i", pages / "a.png", "-i", pages / "c.png", "--device", "cpu", "--instances_per_device", "2")
    assert (done.returncode, done.stdout) == (0, "first page\nlast page\n")


def test_a_folder_that_cannot_be_made_gives_status_4(pages: Path) -> None:
    done = ocr("-i", pages, "--save_path", pages / "a.png" / "below")
    assert done.returncode == 4
    assert done.stderr.startswith("docfleet: error: ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_is_no_failure(pages: Path) -> None:
    done = ocr(*(["-i", pages / "a.png"] * 3), shell="| true")
    assert done.returncode == 141
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_behind_stdout_gives_status_4(pages: Path) -> None:
    done = ocr("-i", pages / "a.png", shell="> /dev/full")
    assert done.returncode == 4
    assert "docfleet: error: standard output cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_terminal_that_lacks_the_characters_gets_escapes(pages: Path, tmp_path: Path) -> None:
    odd = tmp_path / "页.png"
    odd.write_bytes((pages / "a.png").read_bytes())
    done = ocr("-i", odd, "--print", "json", PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["input_path"] == str(odd)


def test_without_stderr_it_works(pages: Path) -> None:
    done = ocr("-i", pages / "a.png", shell="2>&-")
    assert (done.returncode, done.stdout) == (0, "first page\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--engine", "nonsense"], "unknown engine 'nonsense'"),
        (["--engine", ""], "unknown engine ''"),
        (["--device", ""], "unknown device ''"),
        (["--device", "gpu:63"], "gpu:63 is not there"),
        (["--text_det_input_shape", "1", "640", "640"], "input_shape"),
        (["--save", "html", "--save_path", "out"], "'html' is not one of json, img"),
        (["--use_tensorrt", "True", "--engine", "openvino"], "cannot run engine"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_fetched(
    pages: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = ocr("-i", pages, *arguments, DOCFLEET_CACHE_HOME=str(tmp_path / "empty"))
    assert done.returncode in (2, 3)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "empty").exists()
