"""The panel: whatever the job and the terminal, it fits, and it says what matters most."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.text import Text

from docfleet.report.panel import panel
from docfleet.report.view import JobView, SlotView
from tests.report.views import slot, tally, view, views


def _lines(job: JobView, *, width: int = 120, height: int = 30, ascii_only: bool = False) -> list[str]:
    return [line.plain.rstrip(" ") for line in panel(job, width=width, height=height, ascii_only=ascii_only)]


@given(views, st.integers(1, 200), st.integers(0, 60), st.booleans())
def test_a_panel_never_exceeds_the_terminal(job: JobView, width: int, height: int, ascii_only: bool) -> None:
    lines = panel(job, width=width, height=height, ascii_only=ascii_only)
    assert len(lines) <= height
    for line in lines:
        assert isinstance(line, Text)
        assert line.cell_len <= width
        assert line.plain.isprintable()
        assert not ascii_only or line.plain.isascii()


@given(views, st.integers(100, 200), st.integers(12, 60))
def test_every_slot_is_shown_or_counted(job: JobView, width: int, height: int) -> None:
    lines = _lines(job, width=width, height=height)
    shown = sum(line.startswith(("cpu", "gpu", "iluvatar")) for line in lines)
    hidden = [int(line.split()[2]) for line in lines if line.startswith("… and ")]
    assert shown + sum(hidden) == len(job.slots)


def test_a_job_half_done() -> None:
    assert _lines(view(pages=tally(done=480, failed=20, remaining=500), done_earlier_pages=100)) == [
        "pages        500 of 1,000   ━━━━━━━━━━━━━━━───────────────   50 %  20 failed, 100 done earlier",
        "documents     40 of    80",
        "speed      2.0 pages/s now, about 4 min left (4:10 so far, 1.6 pages/s on average)",
        "",
        "2 slots: 2 busy; 2.0 GB",
        "slot   state     page" + 66 * " " + "pages  pages/s   memory  restarts",
        "cpu#0  busy      scans/a.pdf page 3" + 54 * " " + "100      1.0   1.0 GB",
        "cpu#1  busy      scans/a.pdf page 3" + 54 * " " + "100      1.0   1.0 GB",
        "2 instances busy 90 % of the time: computing is the limit",
    ]


def test_while_documents_are_looked_for_there_is_no_share_of_the_whole() -> None:
    pages, documents, *_ = _lines(view(listing=True, eta=None))
    assert pages == "pages        500 of 1,000+"
    assert documents == "documents     40 of    80+  still looking for documents"


def test_a_job_that_comes_to_an_early_end_says_why() -> None:
    assert "stopping: SIGINT:\\n pages" in _lines(view(stopping="SIGINT:\n pages"))


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_columns_do_not_move_when_numbers_grow(width: int) -> None:
    few = view(slots=(slot(pages=1, pages_per_second=0.1, resident=10**6, page="a.jpg"),))
    many = view(slots=(slot(pages=99_999, pages_per_second=912.0, resident=10**11, page="文件" * 40),))
    (head, row), (later_head, later_row) = (_lines(job, width=width)[5:7] for job in (few, many))
    assert head == later_head
    # Both end where their last heading ends, in cells; but a page of two-cell characters may end in a blank.
    assert Text(row).cell_len == Text(later_row).cell_len
    assert row.endswith("1.0 MB" if "memory" in head else "0.10")


def test_a_narrow_terminal_keeps_the_pages_that_are_worked_on() -> None:
    head, row = _lines(view(slots=(slot(),)), width=38)[5:7]
    assert head.split() == ["slot", "state", "page"]
    assert row == "cpu#0  busy      scans/a.pdf page 3"


def test_slots_with_troubles_come_first_and_those_that_start_last() -> None:
    slots: list[SlotView] = [slot(f"gpu:{number}#0", state="starting") for number in range(20)]
    slots[3] = slot("gpu:3#0", state="idle")
    slots[11] = slot("gpu:11#0", restarts=2)
    slots[17] = slot("gpu:17#0", state="retired", page=None)
    lines = _lines(view(slots=tuple(slots)), height=11)
    assert [line.split()[0] for line in lines[6:9]] == ["gpu:3#0", "gpu:11#0", "gpu:17#0"]
    assert lines[9] == "… and 17 more: 17 starting"
    assert lines[4] == "20 slots: 1 busy, 1 idle, 17 starting, 1 retired; 2 restarts; 20.0 GB"


def test_a_terminal_without_lines_and_dots_gets_ascii() -> None:
    slots = tuple(slot(f"cpu#{number}", page="文件/" + "a" * 80) for number in range(10))
    lines = _lines(view(slots=slots), ascii_only=True, height=12, width=70)
    assert "[" not in lines[0]
    assert "========--------" in lines[0]
    assert lines[6].split()[2].startswith("\\u65")
    assert lines[-2].startswith("... and ")


def test_ten_seconds_of_a_job_are_too_few_for_a_sentence() -> None:
    early = view(slots=(slot(pages=1, busy=1.0, starved=0.0, blocked=0.0),))
    assert _lines(early)[-1].startswith("cpu#0")
