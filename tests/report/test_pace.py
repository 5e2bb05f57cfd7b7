"""Speed and estimate, on a clock of our own."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.report.pace import Pace


def _fed(pace: Pace, *, since: float, until: float, speed: float, finished: float = 0.0, remaining: int | None = None):
    """Feed a steady speed, four times a second; gives the last answer and the pages finished by then."""
    answer: tuple[float, float | None] = (0.0, None)
    steps = round((until - since) * 4)
    for step in range(1, steps + 1):
        now = since + (until - since) * step / steps
        answer = pace.update(now, int(finished + speed * (now - since)), remaining)
    return answer, finished + speed * (until - since)


def test_nothing_is_said_before_there_is_something_to_say() -> None:
    pace = Pace()
    assert pace.update(0.0, 0, 100) == (0.0, None)
    assert pace.update(50.0, 0, 100) == (0.0, None)
    assert pace.update(51.0, 1, 99) == (0.0, None)


def test_the_time_before_the_first_page_does_not_count() -> None:
    pace = Pace()
    pace.update(0.0, 0)
    (speed, eta), _ = _fed(pace, since=600.0, until=660.0, speed=4.0, remaining=400)
    assert speed == pytest.approx(4.0, rel=0.05)
    assert eta == pytest.approx(100.0, rel=0.05)


def test_pages_of_earlier_runs_are_no_speed() -> None:
    pace = Pace()
    for second in range(100):
        assert pace.update(float(second), 5000, 100) == (0.0, None)


def test_speed_follows_the_last_half_minute_and_the_estimate_the_last_five() -> None:
    pace = Pace()
    pace.update(0.0, 0)
    _, finished = _fed(pace, since=0.0, until=300.0, speed=10.0)
    (speed, eta), _ = _fed(pace, since=300.0, until=360.0, speed=1.0, finished=finished, remaining=1000)
    assert speed == pytest.approx(1.0, rel=0.05)
    assert eta == pytest.approx(1000 / (2460 / 300), rel=0.05)


def test_what_is_long_past_is_forgotten() -> None:
    pace = Pace()
    pace.update(0.0, 0)
    _, finished = _fed(pace, since=0.0, until=3600.0, speed=10.0)
    (_, eta), _ = _fed(pace, since=3600.0, until=4000.0, speed=1.0, finished=finished, remaining=100)
    assert eta == pytest.approx(100.0, rel=0.05)
    assert len(pace._samples) <= 302


def test_slow_pages_are_measured_over_longer_than_half_a_minute() -> None:
    pace = Pace()
    pace.update(0.0, 0)
    (speed, _), _ = _fed(pace, since=0.0, until=280.0, speed=0.05)
    assert speed == pytest.approx(0.05, rel=0.15)


def test_a_job_that_stands_still_slows_down_and_has_no_end() -> None:
    pace = Pace()
    pace.update(0.0, 0)
    _, finished = _fed(pace, since=0.0, until=60.0, speed=10.0)
    (slower, _), _ = _fed(pace, since=60.0, until=120.0, speed=0.0, finished=finished, remaining=10)
    assert 0 < slower < 6
    (stopped, eta), _ = _fed(pace, since=120.0, until=600.0, speed=0.0, finished=finished, remaining=10)
    assert (stopped, eta) == (0.0, None)


def test_nothing_left_takes_no_time() -> None:
    pace = Pace()
    pace.update(0.0, 0)
    assert pace.update(1.0, 1, 0)[1] == 0.0


def test_nothing_is_foretold_while_what_remains_is_not_known() -> None:
    pace = Pace()
    pace.update(0.0, 0)
    assert _fed(pace, since=0.0, until=100.0, speed=10.0, remaining=None)[0][1] is None


@given(st.lists(st.tuples(st.floats(0, 1000), st.integers(0, 50), st.none() | st.integers(0, 10**6)), max_size=60))
def test_whatever_comes_speed_and_estimate_are_sane(steps: list[tuple[float, int, int | None]]) -> None:
    pace = Pace()
    now, finished = 0.0, 0
    for passed, more, remaining in steps:
        now, finished = now + passed, finished + more
        speed, eta = pace.update(now, finished, remaining)
        assert speed >= 0
        assert eta is None or (eta >= 0 and remaining is not None)
