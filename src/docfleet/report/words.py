"""Numbers as people read them: counts, durations, bytes; and names cut to a width of terminal cells."""

from __future__ import annotations

from docfleet.documents.sources import printable
from docfleet.report.view import Tally


def count(number: int) -> str:
    """`1,234,567`."""
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """`1 page`, `1,234 pages`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def rate(pages_per_second: float) -> str:
    """`41.2 pages/s`, `3.1 pages/min` where a second is too short to see any."""
    if 0 < pages_per_second < _SLOW:
        return f"{pages_per_second * 60:.1f} pages/min"
    return f"{pages_per_second:,.{0 if pages_per_second >= _FAST else 1}f} pages/s"


_SLOW = 0.2
_FAST = 100.0


def clock(seconds: float) -> str:
    """Time that has passed: `0:07`, `12:31`, `3:05:09`, `2 d 03:05:09`."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days} d {hour:02}:{minute:02}:{second:02}"
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def about(seconds: float) -> str:
    """Time to come, no finer than it can be known: `20 s`, `5 min`, `2 h 10 min`, `3 d 4 h`."""
    if seconds < _TWO_MINUTES:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minute = divmod(5 * round(minutes / 5), 60)
    if hours < 24:
        return f"{hours} h {minute:02} min"
    days, hour = divmod(round(seconds / 3600), 24)
    return f"{days} d {hour} h"


_TWO_MINUTES = 120


def size(number: int) -> str:
    """Bytes in powers of 1000, in at most seven characters below a petabyte: `850 MB`, `1.2 GB`."""
    if number < 1000:
        return f"{number} B"
    value = float(number)
    for unit in ("kB", "MB", "GB", "TB", "PB"):
        value /= 1000
        # Not 1000: what is nearly a thousand of this unit is rounded to one of the next.
        if value < 999.5 or unit == "PB":
            break
    return f"{value:,.{1 if value < 99.95 else 0}f} {unit}"


def percent(share: float) -> str:
    """`97 %`; neither 0 % of something nor 100 % of not quite all."""
    number = round(share * 100)
    if share > 0 and number == 0:
        return "<1 %"
    if share < 1 and number == 100:
        return ">99 %"
    return f"{number} %"


def shorten(text: str, width: int, *, mark: str = "…") -> str:
    """`text` in at most `width` terminal cells, the middle left out: the end of a path says most, the start second.

    Characters that cannot be shown are written as escapes first. No character is parted from its accents.
    """
    from rich.cells import cell_len

    text = printable(text)
    if cell_len(text) <= width:
        return text
    room = width - cell_len(mark)
    if room <= 0:
        return mark[: max(0, width)]
    head_cells = room // 3
    if text.isascii():
        return text[:head_cells] + mark + text[head_cells - room :]
    head, cells = 0, 0
    while (cells := cells + _cells(text[head])) <= head_cells:
        head += 1
    tail, cells = len(text), 0
    while (cells := cells + _cells(text[tail - 1])) <= room - head_cells:
        tail -= 1
    while tail < len(text) and _cells(text[tail]) == 0:
        tail += 1
    return text[:head] + mark + text[tail:]


def _cells(character: str) -> int:
    """The most cells that a character adds: a variation selector may make the one before it wide."""
    from rich.cells import cell_len

    return 1 if character == "\ufe0f" else cell_len(character)


def imbalance(name: str, tally: Tally) -> str:
    """What is wrong with books that do not balance, in numbers."""
    return (
        f"{name}: {tally.found:,} found, but {tally.done:,} done + {tally.failed:,} failed + {tally.skipped:,} skipped "
        f"+ {tally.remaining:,} remaining = {tally.found - tally.missing:,}"
    )
