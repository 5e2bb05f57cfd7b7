"""Writing to a stream that may be gone, or poor."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from docfleet.report.output import Output
from tests.report.streams import Broken


def test_a_stream_that_breaks_is_left_alone_from_then_on() -> None:
    stream = Broken()
    output = Output(stream)
    output.write("one")
    output.write("two")
    assert stream.tried == 1


def test_a_closed_stream_is_no_error() -> None:
    stream = io.StringIO()
    stream.close()
    Output(stream).write("one")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
def test_a_log_on_a_full_disk_is_no_error() -> None:
    script = (
        "import sys; from docfleet.report.output import Output; output = Output(sys.stderr)\n"
        "output.write('one\\n'); output.write('two\\n'); print('went on')"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=full, text=True, check=True
        )
    assert done.stdout == "went on\n"


def _lines() -> list[Text]:
    return [Text("red", "red").append(" " * 300).append("end"), Text("plain [bold]:smile: 42")]


def test_lines_are_drawn_without_colours_unless_the_stream_is_a_terminal() -> None:
    stream = io.StringIO()
    assert Output(stream).drawn(_lines()) == [f"red{' ' * 300}end", "plain [bold]:smile: 42"]
    assert Output(stream).drawn([]) == []
    assert stream.getvalue() == ""


def test_lines_are_drawn_with_colours_for_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    assert Output(io.StringIO()).drawn([Text("red", "red")], force=True) == ["\x1b[31mred\x1b[0m"]
    monkeypatch.setenv("NO_COLOR", "1")
    assert Output(io.StringIO()).drawn([Text("red", "red")], force=True) == ["red"]


def test_drawing_does_not_touch_a_broken_stream() -> None:
    stream = Broken()
    assert Output(stream).drawn(_lines())
    assert stream.tried == 0


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("utf-8", "é文\\udc80".encode()), ("latin-1", b"\xe9\\u6587\\udc80"), ("ascii", b"\\xe9\\u6587\\udc80")],
)
def test_characters_that_the_stream_has_not_are_escapes(encoding: str, written: bytes) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    Output(stream).write("é文\udc80")
    assert raw.getvalue() == written


@pytest.mark.parametrize(
    ("encoding", "ascii_only"),
    [("utf-8", False), ("UTF8", False), ("utf_16", False), ("latin-1", True), ("ascii", True)],
)
def test_whether_there_are_characters_for_bars(encoding: str, ascii_only: bool) -> None:
    assert Output(io.TextIOWrapper(io.BytesIO(), encoding=encoding)).ascii_only is ascii_only
