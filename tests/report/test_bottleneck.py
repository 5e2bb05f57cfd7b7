"""What limits a job, for each of the cases there are."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.report.bottleneck import sentence, verdict
from docfleet.report.view import SlotView
from tests.report.views import slot, slots


@pytest.mark.parametrize(
    ("busy", "starved", "blocked", "read_busy", "write_busy", "expected"),
    [
        (97, 2, 1, 30, 5, "2 instances busy 97 % of the time: computing is the limit"),
        (100, 0, 0, 30, 5, "2 instances busy 100 % of the time: computing is the limit"),
        (
            40,
            59,
            1,
            95,
            5,
            "2 instances busy 40 % and starved 59 % of the time while reading was busy 95 %: reading and decoding is "
            "the limit; faster storage, a lower pdf_dpi or more instances help",
        ),
        (
            40,
            59,
            1,
            10,
            5,
            "2 instances busy 40 % and starved 59 % of the time while reading was busy only 10 %: pages come too "
            "slowly; listing the input, or the main process, is the limit",
        ),
        (
            30,
            10,
            60,
            10,
            80,
            "2 instances busy 30 % and blocked 60 % of the time while writing was busy 80 %: writing is the limit; a "
            "faster output folder or fewer kinds of files help",
        ),
        (
            30,
            10,
            60,
            10,
            20,
            "2 instances busy 30 % and blocked 60 % of the time while writing was busy only 20 %: the main process is "
            "the limit",
        ),
    ],
)
def test_sentences(
    busy: float, starved: float, blocked: float, read_busy: float, write_busy: float, expected: str
) -> None:
    one = slot(busy=busy, starved=starved, blocked=blocked, read_busy=read_busy, write_busy=write_busy)
    assert sentence([one, one]) == expected


def test_too_few_pages_to_keep_the_instances_busy() -> None:
    few = slot(pages=4, busy=10.0, starved=90.0, blocked=0.0, read_busy=5.0)
    assert sentence([few, few]) == (
        "2 instances busy 10 % and starved 90 % of the time: 8 pages are too few to keep 2 instances busy"
    )


@pytest.mark.parametrize("early", [slot(pages=2), slot(busy=2.0, starved=0.5, blocked=0.0)])
def test_too_early_to_say(early: SlotView) -> None:
    assert verdict([early]) is None
    assert sentence([early]).startswith("too little was done to say what limits the speed (")


def test_instances_that_never_worked_do_not_count() -> None:
    idle = slot("cpu#1", pages=0, busy=0.0, starved=0.0, blocked=0.0, read_busy=0.0, write_busy=0.0)
    assert sentence([slot(), idle]) == "1 instance busy 90 % of the time: computing is the limit"
    assert sentence([idle]) == ("too little was done to say what limits the speed (0 pages and 0 s on 1 instance)")


@given(st.lists(slots, max_size=10))
def test_there_is_always_one_sentence(any_slots: list[SlotView]) -> None:
    assert sentence(any_slots).isprintable()
