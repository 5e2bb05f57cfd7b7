"""The summary of a job: what is in its file, and what comes back from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docfleet.report.summary import SlotSummary, Status, Summary, Weights
from tests.report.summaries import summary
from tests.report.views import counts, names, seconds, slot, tallies, tally

_json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=5,
)
_slots = st.builds(
    SlotSummary,
    name=names, device=names, pages=counts, busy=seconds, starved=seconds, blocked=seconds, read_busy=seconds,
    write_busy=seconds, restarts=counts, retired=st.booleans(),
)  # fmt: skip
_summaries = st.builds(
    Summary,
    status=st.sampled_from(Status),
    exit_status=st.sampled_from([0, 1, 3, 4, 130, 143]),
    documents=tallies,
    pages=tallies,
    done_earlier_documents=counts,
    done_earlier_pages=counts,
    failed_earlier_pages=counts,
    seconds=seconds,
    started=names,
    ended=names,
    host=names,
    command=names,
    stopped=st.none() | names,
    listed=st.booleans(),
    slots=st.lists(_slots, max_size=3).map(tuple),
    weights=st.lists(st.builds(Weights, name=names, sha256=names), max_size=2).map(tuple),
    options=st.dictionaries(names, _json_values, max_size=3),
    versions=st.dictionaries(names, names, max_size=3),
)


@given(_summaries)
def test_a_summary_survives_json(any_summary: Summary) -> None:
    # Names of undecodable bytes hold lone surrogates, which UTF-8 has not.
    text = json.dumps(any_summary.to_plain()).encode("ascii")
    assert Summary.from_plain(json.loads(text)) == any_summary


def test_a_summary_survives_its_file(tmp_path: Path) -> None:
    written = summary(command="docfleet run --input_dir 'bad\udc80'", options={"input_dir": "bad\udc80", "batch": 4})
    written.save(tmp_path / "summary.json")
    assert Summary.load(tmp_path / "summary.json") == written
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


def test_what_follows_from_the_books_is_in_the_file_too(tmp_path: Path) -> None:
    summary(pages=tally(done=480, failed=20), seconds=100.0).save(tmp_path / "summary.json")
    plain = json.loads((tmp_path / "summary.json").read_text(encoding="ascii"))
    assert plain["status"] == "done"
    assert plain["balanced"] is True
    assert plain["pages_per_second"] == 5.0
    assert plain["bottleneck"].endswith("computing is the limit")
    assert plain["slots"][0]["device"] == "cpu"


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"status": "done"}', "null"])
def test_what_is_not_a_summary_is_a_value_error(tmp_path: Path, content: str) -> None:
    path = tmp_path / "summary.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError):
        Summary.load(path)


def test_a_summary_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Summary.load(tmp_path / "summary.json")


def test_speed_is_that_of_this_run() -> None:
    resumed = summary(pages=tally(done=700, failed=60), done_earlier_pages=500, failed_earlier_pages=10, seconds=50.0)
    assert resumed.finished_now == 250
    assert resumed.pages_per_second == 5.0
    assert summary(seconds=0.0).pages_per_second == 0.0


@pytest.mark.parametrize(
    ("exit_status", "status"),
    [
        (0, Status.DONE),
        (1, Status.SOME_FAILED),
        (3, Status.NO_START),
        (4, Status.STOPPED),
        (129, Status.TERMINATED),
        (130, Status.INTERRUPTED),
        (143, Status.TERMINATED),
    ],
)
def test_the_word_for_an_exit_status(exit_status: int, status: Status) -> None:
    assert Status.of(exit_status) is status


def test_a_slot_at_the_end() -> None:
    assert SlotSummary.of(slot("gpu:1#0", state="retired", busy=1.23456, restarts=3)) == SlotSummary(
        name="gpu:1#0", device="gpu:1", pages=100, busy=1.235, starved=8.0, blocked=2.0, read_busy=30.0,
        write_busy=5.0, restarts=3, retired=True,
    )  # fmt: skip
