"""What limits a job's speed, in one sentence with its numbers.

      read ---> compute ---> write       each instance: three stages side by side
                busy     computing
                starved  waiting for a page that is read  -> reading is busy itself: reading is the limit
                                                             reading is idle too:    pages come too slowly
                blocked  waiting for results to be taken  -> writing is busy itself: writing is the limit
                                                             writing is idle too:    the main process is the limit

The seconds are measured by the workers, stage by stage. A sentence is a hint and says what it was drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from docfleet.report.words import percent, plural

_BUSY = 0.8
"""From this share on computing itself is the limit."""
_STAGE_BUSY = 0.5
"""From this share on reading (or writing) is what computing waits for; below, it waits with it."""
_PAGES_EACH = 3
_SECONDS_EACH = 3.0
"""Less than this for each instance is start and end of a job, and says nothing of its middle."""
_PAGES_FOR_A_QUEUE = 10
"""With fewer pages for each instance, waiting is mostly that there are too few."""


class SlotSeconds(Protocol):
    """What is needed of a slot; a `SlotView` has it, and a slot of the summary."""

    @property
    def pages(self) -> int: ...
    @property
    def busy(self) -> float: ...
    @property
    def starved(self) -> float: ...
    @property
    def blocked(self) -> float: ...
    @property
    def read_busy(self) -> float: ...
    @property
    def write_busy(self) -> float: ...


def sentence(slots: Sequence[SlotSeconds]) -> str:
    """Where the instances' time went, and what therefore limits the speed; or that it is too early to say."""
    if found := verdict(slots):
        return found
    pages, seconds = sum(slot.pages for slot in slots), sum(map(_total, slots))
    return (
        f"too little was done to say what limits the speed ({plural(pages, 'page')} and {seconds:.0f} s on "
        f"{plural(len(slots), 'instance')})"
    )


def verdict(slots: Sequence[SlotSeconds]) -> str | None:
    """What limits the speed, as a sentence; None while too little was done to say."""
    working = [slot for slot in slots if _total(slot) > 0]
    pages = sum(slot.pages for slot in working)
    seconds = sum(map(_total, working))
    if not working or pages < _PAGES_EACH * len(working) or seconds < _SECONDS_EACH * len(working):
        return None
    busy = sum(slot.busy for slot in working) / seconds
    starved = sum(slot.starved for slot in working) / seconds
    blocked = sum(slot.blocked for slot in working) / seconds
    read = sum(slot.read_busy for slot in working) / seconds
    write = sum(slot.write_busy for slot in working) / seconds
    who = plural(len(working), "instance")
    if busy >= _BUSY:
        return f"{who} busy {percent(busy)} of the time: computing is the limit"
    if starved >= blocked:
        waited = f"{who} busy {percent(busy)} and starved {percent(starved)} of the time"
        if read >= _STAGE_BUSY:
            return (
                f"{waited} while reading was busy {percent(read)}: reading and decoding is the limit; faster storage, "
                "a lower pdf_dpi or more instances help"
            )
        if pages < _PAGES_FOR_A_QUEUE * len(working):
            return f"{waited}: {plural(pages, 'page')} are too few to keep {who} busy"
        return (
            f"{waited} while reading was busy only {percent(read)}: pages come too slowly; listing the input, or the "
            "main process, is the limit"
        )
    waited = f"{who} busy {percent(busy)} and blocked {percent(blocked)} of the time"
    if write >= _STAGE_BUSY:
        return (
            f"{waited} while writing was busy {percent(write)}: writing is the limit; a faster output folder or fewer "
            "kinds of files help"
        )
    return f"{waited} while writing was busy only {percent(write)}: the main process is the limit"


def _total(slot: SlotSeconds) -> float:
    return slot.busy + slot.starved + slot.blocked
