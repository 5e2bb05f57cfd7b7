"""Summaries and failures for tests."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from docfleet.report.summary import SlotSummary, Status, Summary, Weights
from tests.report.views import slot, tally


def summary(**changes: Any) -> Summary:
    """A job of a thousand pages on two instances that went well."""
    usual = Summary(
        status=Status.DONE,
        exit_status=0,
        documents=tally(done=80),
        pages=tally(done=1000),
        done_earlier_documents=0,
        done_earlier_pages=0,
        seconds=500.0,
        started="2026-11-22T10:00:00+01:00",
        ended="2026-11-22T10:08:20+01:00",
        host="here",
        command="docfleet run --input_dir scans --output_dir out",
        slots=(SlotSummary.of(slot("cpu#0")), SlotSummary.of(slot("cpu#1"))),
        weights=(Weights(name="PP-OCRv6_small_det", sha256="090f"),),
        options={"batch_size": 4},
        versions={"docfleet": "0.1.0"},
    )
    return dataclasses.replace(usual, **changes)


@dataclass
class Failed:
    """A failure as the closing lines take it."""

    input: str
    page_index: int | None = None
    category: str = "input"
    message: str = "it is encrypted; give the password"
