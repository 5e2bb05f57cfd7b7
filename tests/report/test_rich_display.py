"""The live display, as a terminal shows it."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator

import pytest

from docfleet.report.rich_display import RichDisplay
from tests.report.streams import Broken, Clock, Screen
from tests.report.views import slot, tally, view

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are POSIX")


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[Screen]:
    """A terminal of 80 columns and 24 lines."""
    with Screen() as screen:
        monkeypatch.setenv("TERM", "xterm-256color")
        yield screen


def test_it_is_drawn_in_place(screen: Screen) -> None:
    clock = Clock()
    display = RichDisplay(screen, now=clock)
    display.update(view(pages=tally(done=1, remaining=9)))
    first = screen.terminal.lines
    clock.now += 1
    display.update(view(pages=tally(done=2, remaining=8)))
    assert first[0].startswith("pages       1 of 10")
    assert screen.terminal.lines[0].startswith("pages       2 of 10")
    assert len(screen.terminal.lines) == len(first)
    display.close()


def test_it_is_drawn_five_times_a_second_at_most(screen: Screen) -> None:
    clock = Clock()
    display = RichDisplay(screen, now=clock)
    display.update(view(pages=tally(done=1, remaining=9)))
    clock.now += 0.1
    display.update(view(pages=tally(done=2, remaining=8)))
    assert screen.terminal.lines[0].startswith("pages       1 of 10")
    display.close()
    assert screen.terminal.lines[0].startswith("pages       2 of 10")


def test_notes_and_prints_scroll_by_above(screen: Screen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", screen)
    display = RichDisplay(screen, now=Clock())
    display.update(view())
    display.note("a note\nwith \x1b[2J in it")
    print("printed", file=sys.stderr)
    display.close()
    print("printed afterwards", file=sys.stderr)
    lines = screen.terminal.lines
    assert lines[:2] == ["a note\\nwith \\x1b[2J in it", "printed"]
    assert lines[2].startswith("pages ")
    assert lines[-1] == "printed afterwards"


def test_a_flood_of_notes_is_cut_and_counted(screen: Screen) -> None:
    display = RichDisplay(screen, now=Clock())
    display.update(view())
    for number in range(500):
        display.note(f"note {number}")
    display.close()
    notes = screen.terminal.lines[:21]
    assert notes == [*(f"note {number}" for number in range(20)), "(480 more lines were left out here)"]


@pytest.mark.parametrize(("width", "height"), [(40, 24), (132, 50), (60, 8), (80, 4), (100, 24), (20, 60)])
def test_it_follows_the_size_of_the_terminal(screen: Screen, width: int, height: int) -> None:
    clock = Clock()
    display = RichDisplay(screen, now=clock)
    job = view(slots=tuple(slot(f"gpu:{number // 8}#{number % 8}", page="x" * 100) for number in range(64)))
    display.update(job)
    screen.resize(width, height)
    clock.now += 1
    display.update(job)
    shown = [line for line in screen.terminal.screen if line]
    assert len(shown) < height
    assert max(map(len, shown)) < width
    assert sum(line.startswith("pages ") for line in shown) == 1
    display.close()


def test_closing_twice_draws_once(screen: Screen) -> None:
    display = RichDisplay(screen, now=Clock())
    display.update(view())
    display.close()
    before = screen.terminal.lines
    display.close()
    display.update(view(elapsed=999.0))
    assert screen.terminal.lines == before


def test_closing_without_a_view_draws_nothing(screen: Screen) -> None:
    RichDisplay(screen, now=Clock()).close()
    assert screen.terminal.lines == []


def test_a_terminal_that_goes_away_is_no_error() -> None:
    stream = Broken()
    clock = Clock()
    display = RichDisplay(stream, now=clock)
    for _ in range(10):
        clock.now += 1
        display.update(view())
        display.note("a note")
    display.close()
    assert stream.tried == 1


def test_a_stream_that_is_no_terminal_is_taken_for_one_of_80_columns() -> None:
    stream = io.StringIO()
    display = RichDisplay(stream, now=Clock())
    display.update(view(slots=(slot(page="x" * 200),)))
    display.close()
    assert "…xxxx" in stream.getvalue()


def test_threads_that_log_do_not_tear_the_panel(screen: Screen) -> None:
    clock = Clock()
    display = RichDisplay(screen, now=clock)
    done = threading.Event()

    def talk() -> None:
        while not done.is_set():
            display.note("a note")

    threads = [threading.Thread(target=talk) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(100):
        clock.now += 1
        display.update(view(pages=tally(done=number, remaining=100 - number)))
    done.set()
    for thread in threads:
        thread.join()
    display.close()
    lines = screen.terminal.lines
    panel_starts = next(index for index, line in enumerate(lines) if line.startswith("pages "))
    assert all(line == "a note" or line.endswith("left out here)") for line in lines[:panel_starts])
    assert lines[panel_starts].startswith("pages       99 of 100")
