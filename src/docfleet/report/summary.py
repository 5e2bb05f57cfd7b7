"""What a job did, when it has ended: the content of `summary.json`.

job, at its end --> Summary --save--> <output>/_docfleet/summary.json --load--> Summary     `docfleet status`
                       |
                       +--docfleet.report.closing--> a few lines on standard error
"""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from docfleet.report.bottleneck import sentence
from docfleet.report.view import SlotView, Tally
from docfleet.results.base import write_atomically


class Status(StrEnum):
    """How a job ended."""

    DONE = "done"
    """Everything that was found is done, by this run or an earlier one."""
    SOME_FAILED = "some_failed"
    """Everything is finished, and some of it failed."""
    NO_START = "no_start"
    """No slot could start, or all were retired."""
    STOPPED = "stopped"
    """It could not go on: a full disk, too many failures."""
    INCONSISTENT = "inconsistent"
    """The books do not balance, or a page done again came out differently."""
    INTERRUPTED = "interrupted"
    TERMINATED = "terminated"

    @classmethod
    def of(cls, exit_status: int) -> Self:
        """The word for an exit status of `docfleet run`; of 4, that it could not go on."""
        return cls(_WORDS.get(exit_status, cls.STOPPED))


_WORDS = {
    0: Status.DONE,
    1: Status.SOME_FAILED,
    3: Status.NO_START,
    128 + signal.SIGINT: Status.INTERRUPTED,
    # Of a terminal that was closed (1) and of a polite kill (15).
    128 + 1: Status.TERMINATED,
    128 + signal.SIGTERM: Status.TERMINATED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSummary:
    """One slot over the whole run; seconds are sums over its workers."""

    name: str
    device: str
    pages: int
    busy: float
    starved: float
    blocked: float
    read_busy: float
    write_busy: float
    restarts: int
    retired: bool

    @classmethod
    def of(cls, view: SlotView) -> Self:
        """A slot as it was last seen."""
        return cls(
            name=view.name,
            device=view.name.rpartition("#")[0],
            pages=view.pages,
            busy=round(view.busy, 3),
            starved=round(view.starved, 3),
            blocked=round(view.blocked, 3),
            read_busy=round(view.read_busy, 3),
            write_busy=round(view.write_busy, 3),
            restarts=view.restarts,
            retired=view.state == "retired",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """One network that took part."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One run of a job and the books as they stand after it."""

    status: Status
    exit_status: int
    """What `docfleet run` exits with."""
    documents: Tally
    pages: Tally
    done_earlier_documents: int
    """A part of `documents.done`."""
    done_earlier_pages: int
    """A part of `pages.done`."""
    failed_earlier_pages: int = 0
    """A part of `pages.failed`: not tried again in this run."""
    seconds: float
    """From the start of this run to its end, start-up included."""
    started: str
    """ISO 8601 with its offset from UTC."""
    ended: str
    host: str
    command: str
    """A shell command that goes on with this job, or does it again."""
    stopped: str | None = None
    """Why it ended before its time; None if it did not."""
    listed: bool = True
    """Whether all documents were looked up before it ended. If not, there are more than were found."""
    slots: tuple[SlotSummary, ...] = ()
    weights: tuple[Weights, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    """Every option of job and pipeline as resolved; plain values."""
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def finished_now(self) -> int:
        """Pages done or failed in this run."""
        return max(0, self.pages.finished - self.done_earlier_pages - self.failed_earlier_pages)

    @property
    def pages_per_second(self) -> float:
        """Pages finished in this run per second of it."""
        return self.finished_now / self.seconds if self.seconds > 0 else 0.0

    @property
    def balanced(self) -> bool:
        """Whether the books of documents and of pages balance."""
        return self.documents.balanced and self.pages.balanced

    @property
    def bottleneck(self) -> str:
        """What limited the speed, in one sentence."""
        return sentence(self.slots)

    def to_plain(self) -> dict[str, Any]:
        """Plain values that JSON can hold, with what follows from the others."""
        return {
            **dataclasses.asdict(self),
            "balanced": self.balanced,
            "pages_per_second": round(self.pages_per_second, 3),
            "bottleneck": self.bottleneck,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_plain`; what follows from the rest is left out, and so is what a newer version added.

        Raises ValueError where something is missing or of another type.
        """
        import msgspec

        return msgspec.convert(plain, cls)

    def save(self, path: Path) -> None:
        """Write `summary.json`, whole or not at all. Raises OSError."""
        # In ASCII: a file name of undecodable bytes is held as lone surrogates, which UTF-8 has not.
        write_atomically(path, (json.dumps(self.to_plain(), indent=1) + "\n").encode("ascii"))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read `summary.json`. Raises OSError, and ValueError for what is not one."""
        return cls.from_plain(json.loads(path.read_text(encoding="utf-8")))
