"""Progress as lines in a log."""

from __future__ import annotations

import io

from docfleet.report.plain_display import PlainDisplay, line_of, states_of
from tests.report.streams import Broken, Clock
from tests.report.views import slot, tally, view


def test_the_first_line_comes_soon_and_then_one_every_ten_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    display = PlainDisplay(stream, now=clock)
    for _ in range(4 * 60):
        clock.now += 0.25
        display.update(view(elapsed=clock.now - 1000))
    lines = stream.getvalue().splitlines()
    assert [line.split(": ")[1] for line in lines] == ["0:02", "0:12", "0:22", "0:32", "0:42", "0:52"]
    display.close()
    assert stream.getvalue().splitlines()[-1].startswith("docfleet: 1:00: ")


def test_the_end_is_said_once() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, now=Clock())
    display.update(view())
    display.close()
    display.close()
    display.update(view())
    display.note("too late")
    assert stream.getvalue() == f"docfleet: {line_of(view())}\n"


def test_what_a_line_says() -> None:
    job = view(
        pages=tally(done=5308, failed=3, remaining=42899),
        documents=tally(done=812, skipped=12, remaining=2276),
        listing=True,
        eta=None,
        slots=(slot(), slot("cpu#1", state="idle", restarts=1), slot("cpu#2", state="retired")),
        stopping="the disk\nis full",
    )
    assert line_of(job) == (
        "4:10: 5,311 of 48,210+ pages (3 failed), 812 of 3,100+ documents (12 skipped); 2.0 pages/s now, 21.2 pages/s "
        "on average; 3 slots: 1 busy, 1 idle, 1 retired, 1 restart; stopping: the disk\\nis full"
    )
    assert "about 4 min left" in line_of(view())
    assert states_of(view(slots=())) == ""


def test_a_note_is_one_line_and_floods_are_cut() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, now=Clock())
    display.note("two\nlines")
    for _ in range(30):
        display.note("again")
    display.close()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "docfleet: two\\nlines"
    assert lines[-1] == "docfleet: (11 more lines were left out here)"
    assert len(lines) == 21


def test_a_log_that_cannot_be_written_is_no_error() -> None:
    stream = Broken()
    display = PlainDisplay(stream, now=Clock())
    display.note("one")
    display.note("two")
    display.update(view())
    display.close()
    assert stream.tried == 1
