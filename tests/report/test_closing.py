"""The last lines of a job."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.report.closing import closing, write_closing
from docfleet.report.summary import Status, Summary
from docfleet.report.view import Tally
from tests.report.streams import Broken
from tests.report.summaries import Failed, summary
from tests.report.views import names, tally

FOLDER = Path("out/_docfleet")


def _lines(of: Summary, failures: Any = (), *, quiet: bool = False) -> list[str]:
    return [line.plain for line in closing(of, failures=failures, folder=FOLDER, quiet=quiet)]


def test_a_job_that_went_well() -> None:
    assert _lines(summary(done_earlier_pages=400, done_earlier_documents=30)) == [
        "docfleet: done: 600 pages in 8:20, 1.2 pages/s",
        "",
        "           found   done  failed  skipped  remaining",
        "documents     80     80       0        0          0  (30 of them done earlier)",
        "pages      1,000  1,000       0        0          0  (400 of them done earlier)",
        "",
        "2 instances busy 90 % of the time: computing is the limit",
    ]


def test_a_job_in_which_some_failed() -> None:
    some = summary(
        status=Status.SOME_FAILED, pages=tally(done=993, failed=7), documents=tally(done=76, failed=4, skipped=12)
    )
    failures = [
        Failed("scans/a.pdf", 2, "pipeline", "ValueError: empty"),
        Failed("scans/b.pdf"),
        Failed("c\udc80\n.pdf", message="c\\udc80\\n.pdf: it is not a PDF"),
        *(Failed(f"{number}.pdf") for number in range(10)),
    ]
    assert _lines(some, failures)[6:14] == [
        "failed, the first 5:",
        "  pipeline: scans/a.pdf page 3: ValueError: empty",
        "  input: scans/b.pdf: it is encrypted; give the password",
        "  input: c\\udc80\\n.pdf: it is not a PDF",
        "  input: 0.pdf: it is encrypted; give the password",
        "  input: 1.pdf: it is encrypted; give the password",
        f"  all of them: {FOLDER / 'failures.jsonl'}",
        "",
    ]


def test_of_many_failures_only_the_first_are_asked_for() -> None:
    asked = []

    def failures() -> Any:
        for number in range(1000):
            asked.append(number)
            yield Failed(f"{number}.pdf")

    _lines(summary(status=Status.SOME_FAILED, pages=tally(done=1, failed=1000)), failures())
    assert len(asked) == 5


def test_failures_that_are_not_at_hand_are_pointed_to() -> None:
    lines = _lines(summary(status=Status.SOME_FAILED, pages=tally(done=993, failed=7)))
    assert lines[6:8] == ["failed:", f"  all of them: {FOLDER / 'failures.jsonl'}"]


def test_books_that_do_not_balance_are_said_first_and_in_numbers() -> None:
    lost = Tally(found=1000, done=990, failed=2, skipped=0, remaining=3)
    lines = _lines(summary(status=Status.INCONSISTENT, pages=lost), [Failed("a.pdf"), Failed("b.pdf")])
    assert lines[0].startswith("docfleet: inconsistent: ")
    assert lines[6] == (
        "the books do not balance: pages: 1,000 found, but 990 done + 2 failed + 0 skipped + 3 remaining = 995"
    )
    assert str(FOLDER / "journal.sqlite") in lines[7]
    assert lines[8] == "failed:"


def test_a_job_that_was_interrupted_says_how_to_go_on() -> None:
    lines = _lines(
        summary(
            status=Status.INTERRUPTED, stopped="SIGINT", pages=tally(done=600, remaining=400),
            documents=tally(done=50, remaining=30),
        )
    )  # fmt: skip
    assert lines[0] == "docfleet: interrupted (SIGINT): 600 pages in 8:20, 1.2 pages/s"
    assert lines[6:8] == [
        "not done yet: 30 documents, 400 pages that are known of",
        "to go on:  docfleet run --input_dir scans --output_dir out",
    ]


def test_what_was_not_looked_up_is_not_called_done() -> None:
    lines = _lines(summary(status=Status.STOPPED, stopped="results cannot be written", listed=False))
    assert "not done yet: what was not found yet: the search for documents did not come to its end" in lines
    assert any(line.startswith("to go on:") for line in lines)


def test_nothing_could_start() -> None:
    nothing = tally()
    lines = _lines(summary(status=Status.NO_START, stopped="gpu:0 is gone", documents=nothing, pages=nothing, slots=()))
    assert lines[0] == "docfleet: nothing could start (gpu:0 is gone): 0 pages in 8:20"
    assert not any("limit" in line for line in lines)


def test_quiet_says_nothing_of_what_went_well_and_all_of_what_did_not() -> None:
    assert _lines(summary(), quiet=True) == []
    some = summary(status=Status.SOME_FAILED, pages=tally(done=999, failed=1))
    assert _lines(some, [Failed("a.pdf")], quiet=True) == [
        "docfleet: done, but some failed: 1,000 pages in 8:20, 2.0 pages/s",
        "failed:",
        "  input: a.pdf: it is encrypted; give the password",
        f"  all of them: {FOLDER / 'failures.jsonl'}",
    ]
    stopped = summary(status=Status.TERMINATED, stopped="SIGTERM", pages=tally(done=1, remaining=1))
    assert [line.partition(":")[0] for line in _lines(stopped, quiet=True)] == ["docfleet", "not done yet", "to go on"]


@given(names, names, names, st.sampled_from(Status))
def test_whatever_names_there_are_each_line_is_one_line(name: str, message: str, command: str, status: Status) -> None:
    of = summary(status=status, stopped=message, command=command, pages=tally(done=1, failed=1, remaining=1))
    for line in _lines(of, [Failed(name, 0, "input", message)]):
        assert not line or line.isprintable()


def test_they_are_written_to_the_stream_and_nothing_is_folded() -> None:
    stream = io.StringIO()
    long = summary(status=Status.SOME_FAILED, pages=tally(done=1, failed=1), command="x" * 500)
    failures = [Failed("a" * 300 + ".pdf")]
    write_closing(long, stream, failures=failures, folder=FOLDER)
    assert stream.getvalue().splitlines() == _lines(long, failures)


def test_quiet_and_well_writes_nothing() -> None:
    stream = io.StringIO()
    write_closing(summary(), stream, failures=[], folder=FOLDER, quiet=True)
    assert stream.getvalue() == ""


@pytest.mark.parametrize("stream", [None, Broken()])
def test_without_anybody_to_read_it_nothing_happens(stream: Broken | None) -> None:
    write_closing(summary(), stream, failures=[], folder=FOLDER)
