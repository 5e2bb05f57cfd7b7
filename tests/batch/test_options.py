"""How many failures are too many, and options as the summary tells them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from docfleet.batch.options import JobOptions, MaxFailures
from docfleet.batch.selection import PageSelection
from docfleet.errors import UsageError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", MaxFailures(count=1)),
        (" 250 ", MaxFailures(count=250)),
        ("5%", MaxFailures(percent=5.0)),
        ("0.5 %", MaxFailures(percent=0.5)),
        ("0%", MaxFailures(percent=0.0)),
    ],
)
def test_a_number_or_a_share(text: str, expected: MaxFailures) -> None:
    assert MaxFailures.parse(text) == expected


@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "5 percent", "100%", "-1%", "%", "nan%", "inf%", "%5"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"max_failures is .*: a number of pages from 1, or a percentage below 100"):
        MaxFailures.parse(text)


def test_a_number_is_reached_by_that_many() -> None:
    limit = MaxFailures(count=3)
    assert [limit.reached(failed=failed, finished=1000) for failed in range(5)] == [False, False, False, True, True]


def test_a_share_is_exceeded_and_not_before_there_are_a_hundred() -> None:
    limit = MaxFailures(percent=5.0)
    assert not limit.reached(failed=99, finished=99)
    assert not limit.reached(failed=5, finished=100)
    assert limit.reached(failed=6, finished=100)
    assert not limit.reached(failed=50, finished=1000)
    assert MaxFailures(percent=0.0).reached(failed=1, finished=100)


def test_no_limit_is_never_reached() -> None:
    assert not MaxFailures().reached(failed=10**9, finished=10**9)


def test_the_summary_is_told_plain_values() -> None:
    options = JobOptions(
        input_dir="in", output_dir=Path("bad\udcff"), input_list=iter(["a.png"]), pages=PageSelection.parse("2-"),
        max_failures=MaxFailures(percent=5.0),
    )  # fmt: skip
    plain = json.loads(json.dumps(options.to_plain()))
    assert plain["output_dir"] == "bad\\udcff"
    assert plain["input_list"] is True
    assert plain["pages"] == [[1, None]]
    assert plain["max_failures"] == {"count": None, "percent": 5.0}
    assert JobOptions(input_dir="in", output_dir=Path("out")).to_plain()["max_failures"] is None
