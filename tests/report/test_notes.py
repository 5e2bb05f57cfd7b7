"""Lines beside a display: floods are cut, and nothing is written into what is drawn."""

from __future__ import annotations

import contextlib
import io
import logging
import sys
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.report.notes import LineStream, NoteLimit, captured
from tests.report.streams import Clock


def test_a_few_notes_are_all_shown() -> None:
    limit = NoteLimit(Clock())
    assert [limit.admit(f"{number}") for number in range(20)] == [[f"{number}"] for number in range(20)]
    assert limit.rest() == []


def test_of_a_flood_the_first_are_shown_and_the_others_counted() -> None:
    clock = Clock()
    limit = NoteLimit(clock)
    shown = [line for number in range(1020) for line in limit.admit(f"{number}")]
    assert len(shown) == 20
    clock.now += 0.5
    assert limit.admit("later") == ["(1,000 more lines were left out here)", "later"]
    assert limit.admit("too soon") == []
    assert limit.rest() == ["(1 more line was left out here)"]
    assert limit.rest() == []


def test_two_a_second_get_through_in_the_long_run() -> None:
    clock = Clock()
    limit = NoteLimit(clock)
    shown = 0
    for _ in range(1000):
        clock.now += 0.1
        shown += any(line == "note" for line in limit.admit("note"))
    assert shown == pytest.approx(20 + 2 * 100, abs=2)


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), max_size=100))
def test_every_note_is_shown_or_counted(steps: list[tuple[float, bool]]) -> None:
    clock = Clock()
    limit = NoteLimit(clock)
    given_, lines = 0, []
    for passed, ask in steps:
        clock.now += passed
        lines += limit.rest() if ask else limit.admit("note")
        given_ += not ask
    lines += limit.rest()
    counted = sum(int(line[1:].split()[0].replace(",", "")) for line in lines if line != "note")
    assert lines.count("note") + counted == given_


def _taken(*writes: str) -> tuple[list[str], str]:
    lines: list[str] = []
    stream = LineStream(lines.append)
    for text in writes:
        assert stream.write(text) == len(text)
    return lines, stream.rest()


@pytest.mark.parametrize(
    ("writes", "lines", "rest"),
    [
        (("one\ntwo\n",), ["one", "two"], ""),
        (("o", "ne", "\n", "tw"), ["one"], "tw"),
        (("one\r\n", "two\r", "\n"), ["one", "two"], ""),
        (("\n\n",), ["", ""], ""),
        ((" 1 %\r", " 2 %\r", "100 %\n"), ["100 %"], ""),
        ((" 1 %\r", " 2 %\r"), [], " 2 %"),
    ],
)
def test_lines_as_a_terminal_would_show_them(writes: tuple[str, ...], lines: list[str], rest: str) -> None:
    assert _taken(*writes) == (lines, rest)


def test_a_bar_that_never_ends_its_line_does_not_pile_up() -> None:
    stream = LineStream(lambda line: None)
    for number in range(10_000):
        stream.write(f"\r{number} of 10000")
    assert stream.rest() == "9999 of 10000"


def test_lines_of_several_threads_stay_whole() -> None:
    lines: list[str] = []
    stream = LineStream(lines.append)
    threads = [
        threading.Thread(target=lambda mark=mark: [stream.write(mark * 50 + "\n") for _ in range(200)])
        for mark in "abcd"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(lines) == sorted(mark * 50 for mark in "abcd" for _ in range(200))


@contextlib.contextmanager
def _standard_error(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[io.StringIO, logging.StreamHandler[TextIO]]]:
    """Standard error of our own, and a handler of the root logger that writes to it."""
    stream = io.StringIO()
    handler: logging.StreamHandler[TextIO] = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    # Here and not in a fixture: between the two pytest puts its own there.
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", stream)
        logging.getLogger().addHandler(handler)
        try:
            yield stream, handler
        finally:
            logging.getLogger().removeHandler(handler)


def test_standard_error_and_log_records_are_taken_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    with _standard_error(monkeypatch) as (stream, handler):
        with captured(stream, lines.append):
            print("from print", file=sys.stderr)
            logging.getLogger("somebody").warning("from a log")
            assert sys.stderr.encoding == "utf-8"
            sys.stderr.write("no end")
        assert lines == ["from print", "WARNING: from a log", "no end"]
        assert stream.getvalue() == ""
        assert sys.stderr is stream
        assert handler.stream is stream


def test_they_are_given_back_after_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with _standard_error(monkeypatch) as (stream, handler):
        with pytest.raises(KeyboardInterrupt), captured(stream, lambda line: None):
            raise KeyboardInterrupt
        assert sys.stderr is stream
        assert handler.stream is stream


def test_what_others_have_put_there_meanwhile_is_left_there(monkeypatch: pytest.MonkeyPatch) -> None:
    other = io.StringIO()
    with _standard_error(monkeypatch) as (stream, handler):
        with captured(stream, lambda line: None):
            sys.stderr = other
            handler.setStream(other)
        assert sys.stderr is other
        assert handler.stream is other


def test_handlers_that_write_elsewhere_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    elsewhere = logging.StreamHandler(io.StringIO())
    with _standard_error(monkeypatch) as (stream, _):
        logging.getLogger().addHandler(elsewhere)
        try:
            with captured(stream, lines.append):
                logging.getLogger().error("both")
        finally:
            logging.getLogger().removeHandler(elsewhere)
    assert lines == ["ERROR: both"]
    assert elsewhere.stream.getvalue() == "both\n"
