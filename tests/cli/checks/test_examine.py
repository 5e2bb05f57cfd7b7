"""Looking at things that raise, crash and hang: all that is found, and what was in the way."""

from __future__ import annotations

import pytest

from docfleet.cli.checks.check import Check, Level, Question
from docfleet.cli.checks.examine import examine
from docfleet.cli.checks.table import EXAMINATIONS

QUESTION = Question(pipeline="PaddleOCR", output_dir="out\udc80")


def _found(*names: str, limit: float = 60.0) -> list[Check]:
    table = [(name, f"tests.cli.checks.examinations:{name}") for name in names]
    return list(examine(QUESTION, examinations=table, limit=limit))


def test_everything_is_found_in_its_order() -> None:
    first, second, third = _found("fine", "talks", "fine")
    assert first == third == Check(name="fine", level=Level.OK, text="out\udc80")
    assert second.text == "it did"


def test_an_exception_costs_the_examination_that_raised_it() -> None:
    before, raised, after = _found("raises", "fine")
    assert before.text == "not yet"
    assert (raised.level, raised.text) == (Level.ATTENTION, "this could not be looked at: ValueError: two lines")
    assert after.name == "fine"


def test_an_examination_that_is_not_there_costs_itself() -> None:
    missing, after = _found("no_such_thing", "fine")
    assert missing.level is Level.ATTENTION
    assert after.name == "fine"


@pytest.mark.kills
def test_a_crash_is_a_finding_and_the_looking_goes_on() -> None:
    first, crashed, left_before, left, last = _found("fine", "crashes", "leaves", "fine")
    assert (first.name, last.name) == ("fine", "fine")
    assert (crashed.name, crashed.level) == ("crashes", Level.PROBLEM)
    assert crashed.text == ("importing a library for another processor: the process that did it was ended by SIGILL")
    assert left_before.text == "before"
    assert left.text == "the process that looked at it ended with status 7"


@pytest.mark.kills
def test_what_does_not_answer_is_given_up() -> None:
    hung, after = _found("hangs", "fine", limit=2.0)
    assert (hung.name, hung.level) == ("hangs", Level.PROBLEM)
    assert hung.text == "asking a server that is gone: the process that did it did not answer for 2 s"
    assert after.name == "fine"


def test_who_stops_listening_leaves_no_process() -> None:
    found = examine(QUESTION, examinations=[("fine", "tests.cli.checks.examinations:fine")] * 3)
    assert next(found).name == "fine"
    found.close()


def test_every_examination_is_there() -> None:
    import importlib

    for _, target in EXAMINATIONS:
        module, _, attr = target.partition(":")
        assert callable(getattr(importlib.import_module(module), attr))
