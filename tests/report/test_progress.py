"""Which display a mode and a stream get."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest

from docfleet.report.plain_display import PlainDisplay
from docfleet.report.progress import Mode, NullDisplay, can_draw, display_for
from docfleet.report.rich_display import RichDisplay
from tests.report.streams import Screen
from tests.report.views import view


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    monkeypatch.setenv("TERM", "xterm-256color")
    with Screen() as screen:
        yield screen


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
@pytest.mark.parametrize(
    ("mode", "quiet", "expected"),
    [
        ("auto", False, RichDisplay),
        ("rich", False, RichDisplay),
        ("plain", False, PlainDisplay),
        ("none", False, NullDisplay),
        ("rich", True, NullDisplay),
    ],
)
def test_on_a_terminal(screen: Screen, mode: Mode, quiet: bool, expected: type) -> None:
    display = display_for(mode, screen, quiet=quiet)
    assert type(display) is expected
    display.close()


@pytest.mark.parametrize(("mode", "expected"), [("auto", PlainDisplay), ("rich", RichDisplay), ("plain", PlainDisplay)])
def test_elsewhere(mode: Mode, expected: type) -> None:
    display = display_for(mode, io.StringIO())
    assert type(display) is expected
    display.close()


def test_without_standard_error_nothing_is_shown() -> None:
    assert isinstance(display_for("rich", None), NullDisplay)


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")
def test_a_terminal_that_knows_no_cursor_gets_lines(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    assert can_draw(screen)
    monkeypatch.setenv("TERM", "dumb")
    assert not can_draw(screen)


def test_a_closed_stream_is_not_drawn_on() -> None:
    stream = io.StringIO()
    stream.close()
    assert not can_draw(stream)


def test_the_display_that_shows_nothing() -> None:
    display = NullDisplay()
    display.update(view())
    display.note("a note")
    display.close()
