"""Pages as people write them, and what is left to do of a document."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.batch.selection import PageSelection, merged, pages_to_do
from docfleet.errors import UsageError

intervals = st.lists(
    st.tuples(st.integers(0, 12), st.none() | st.integers(0, 8)).map(
        lambda pair: (pair[0], None if pair[1] is None else pair[0] + pair[1])
    ),
    max_size=5,
)


def pages_of(given_intervals, count: int = 30) -> set[int]:
    return {
        page for page in range(count) for first, end in given_intervals if first <= page and (end is None or page < end)
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", ((0, 1),)),
        ("1-5,9", ((0, 5), (8, 9))),
        ("20-", ((19, None),)),
        (" 3 - 4 , 1 ", ((0, 1), (2, 4))),
        ("1-5,4-9,10", ((0, 10),)),
        ("5-,7,9-12", ((4, None),)),
        ("2,2,2", ((1, 2),)),
    ],
)
def test_pages_count_from_one_and_ranges_include_both_ends(text: str, expected: object) -> None:
    assert PageSelection.parse(text).intervals == expected


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "0", "0-3", "5-3", "-3", "a", "1-b", "1--3", "1.5", "1_0", "+5", "1 2"]
)
def test_what_is_no_selection_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="pages is "):
        PageSelection.parse(text)


@given(chosen=intervals)
def test_merged_intervals_are_the_same_pages_apart_from_each_other(chosen: list[tuple[int, int | None]]) -> None:
    found = merged(chosen)
    assert pages_of(found) == pages_of(chosen)
    for (_, end), (first, _) in pairwise(found):
        assert end is not None
        assert end < first


@given(chosen=intervals.filter(len))
def test_a_selection_travels_as_plain_values(chosen: list[tuple[int, int | None]]) -> None:
    selection = PageSelection(merged(chosen))
    assert PageSelection.from_plain(selection.to_plain()) == selection
    assert {page for page in range(30) if page in selection} == pages_of(chosen)


@given(count=st.integers(0, 15), chosen=st.none() | intervals.filter(len), done=intervals)
def test_what_is_left_is_selected_there_and_not_done(count: int, chosen, done) -> None:
    selected = None if chosen is None else merged(chosen)
    # As lists, which is what tuples arrive as in a worker.
    left = pages_to_do(count, selected and [list(one) for one in selected], [list(one) for one in done])
    everything = set(range(count)) if chosen is None else pages_of(chosen, count)
    assert list(left) == sorted(everything - pages_of(done, count))


def test_pages_that_follow_each_other_stay_a_range() -> None:
    assert pages_to_do(100_000, None, ()) == range(100_000)
    assert pages_to_do(3_000, None, [(0, 2_000)]) == range(2_000, 3_000)
    assert pages_to_do(10, ((2, None),), [(0, 4), (8, 9)]) == [4, 5, 6, 7, 9]
