"""The command as a person starts it: help, misuse, exit status."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from docfleet.cli.main import COMMANDS, run


def docfleet(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "docfleet", *arguments],
        capture_output=True, text=True, check=False, timeout=120, env={**os.environ, **environment},
    )  # fmt: skip


def test_help_lists_every_command() -> None:
    done = docfleet("--help")
    assert done.returncode == 0
    for name, (_, line) in COMMANDS.items():
        assert name in done.stdout
        assert line in " ".join(done.stdout.split())


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_is_there_and_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, _, attr = COMMANDS[name][0].partition(":")
    assert isinstance(getattr(importlib.import_module(module), attr), click.Command)
    assert run([name, "--help"]) == 0
    assert f"Usage: docfleet {name}" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:det_db_thresh is now called:DeprecationWarning")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nonsense"], "No such command 'nonsense'"),
        (["ocr"], "Missing option '-i' / '--input'"),
        (["ocr", "-i", "x", "--use_doc_unwarping", "yse"], "'yse' is neither True nor False"),
        (["ocr", "-i", "x", "--text_det_thresh", "0,3"], "'0,3' is not a valid float"),
        (["ocr", "-i", "x", "--text_det_thresh", "7"], "text_det_thresh is at most 1, not 7.0"),
        (["ocr", "-i", "x", "--use_gpu", "True"], "No such option '--use_gpu'"),
        (["ocr", "-i", "x", "--engine", "paddle"], "unknown engine 'paddle'"),
        (["ocr", "-i", "x", "--save", "html", "--save_path", "out"], "'html' is not one of json, img"),
        (["ocr", "-i", "x", "--det_db_thresh", "0.2", "--text_det_thresh", "0.3"], "both given"),
        (["ocr", "-i", "x", "--lang", "klingon"], "No models are available for lang='klingon'"),
    ],
)
def test_misuse_exits_with_2_and_says_why(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err
    assert out == ""


def test_a_device_that_is_not_there_exits_with_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["ocr", "-i", "x", "--device", "gpu:63"]) == 3
    assert "gpu:63 is not there" in capsys.readouterr().err


def test_missing_weights_exit_with_3_and_say_how_to_get_them(tmp_path: Path) -> None:
    done = docfleet(
        "ocr",
        "-i",
        "x",
        DOCFLEET_CACHE_HOME=str(tmp_path),
        PIP_NO_INDEX="1",
        PIP_CONFIG_FILE=os.devnull,
        PIP_FIND_LINKS="",
    )
    assert done.returncode == 3
    assert "docfleet: error:" in done.stderr
    assert "docfleet models pull" in done.stderr
    assert "Traceback" not in done.stderr
