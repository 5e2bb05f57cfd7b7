"""Views of jobs for tests: made by hand, and any that a job may have."""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import strategies as st

from docfleet.report.view import JobView, SlotView, Tally

NOTHING = Tally(found=0, done=0, failed=0, skipped=0, remaining=0)


def tally(*, done: int = 0, failed: int = 0, skipped: int = 0, remaining: int = 0) -> Tally:
    """Books that balance."""
    return Tally(
        found=done + failed + skipped + remaining, done=done, failed=failed, skipped=skipped, remaining=remaining
    )


def slot(name: str = "cpu#0", **changes: Any) -> SlotView:
    """An instance that has computed for 90 of 100 seconds."""
    usual = SlotView(
        name=name,
        state="busy",
        page="scans/a.pdf page 3",
        pages=100,
        pages_per_second=1.0,
        resident=10**9,
        restarts=0,
        busy=90.0,
        starved=8.0,
        blocked=2.0,
        read_busy=30.0,
        write_busy=5.0,
    )
    return dataclasses.replace(usual, **changes)


def view(**changes: Any) -> JobView:
    """A job on two instances, half done."""
    usual = JobView(
        documents=tally(done=40, remaining=40),
        pages=tally(done=500, remaining=500),
        done_earlier_pages=0,
        done_earlier_documents=0,
        listing=False,
        elapsed=250.0,
        pages_per_second=2.0,
        eta=250.0,
        slots=(slot("cpu#0"), slot("cpu#1")),
        stopping=None,
    )
    return dataclasses.replace(usual, **changes)


counts = st.integers(0, 10**9)
tallies = st.builds(Tally, found=counts, done=counts, failed=counts, skipped=counts, remaining=counts)
seconds = st.floats(0, 10**7)
# Names as file systems have them: wide and combining characters, controls, undecodable bytes.
names = st.text(st.one_of(st.characters(), st.sampled_from("a/. 文件\u0301\ufe0f\u200d🧾☀\udc80\n\t\x1b")), max_size=60)
slots = st.builds(
    SlotView,
    name=st.sampled_from(["cpu#0", "gpu:0#1", "gpu:15#15", "iluvatar_gpu:7#3"]),
    state=st.sampled_from(["starting", "busy", "idle", "retired"]),
    page=st.none() | names,
    pages=counts,
    pages_per_second=st.floats(0, 10**4),
    resident=st.integers(0, 10**13),
    restarts=st.integers(0, 10**4),
    busy=seconds,
    starved=seconds,
    blocked=seconds,
    read_busy=seconds,
    write_busy=seconds,
)
views = st.builds(
    JobView,
    documents=tallies,
    pages=tallies,
    done_earlier_pages=counts,
    done_earlier_documents=counts,
    listing=st.booleans(),
    elapsed=seconds,
    pages_per_second=st.floats(0, 10**4),
    eta=st.none() | seconds,
    slots=st.lists(slots, max_size=40).map(tuple),
    stopping=st.none() | names,
    failed_earlier_pages=counts,
)
