"""What the live display shows of a job: a few lines, and a table of slots that fits into the height there is.

    pages      12,345 of 48,210  ━━━━━━━╸──────────────────────  25 %  3 failed
    documents     812 of  3,100  1 failed, 12 skipped
    speed      41.2 pages/s now, about 14 min left (5:11 so far, 39.8 pages/s on average)

    64 slots: 62 busy, 1 idle, 1 retired; 3 restarts; 71.2 GB
    slot     state     page                                 pages  pages/s   memory  restarts
    gpu:0#0  busy      scans/1998/acc…/volume-12 page 41    6,120     20.1   1.2 GB
    ...
    … and 40 more: 40 busy
    64 instances busy 97 % of the time: computing is the limit

Widths follow from the terminal and the names of the slots and not from what a cell happens to hold, so that nothing
jumps about while numbers grow. On a narrow terminal the last columns go first; the page that is worked on stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich.cells import set_cell_size
from rich.text import Text

from docfleet.documents.sources import printable
from docfleet.report.bottleneck import verdict
from docfleet.report.view import JobView, SlotState, SlotView, Tally
from docfleet.report.words import about, clock, count, percent, plural, rate, shorten, size

_WIDEST = 132
"""Wider, the eye loses the line between a page's name and its numbers."""
_LABEL = 11
_BAR = 30
_LEAST_BAR = 8
_AFTER_BAR = 28
"""Cells that are left free behind the bar for the percentage and for what is not simply done."""
_NARROWEST_PAGE = 16
_GAP = 2
_STATES: dict[SlotState, str] = {"busy": "green", "idle": "yellow", "starting": "cyan", "retired": "bold red"}


def panel(view: JobView, *, width: int, height: int, ascii_only: bool = False) -> list[Text]:
    """The job in at most `height` lines of at most `width` cells, the most important ones first.

    `ascii_only`: for a terminal that has no other characters; those of names are written as escapes.
    """
    width = min(width, _WIDEST)
    lines = _books(view, width, ascii_only)
    if view.stopping:
        lines.append(Text(f"stopping: {printable(view.stopping)}", "bold yellow"))
    if view.slots:
        limit = verdict(view.slots)
        last = [Text(limit, "dim")] if limit else []
        room = height - len(lines) - 2 - len(last)
        lines += [Text(), _heading(view.slots), *_slots(view.slots, width, room, ascii_only), *last]
    return [_cut(line, width, ascii_only) for line in lines[: max(0, height)]]


def _cut(line: Text, width: int, ascii_only: bool) -> Text:
    """The line in at most `width` cells."""
    if ascii_only and not line.plain.isascii():
        line.plain = _escaped(line.plain)
    if line.cell_len > width:
        mark = _mark(ascii_only)[: max(0, width)]
        line.truncate(max(0, width - len(mark)))
        line.append(mark)
    return line


def _mark(ascii_only: bool) -> str:
    """What stands for something left out."""
    return "..." if ascii_only else "…"


def _escaped(text: str) -> str:
    return text.encode("ascii", "backslashreplace").decode("ascii")


def _books(view: JobView, width: int, ascii_only: bool) -> list[Text]:
    """Pages, documents, speed."""
    digits = len(count(max(view.pages.found, view.documents.found)))
    pages = _counted("pages", view.pages, view.listing, digits)
    whole = view.pages.found - view.pages.skipped
    cells = min(_BAR, width - pages.cell_len - _AFTER_BAR)
    if not view.listing and whole > 0:
        share = view.pages.finished / whole
        if cells >= _LEAST_BAR:
            pages.append("  ").append(_bar(share, cells, ascii_only))
        pages.append(f"  {percent(share):>5}")
    _append_apart(pages, view.pages, view.done_earlier_pages)
    documents = _counted("documents", view.documents, view.listing, digits)
    _append_apart(documents, view.documents, view.done_earlier_documents)
    if view.listing:
        documents.append("  ").append("still looking for documents", "cyan")
    speed = _label("speed").append(rate(view.pages_per_second), "bold").append(" now")
    if view.eta is not None and view.pages.remaining:
        speed.append(", ").append(f"about {about(view.eta)} left", "bold")
    speed.append(f" ({clock(view.elapsed)} so far, {rate(view.average)} on average)")
    return [pages, documents, speed]


def _label(name: str) -> Text:
    return Text().append(f"{name:{_LABEL}}", "bold")


def _counted(label: str, tally: Tally, listing: bool, digits: int) -> Text:
    """`pages      12,345 of 48,210`, as wide in both books."""
    line = _label(label).append(f"{count(tally.finished):>{digits}}", "bold")
    return line.append(f" of {count(tally.found):>{digits}}{'+' if listing else ' '}")


def _bar(share: float, cells: int, ascii_only: bool) -> Text:
    """Two kinds of line, so that it can be read without colours too."""
    halves = round(2 * cells * min(1.0, max(0.0, share)))
    if ascii_only:
        return Text("=" * (halves // 2)).append("-" * (cells - halves // 2))
    done = "━" * (halves // 2) + "╸" * (halves % 2)
    return Text.assemble((done, "green"), ("─" * (cells - len(done)), "dim"))


def _append_apart(line: Text, tally: Tally, done_earlier: int) -> None:
    """What is not simply done: `3 failed, 12 skipped, 4,000 done earlier`."""
    parts = [
        Text(f"{count(number)} {word}", style)
        for number, word, style in (
            (tally.failed, "failed", "bold red"),
            (tally.skipped, "skipped", ""),
            (done_earlier, "done earlier", "dim"),
        )
        if number
    ]
    if parts:
        line.append("  ").append(Text(", ").join(parts))


def _heading(slots: Sequence[SlotView]) -> Text:
    """`64 slots: 62 busy, 1 idle, 1 retired; 3 restarts; 71.2 GB`."""
    restarts = sum(slot.restarts for slot in slots)
    memory = sum(slot.resident for slot in slots)
    line = Text().append(plural(len(slots), "slot"), "bold").append(": ").append(_states(slots))
    if restarts:
        line.append("; ").append(plural(restarts, "restart"), "yellow")
    if memory:
        line.append(f"; {size(memory)}")
    return line


def _states(slots: Sequence[SlotView]) -> Text:
    counts = Counter(slot.state for slot in slots)
    return Text(", ").join(Text(f"{counts[state]} {state}", style) for state, style in _STATES.items() if counts[state])


@dataclass(frozen=True, slots=True)
class _Column:
    heading: str
    width: int
    content: Callable[[SlotView], str]
    style: Callable[[SlotView], str] = lambda _: ""

    def cell(self, text: str) -> str:
        """Numbers stand at the right."""
        return f"{text:>{self.width}}"


def _columns(slots: Sequence[SlotView], width: int) -> tuple[list[_Column], int]:
    """The columns behind the page that there is room for, and the cells of the page's own."""
    numbers = [
        _Column("pages", max(7, *(len(count(slot.pages)) for slot in slots)), lambda slot: count(slot.pages)),
        _Column("pages/s", 7, lambda slot: _speed(slot.pages_per_second)),
        _Column("memory", 7, lambda slot: size(slot.resident) if slot.resident else ""),
        _Column("restarts", 8, lambda slot: str(slot.restarts or ""), lambda _: "yellow"),
    ]
    first = _name_width(slots) + _GAP + _STATE_WIDTH + _GAP
    while True:
        page = width - first - sum(_GAP + column.width for column in numbers)
        if page >= _NARROWEST_PAGE or not numbers:
            return numbers, max(0, page)
        numbers.pop()


_STATE_WIDTH = max(len(state) for state in _STATES)


def _name_width(slots: Sequence[SlotView]) -> int:
    return max(len("slot"), *(len(slot.name) for slot in slots))


def _speed(pages_per_second: float) -> str:
    """Three digits that say something, as far as there are: `1,204`, `41.2`, `0.25`, `0.003`."""
    if pages_per_second >= 1000:
        return f"{pages_per_second:,.0f}"
    decimals = 1 if pages_per_second >= 1 or not pages_per_second else 2 if pages_per_second >= 0.1 else 3
    return f"{pages_per_second:.{decimals}f}"


def _slots(slots: Sequence[SlotView], width: int, room: int, ascii_only: bool) -> list[Text]:
    """A heading and a line for each slot, in at most `room` lines; nothing where not even one slot would fit."""
    rows = room - 1
    if len(slots) > rows:
        rows -= 1  # for the line that counts the others
    if rows < 1:
        return []
    numbers, page_width = _columns(slots, width)
    name_width = _name_width(slots)
    heading = f"{'slot':{name_width}}  {'state':{_STATE_WIDTH}}  {set_cell_size('page', page_width)}"
    lines = [Text("  ".join([heading, *(column.cell(column.heading) for column in numbers)]), "dim")]
    shown = _most_telling(slots, rows)
    for index in shown:
        slot = slots[index]
        page = printable(slot.page or "")
        page = shorten(_escaped(page) if ascii_only else page, page_width, mark=_mark(ascii_only))
        line = Text(f"{slot.name:{name_width}}  ").append(f"{slot.state:{_STATE_WIDTH}}", _STATES[slot.state])
        line.append(f"  {set_cell_size(page, page_width)}")
        for column in numbers:
            line.append("  ").append(column.cell(column.content(slot)), column.style(slot))
        lines.append(line)
    if len(shown) < len(slots):
        hidden = [slots[index] for index in sorted(set(range(len(slots))) - set(shown))]
        lines.append(Text(f"{_mark(ascii_only)} and {len(hidden)} more: ", "dim").append(_states(hidden)))
    return lines


def _most_telling(slots: Sequence[SlotView], rows: int) -> list[int]:
    """Indices of the slots to show, in their own order: first of all those with troubles, those that start last."""

    def rank(index: int) -> int:
        slot = slots[index]
        return 0 if slot.state == "retired" or slot.restarts else 2 if slot.state == "starting" else 1

    return sorted(sorted(range(len(slots)), key=rank)[:rows])
