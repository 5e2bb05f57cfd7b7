"""`docfleet run`: what the flags and the options file come to, and what is said about those that make no sense."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from docfleet.batch.options import JobOptions, MaxFailures
from docfleet.batch.selection import PageSelection
from docfleet.cli import main
from docfleet.cli import run as run_module
from docfleet.pipelines.ocr.options import OCROptions
from tests.batch.pipelines import EchoOptions

ECHO = "tests.batch.pipelines:Echo"
ROOT = Path(__file__).parents[2]


@dataclass
class Taken:
    """What a command line came to."""

    options: Any
    job: JobOptions
    flags: dict[str, Any]


@pytest.fixture
def take(monkeypatch: pytest.MonkeyPatch):
    """Parses a command line up to where the job would begin."""

    def take(*arguments: str, pipeline: str = ECHO) -> Taken:
        taken: list[Taken] = []

        def begin(entry: Any, options: Any, job: JobOptions, flags: dict[str, Any]) -> int:
            taken.append(Taken(options, job, flags))
            return 0

        monkeypatch.setattr(run_module, "_run", begin)
        given_input = [] if any(argument.startswith("--input") for argument in arguments) else ["--input_dir", "in"]
        assert main.run(["run", "--pipeline", pipeline, *given_input, *arguments]) == 0
        return taken[0]

    return take


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]):
    """What is said about a command line that is wrong."""

    def refused(*arguments: str) -> str:
        assert main.run(["run", *arguments]) == 2
        said = capsys.readouterr()
        assert said.out == ""
        return said.err

    return refused


def test_the_script_s_seven_flags_mean_what_they_meant(take) -> None:
    taken = take(
        "--input_dir", "scans/", "--device", "cpu", "--output_dir", "results", "--instances_per_device", "2",
        "--batch_size", "4", "--input_glob_pattern", "*.jpg", pipeline="PaddleOCR",
    )  # fmt: skip
    assert isinstance(taken.options, OCROptions)
    assert (taken.options.device, taken.options.instances_per_device, taken.options.batch_size) == ("cpu", 2, 4)
    assert (taken.job.input_dir, taken.job.output_dir, taken.job.pattern) == ("scans/", Path("results"), "*.jpg")


def test_without_flags_a_job_is_the_usual_one(take) -> None:
    taken = take()
    assert taken.job == JobOptions(input_dir="in", output_dir=Path("output"))
    assert taken.options.timeout == 300
    assert taken.options.instances_per_device >= 1
    assert taken.options.batch_size >= 1
    assert taken.flags["quiet"] is False


def test_every_flag_of_a_job_arrives(take) -> None:
    taken = take(
        "--save", "json, TXT,json", "--pages", "1-5,9", "--limit", "7", "--fresh", "--retry_failed", "--moved",
        "--timeout", "0", "--max_failures", "5%", "--fingerprint", "content", "--fsync", "--verify", "3",
        "--max_attempts", "2",
    )  # fmt: skip
    assert taken.job == JobOptions(
        input_dir="in", output_dir=Path("output"), saves=("json", "txt"), pages=PageSelection.parse("1-5,9"), limit=7,
        fresh=True, retry_failed=True, moved=True, max_failures=MaxFailures(percent=5.0), by_content=True, fsync=True,
        verify=3,
    )  # fmt: skip
    assert taken.options.timeout is None
    assert taken.options.max_attempts == 2


def test_flags_may_be_typed_with_dashes_and_with_equals_signs(take) -> None:
    taken = take("--input-dir=in", "--max-failures=3", "--instances-per-device=2", "--output-dir", "x y")
    assert taken.job.max_failures == MaxFailures(count=3)
    assert taken.options.instances_per_device == 2
    assert taken.job.output_dir == Path("x y")


@pytest.mark.parametrize("name", ["PaddleOCR", "paddleocr", "ocr", "OCR"])
def test_a_pipeline_goes_by_its_class_and_by_its_command(take, name: str) -> None:
    assert isinstance(take("--lang", "en", pipeline=name).options, OCROptions)


def test_each_pipeline_has_its_own_flags(take, refused) -> None:
    assert take("--word", "x").options == take("--word=x").options
    assert take("--word", "x").options.word == "x"
    assert take("--lang", "en", pipeline="ocr").options.lang == "en"
    assert "No such option '--word'" in refused("--pipeline", "ocr", "--input_dir", "in", "--word", "x")
    assert "No such option '--lang'" in refused("--pipeline", ECHO, "--input_dir", "in", "--lang", "en")


def test_the_last_pipeline_counts(take) -> None:
    assert isinstance(take("--pipeline", ECHO, "--word", "x", pipeline="ocr").options, EchoOptions)


def test_help_names_the_flags_of_the_pipeline(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["run", "--help"]) == 0
    general = capsys.readouterr().out
    assert "--input_glob_pattern" in general
    assert "--lang" not in general
    assert main.run(["run", "--pipeline", "ocr", "--help"]) == 0
    assert "--lang" in capsys.readouterr().out


# The options file.


def options_file(folder: Path, text: str, *, encoding: str = "utf-8") -> str:
    path = folder / "options.yaml"
    path.write_text(text, encoding=encoding)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "word: é\nseconds: 0.001\nbatch_size: 3\n",
        '{"word": "é", "seconds": 1e-3, "batch_size": 3}',
        '{\n\t"word": "é",\n\t"seconds": 0.001,\n\t"batch_size": 3\n}',
    ],
    ids=["YAML", "JSON", "JSON with tabs"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_options_come_from_yaml_and_from_json(take, text: str, encoding: str, tmp_path: Path) -> None:
    options = take("--options", options_file(tmp_path, text, encoding=encoding)).options
    assert (options.word, options.seconds, options.batch_size) == ("é", 0.001, 3)


def test_flags_overrule_the_file_also_with_what_is_the_default(take, tmp_path: Path) -> None:
    path = options_file(tmp_path, "word: file\ntimeout: 60\nbatch_size: 3\ninstances_per_device: 7\nmax_attempts: 5\n")
    options = take("--options", path).options
    assert (options.word, options.timeout, options.batch_size, options.instances_per_device) == ("file", 60, 3, 7)
    flags = ["--word", "flag", "--timeout", "300", "--batch_size", "auto", "--instances_per_device", "auto"]
    options = take("--options", path, *flags).options
    assert (options.word, options.timeout, options.max_attempts) == ("flag", 300, 5)
    assert (options.batch_size, options.instances_per_device) == (
        take().options.batch_size,
        take().options.instances_per_device,
    )


@pytest.mark.parametrize(
    ("text", "expected"), [("timeout: 0", None), ("timeout: null", None), ("word: x", 300), ("", 300)]
)
def test_no_limit_is_said_with_0_in_the_file_too(take, text: str, expected: float | None, tmp_path: Path) -> None:
    assert take("--options", options_file(tmp_path, text)).options.timeout == expected


def test_auto_may_stand_in_the_file(take, tmp_path: Path) -> None:
    path = options_file(tmp_path, "batch_size: auto\ninstances_per_device: auto\n")
    assert take("--options", path).options == take().options


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wrod: x", "Unknown argument: wrod; did you mean 'word'?"),
        ("word: no", "word takes a text, not False"),
        ("batch_size: 0", "batch_size is at least 1"),
        ("executor: serial", "executor cannot be set for a batch job"),
        ("on_error: return\nordered: true", "ordered, on_error cannot be set for a batch job"),
        ("[1, 2]", "it should hold names of options with their values"),
        ("1: x", "it should hold names of options with their values"),
        ("just words", "it should hold names of options with their values"),
        ("word: [", "neither YAML nor JSON"),
        ("word: 2026-13-45", "neither YAML nor JSON"),
        ("word: !!python/object/apply:os.getpid []", "neither YAML nor JSON"),
        ("[" * 100_000, "neither YAML nor JSON"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(refused, text: str, message: str, tmp_path: Path) -> None:
    said = refused("--pipeline", ECHO, "--input_dir", "in", "--options", options_file(tmp_path, text))
    assert message in said
    assert "Traceback" not in said


def test_a_file_that_cannot_be_read_is_named(refused, tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"word: \xe9")
    for name, message in (("missing", "No such file"), (".", "Is a directory"), ("latin", "neither YAML nor JSON")):
        for flag in ("--options", "--input_list") if name != "latin" else ("--options",):
            said = refused("--pipeline", ECHO, "--input_dir", "in", flag, str(tmp_path / name))
            assert f"{flag} {tmp_path / name}" in said
            assert message in said


# Mistakes.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--input_dir", "in"], "Missing option '--pipeline'"),
        (["--pipeline", ECHO], "name an input: --input_dir FOLDER, or --input_list FILE"),
        (["--pipeline", ECHO, "--input_dir", ""], "--input_dir is empty"),
        (["--pipeline", ECHO, "--input_list", ""], "--input_list is empty: name a file"),
        (["--pipeline", ECHO, "--input_dir", "in", "--output_dir", ""], "--output_dir is empty"),
        (["--pipeline", ECHO, "--input_list", "-", "--input_glob_pattern", "*"], "no meaning beside --input_list"),
        (["--pipeline", "--input_dir", "in"], "there is no pipeline '--input_dir'"),
        (["--pipeline"], "Option '--pipeline' requires an argument"),
        (["--pipeline", "PadleOCR", "--input_dir", "in"], "did you mean PaddleOCR?"),
        (["--pipeline", ECHO, "--input_dir", "in", "--batch_size", "0"], "neither auto nor a whole number from 1"),
        (["--pipeline", ECHO, "--input_dir", "in", "--batch_size", "2.5"], "neither auto nor a whole number from 1"),
        (["--pipeline", ECHO, "--input_dir", "in", "--limit", "0"], "0 is not in the range"),
        (["--pipeline", ECHO, "--input_dir", "in", "--timeout", "-1"], "-1.0 is not in the range"),
        (["--pipeline", ECHO, "--input_dir", "in", "--timeout", "nan"], "timeout takes a number"),
        (["--pipeline", ECHO, "--input_dir", "in", "--fingerprint", "name"], "'name' is not one of 'stat', 'content'"),
        (["--pipeline", ECHO, "--input_dir", "in", "--pages", "0"], "pages is '0'"),
        (["--pipeline", ECHO, "--input_dir", "in", "--max_failures", "x"], "max_failures is 'x'"),
        (["--pipeline", ECHO, "--input_dir", "in", "--inptu_dir", "x"], "No such option '--inptu_dir'"),
        (
            ["--pipeline", ECHO, "--input_dir", "in", "--log_file", "nowhere/log"],
            "--log_file nowhere/log: No such file",
        ),
        (["--pipeline", ECHO, "--input_dir", "in", "more"], "unexpected extra argument"),
    ],
)
def test_a_wrong_command_line_is_refused_by_name(refused, arguments: list[str], message: str) -> None:
    said = refused(*arguments)
    assert message in said
    assert "Traceback" not in said


# Lists.


def test_a_list_is_read_line_by_line(take, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"\xef\xbb\xbfa.png\nb \xff.png\r\n\n\xef\xbb\xbfc.png")
    taken = take("--input_list", str(path))
    assert taken.job.input_dir is None
    assert list(taken.job.input_list or ()) == ["a.png\n", "b \udcff.png\r\n", "\n", "\ufeffc.png"]


def test_a_list_may_come_through_a_pipe(take, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin, os.fdopen(writing, "wb", buffering=0) as producer:
        monkeypatch.setattr(sys, "stdin", stdin)
        lines = iter(take("--input_list", "-").job.input_list or ())
        for number in range(3):
            # Each is there as soon as it has been written.
            producer.write(b"%d.png\n" % number)
            assert next(lines) == f"{number}.png\n"
        producer.close()
        assert list(lines) == []


def test_without_standard_input_there_is_no_list(refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert "there is no standard input" in refused("--pipeline", ECHO, "--input_list", "-")


# Whole commands.


def docfleet(folder: Path, *arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "docfleet", *arguments], cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False, **more,
    )  # fmt: skip


def test_the_command_to_go_on_is_the_one_that_was_given(tmp_path: Path) -> None:
    Image.new("L", (8, 6)).save(tmp_path / "a b.png")
    given_flags = ["--pipeline", ECHO, "--input-list", "-", "--output_dir", "out put", "--word", "it's", "--fresh"]
    done = docfleet(tmp_path, "-v", "run", *given_flags, "--progress", "none", input="a b.png\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    summary = json.loads((tmp_path / "out put" / "_docfleet" / "summary.json").read_bytes())
    assert summary["command"] == (
        f"docfleet -v run --pipeline {ECHO} --input-list - --output_dir 'out put' --word 'it'\"'\"'s' --progress none"
    )
    assert json.loads((tmp_path / "out put" / "a b.json").read_bytes())["word"] == "it's"


def test_failures_are_of_documents_that_are_there(tmp_path: Path) -> None:
    Image.new("L", (8, 6)).save(tmp_path / "a.png")
    (tmp_path / "bad.png").write_bytes(b"no image")
    command = ["run", "--pipeline", ECHO, "--input_dir", ".", "--input_glob_pattern", "*.png", "--progress", "none"]
    assert docfleet(tmp_path, *command).returncode == 1
    failures = tmp_path / "output" / "_docfleet" / "failures.jsonl"
    for status, number in ((1, 1), (0, 0)):
        done = docfleet(tmp_path, *command)
        assert done.returncode == status, done.stderr
        assert len(failures.read_text().splitlines()) == number
        assert ("bad.png" in done.stderr) is bool(number)
        (tmp_path / "bad.png").unlink(missing_ok=True)


def test_a_folder_in_the_place_of_an_old_output_ends_a_fresh_start(tmp_path: Path) -> None:
    Image.new("L", (8, 6)).save(tmp_path / "a.png")
    command = ["run", "--pipeline", ECHO, "--input_dir", ".", "--progress", "none"]
    assert docfleet(tmp_path, *command).returncode == 0
    (tmp_path / "output" / "a.json").unlink()
    (tmp_path / "output" / "a.json").mkdir()
    done = docfleet(tmp_path, *command, "--fresh")
    assert (done.returncode, done.stderr) == (4, "docfleet: error: output/a.json: Is a directory\n")


def test_a_reader_that_leaves_a_dry_run_is_no_failure(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("L", (8, 6)).save(tmp_path / f"{number}.png")
    command = [sys.executable, "-m", "docfleet", "run", "--pipeline", ECHO, "--input_dir", ".", "--dry_run"]
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" | true', "bash", *command], cwd=tmp_path, capture_output=True, text=True,
        timeout=120, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert done.returncode == 141
    assert "Traceback" not in done.stderr


def test_the_log_file_is_let_go_of(take, tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers), logging.getLogger("docfleet").level
    take("--log_file", str(tmp_path / "log"))
    assert (tmp_path / "log").exists()
    assert (logging.getLogger().handlers, logging.getLogger("docfleet").level) == before
