"""A job at one moment, as plain numbers: what displays draw and what `status.json` holds.

job loop --JobView, four times a second--> Display
                        |
                        +--to_plain--> status.json --from_plain--> JobView     in another process
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

SlotState = Literal["starting", "busy", "idle", "retired"]
"""`retired`: the slot is not used any more, because it could not be started or kept dying."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """The books of documents, or of pages. What was done earlier is a part of `done`."""

    found: int
    done: int
    failed: int
    skipped: int
    """Left out on purpose: an unsupported suffix, a page that was not selected."""
    remaining: int
    """Found and not finished; 0 at the end, unless the job was stopped."""

    @property
    def finished(self) -> int:
        """Done or failed."""
        return self.done + self.failed

    @property
    def missing(self) -> int:
        """How many of those found are in no other column; negative if some are counted twice. 0 is right."""
        return self.found - self.done - self.failed - self.skipped - self.remaining

    @property
    def balanced(self) -> bool:
        """Whether found = done + failed + skipped + remaining."""
        return self.missing == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotView:
    """One slot. Seconds are sums over all its workers in this run, up to now."""

    name: str
    """As `gpu:1#0`."""
    state: SlotState
    page: str | None
    """What it is working on, for people; None if nothing."""
    pages: int
    """Finished by it in this run."""
    pages_per_second: float
    """Recent speed."""
    resident: int
    """Bytes of memory of its process; 0 if unknown."""
    restarts: int
    busy: float
    """Seconds that computing took."""
    starved: float
    """Seconds that computing waited for pages to be read."""
    blocked: float
    """Seconds that computing waited for results to be written."""
    read_busy: float
    """Seconds that reading and decoding took; they overlap with computing."""
    write_busy: float
    """Seconds that writing took; they overlap with computing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobView:
    """The whole job at one moment."""

    documents: Tally
    pages: Tally
    done_earlier_pages: int
    """Pages that earlier runs did; a part of `pages.done`."""
    done_earlier_documents: int
    listing: bool
    """Whether documents are still being looked for: then what was found is not all."""
    elapsed: float
    """Seconds since this run began."""
    pages_per_second: float
    """Recent speed; see `docfleet.report.pace`."""
    eta: float | None
    """Seconds that the rest will take; None while that cannot be said."""
    slots: tuple[SlotView, ...]
    stopping: str | None
    """Why the job is coming to an early end; None while it is not."""
    failed_earlier_pages: int = 0
    """Pages that failed in earlier runs and are not tried again; a part of `pages.failed`."""

    @property
    def finished_now(self) -> int:
        """Pages done or failed in this run."""
        return max(0, self.pages.finished - self.done_earlier_pages - self.failed_earlier_pages)

    @property
    def average(self) -> float:
        """Pages per second since this run began, start-up included."""
        return self.finished_now / self.elapsed if self.elapsed > 0 else 0.0

    def to_plain(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_plain`; keys that a newer version added are ignored.

        Raises ValueError where something is missing or of another type.
        """
        # Imported here: the job makes views four times a second and never reads one.
        import msgspec

        return msgspec.convert(plain, cls)
