"""Views as plain values, and what follows from them."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given

from docfleet.report.view import JobView, Tally
from tests.report.views import tally, view, views


@given(views)
def test_a_view_survives_json(any_view: JobView) -> None:
    assert JobView.from_plain(json.loads(json.dumps(any_view.to_plain()))) == any_view


def test_what_a_newer_version_added_is_ignored() -> None:
    plain = {**view().to_plain(), "mood": "good"}
    plain["slots"][0]["colour"] = "blue"
    assert JobView.from_plain(plain) == view()


@pytest.mark.parametrize("change", [{"pages": None}, {"elapsed": "long"}, {"slots": [{"name": "cpu#0"}]}])
def test_what_is_not_a_view_is_a_value_error(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        JobView.from_plain({**view().to_plain(), **change})


def test_missing_counts_what_is_in_no_column() -> None:
    right = tally(done=3, failed=2, skipped=1, remaining=4)
    assert (right.finished, right.missing, right.balanced) == (5, 0, True)
    lost = Tally(found=10, done=3, failed=2, skipped=1, remaining=3)
    assert (lost.missing, lost.balanced) == (1, False)
    twice = dataclasses.replace(lost, done=5)
    assert (twice.missing, twice.balanced) == (-1, False)


def test_speed_is_that_of_this_run() -> None:
    resumed = view(
        pages=tally(done=700, failed=60, remaining=240), done_earlier_pages=500, failed_earlier_pages=10, elapsed=50.0
    )
    assert resumed.finished_now == 250
    assert resumed.average == 5.0
    assert view(elapsed=0.0).average == 0.0
