"""Numbers and names as people read them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from docfleet.documents.sources import printable
from docfleet.report.view import Tally
from docfleet.report.words import about, clock, count, imbalance, percent, plural, rate, shorten, size
from tests.report.views import names


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (count(1234567), "1,234,567"),
        (plural(1, "page"), "1 page"),
        (plural(0, "page"), "0 pages"),
        (plural(1234, "page"), "1,234 pages"),
        (rate(0), "0.0 pages/s"),
        (rate(0.05), "3.0 pages/min"),
        (rate(0.2), "0.2 pages/s"),
        (rate(41.23), "41.2 pages/s"),
        (rate(33012.4), "33,012 pages/s"),
        (clock(7.9), "0:07"),
        (clock(751), "12:31"),
        (clock(3 * 3600 + 309), "3:05:09"),
        (clock(2 * 86400 + 3 * 3600 + 309), "2 d 03:05:09"),
        (about(0), "5 s"),
        (about(21), "20 s"),
        (about(119.9), "120 s"),
        (about(120), "2 min"),
        (about(3599), "1 h 00 min"),
        (about(7700), "2 h 10 min"),
        (about(86399), "1 d 0 h"),
        (about(3 * 86400 + 4 * 3600), "3 d 4 h"),
        (size(0), "0 B"),
        (size(999), "999 B"),
        (size(1000), "1.0 kB"),
        (size(850_400_000), "850 MB"),
        (size(999_600_000), "1.0 GB"),
        (size(1_200_000_000), "1.2 GB"),
        (size(99_960_000_000), "100 GB"),
        (percent(0), "0 %"),
        (percent(0.001), "<1 %"),
        (percent(0.974), "97 %"),
        (percent(0.999), ">99 %"),
        (percent(1), "100 %"),
    ],
)
def test_words(said: str, text: str) -> None:
    assert said == text


@given(st.integers(0, 10**15 - 10**12))
def test_a_size_has_at_most_seven_characters(number: int) -> None:
    assert len(size(number)) <= 7


@given(names, st.integers(0, 40), st.sampled_from(["…", "..."]))
@example("文件文件文件文件", 2, "…")
@example("☀\ufe0f" * 10, 9, "…")
@example("a" + "\u0301" * 50 + "bcdefghijklmnop", 8, "…")
def test_a_shortened_name_keeps_its_width_and_both_ends(text: str, width: int, mark: str) -> None:
    whole = printable(text)
    short = shorten(text, width, mark=mark)
    assert cell_len(short) <= width
    if cell_len(whole) <= width:
        assert short == whole
    elif width > len(mark):
        head, found, tail = short.rpartition(mark)
        assert found
        assert whole.startswith(head)
        assert whole.endswith(tail)
        # An accent without its letter would sit upon the mark.
        assert not tail or not unicodedata.combining(tail[0])


def test_the_end_of_a_path_is_kept_longer_than_its_start() -> None:
    assert shorten("scans/1998/accounts/volume-12.pdf page 41", 24) == "scans/1…e-12.pdf page 41"


def test_room_that_can_be_filled_is_filled() -> None:
    assert cell_len(shorten("abcdefghijklmnopqrstuvwxyz", 11)) == 11
    assert cell_len(shorten("文件" * 20, 11)) == 9  # one of two cells, the mark, three of two cells


def test_an_imbalance_is_said_in_numbers() -> None:
    wrong = Tally(found=10, done=4, failed=1, skipped=2, remaining=1)
    assert imbalance("pages", wrong) == "pages: 10 found, but 4 done + 1 failed + 2 skipped + 1 remaining = 8"
