"""What a journal holds, for whoever looks on: read without writing, without a lock, and not for long.

journal.sqlite --read only--> Totals, or None

Only of a job that does not run. While somebody reads, the job could not commit: it would wait for some seconds and then
give up. So the reader gives up first.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_LIMIT_S = 2.0
"""Less than a job that starts meanwhile waits for its first commit."""
_STEPS = 10_000
"""Of SQLite's machine between two looks at the clock: about a millisecond."""

# `documents.state`: 0 not ended, 1 done, 2 failed. A document that has ended knows how many of its pages are done;
# of the others there is a row in `pages` for each that is, and of failed ones too.
_QUERY = """
SELECT sum(state = 1), sum(state = 2), sum(state = 0),
       coalesce(sum(CASE WHEN state = 1 THEN done END), 0) + (SELECT count(*) FROM pages),
       (SELECT count(*) FROM failures)
FROM documents
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What counts as done and failed in all runs on an output folder so far, whatever became of the runs."""

    documents_done: int
    documents_failed: int
    documents_begun: int
    """Taken in and not ended."""
    pages_done: int
    pages_failed: int


def read_totals(journal: Path, *, clock: Callable[[], float] = time.monotonic) -> Totals | None:
    """The totals of a journal; None where it is not there, cannot be read, or is too long to be read in two seconds.

    It cannot be read where its last writer died in the midst of a commit: whoever writes next has to clean up first.
    """
    end = clock() + _LIMIT_S
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(os.fsencode(journal))}?mode=ro", uri=True, timeout=0.5)
        ) as db:
            db.set_progress_handler(lambda: clock() > end, _STEPS)
            row = db.execute(_QUERY).fetchone()
    except (sqlite3.Error, UnicodeEncodeError):
        return None
    done, failed, begun, pages_done, pages_failed = (number or 0 for number in row)
    return Totals(
        documents_done=done,
        documents_failed=failed,
        documents_begun=begun,
        pages_done=pages_done,
        pages_failed=pages_failed,
    )
