"""What the live display shows of a job: a few lines, and a table of slots that fits into the height there is.

    pages      12,345 of 48,210  ━━━━━━━━━━━━╸━━━━━━━━━━━━━━━━━━━━━━━━  25 %   3 failed
    documents     812 of  3,100  1 failed, 12 skipped
    speed      41.2 pages/s now, 39.8 on average, 0:05:11 so far, about 14 min left

    64 slots: 62 busy, 1 idle, 1 retired; 3 restarts; 71.2 GB
      slot     state    page                               pages  pages/s  memory  restarts
      gpu:0#0  busy     scans/1998/acc…/volume-12 page 41  6,120     20.1  1.2 GB
      ...
      and 40 more, all busy

Columns of numbers have a fixed least width, so that they do not jump about as the numbers grow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Column, Table
from rich.text import Text

from docfleet.report.bottleneck import sentence
from docfleet.report.view import JobView, SlotView, Tally
from docfleet.report.words import about, clock, count, percent, plural, rate, shorten, size

_WIDEST = 132
"""Wider, the eye loses the line between a page's name and its numbers."""
_NARROWEST_PAGE = 12
_HEAD_LINES = 7
"""Lines that are not slots: three of books and speed, one empty, two headings, one of the rest."""
_STATES = {"busy": "green", "idle": "yellow", "starting": "cyan", "retired": "bold red"}


def panel(view: JobView, *, width: int, height: int, ascii_only: bool = False) -> RenderableType:
    """The job in at most `height` lines (no fewer than eight are used) of at most `width` cells."""
    width = min(width, _WIDEST)
    parts: list[RenderableType] = [_books(view, width)]
    if view.stopping:
        parts.append(Text(f"stopping: {view.stopping}", style="bold yellow", no_wrap=True, overflow="ellipsis"))
        height -= 1
    if view.slots:
        limit = _limit(view)
        if limit:
            height -= 1
        parts += [Text(""), _heading(view.slots), *_slots(view.slots, width, max(1, height - _HEAD_LINES), ascii_only)]
        if limit:
            parts.append(Text(limit, style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*parts)


def _books(view: JobView, width: int) -> Table:
    """Pages, documents, speed."""
    whole = max(view.pages.found, view.documents.found)
    digits = len(count(whole))
    table = Table.grid(Column(style="bold", min_width=9), Column(no_wrap=True, overflow="ellipsis"), padding=(0, 2))
    table.width = width
    pages = _counted(view.pages, view.listing, digits)
    if not view.listing and view.pages.found > view.pages.skipped:
        share = view.pages.finished / (view.pages.found - view.pages.skipped)
        line = Table.grid(Column(no_wrap=True), Column(ratio=1), Column(no_wrap=True), Column(), padding=(0, 2, 0, 0))
        line.add_row(
            pages,
            ProgressBar(total=1.0, completed=share),
            Text(f"{percent(share):>5}"),
            _apart(view.pages, view.done_earlier_pages),
        )
        table.add_row("pages", line)
    else:
        table.add_row("pages", Text("  ").join([pages, _apart(view.pages, view.done_earlier_pages)]))
    documents = _counted(view.documents, view.listing, digits)
    more = Text("still looking for documents", "cyan") if view.listing else Text()
    apart = _apart(view.documents, view.done_earlier_documents)
    table.add_row("documents", Text("  ").join([part for part in (documents, apart, more) if part]))
    speed = Text.assemble(
        (rate(view.pages_per_second), "bold"), f" now, {rate(view.average)} on average, {clock(view.elapsed)} so far"
    )
    if view.eta is not None and view.pages.remaining:
        speed.append(", ").append(f"about {about(view.eta)} left", "bold")
    table.add_row("speed", speed)
    return table


def _counted(tally: Tally, listing: bool, digits: int) -> Text:
    found = f"{count(tally.found)}{'+' if listing else ''}"
    return Text.assemble((f"{count(tally.finished):>{digits}}", "bold"), f" of {found:<{digits + 1}}")


def _apart(tally: Tally, done_earlier: int) -> Text:
    """What is not simply done: `3 failed, 12 skipped, 4,000 done earlier`."""
    parts = []
    if tally.failed:
        parts.append(Text(f"{count(tally.failed)} failed", "bold red"))
    if tally.skipped:
        parts.append(Text(f"{count(tally.skipped)} skipped"))
    if done_earlier:
        parts.append(Text(f"{count(done_earlier)} done earlier", "dim"))
    return Text(", ").join(parts)


def _limit(view: JobView) -> str:
    text = sentence(view.slots)
    return "" if text.startswith("too little") else text


def _heading(slots: Sequence[SlotView]) -> Text:
    """`64 slots: 62 busy, 1 idle, 1 retired; 3 restarts; 71.2 GB`."""
    restarts = sum(slot.restarts for slot in slots)
    memory = sum(slot.resident for slot in slots)
    line = Text.assemble((plural(len(slots), "slot"), "bold"), ": ", _states(slots), no_wrap=True, overflow="ellipsis")
    if restarts:
        line.append("; ").append(plural(restarts, "restart"), "yellow")
    if memory:
        line.append(f"; {size(memory)}")
    return line


def _states(slots: Sequence[SlotView]) -> Text:
    counts = Counter(slot.state for slot in slots)
    return Text(", ").join(Text(f"{counts[state]} {state}", style) for state, style in _STATES.items() if counts[state])


def _slots(slots: Sequence[SlotView], width: int, room: int, ascii_only: bool) -> list[RenderableType]:
    """One line for each slot; of more than there is room for, those that are out of order and then the first."""
    shown = list(slots)
    if len(slots) > room:
        odd = [index for index, slot in enumerate(slots) if slot.state in ("retired", "starting") or slot.restarts]
        even = [index for index in range(len(slots)) if index not in set(odd)]
        shown = [slots[index] for index in sorted([*odd, *even][:room])]
    columns = (
        Column("slot", no_wrap=True, min_width=max(len(slot.name) for slot in slots)),
        Column("state", no_wrap=True, min_width=8),
        Column("page", no_wrap=True, ratio=1),
        Column("pages", no_wrap=True, justify="right", min_width=7),
        Column("pages/s", no_wrap=True, justify="right", min_width=7),
        Column("memory", no_wrap=True, justify="right", min_width=7),
        Column("restarts", no_wrap=True, justify="right"),
    )
    table = Table(*columns, box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", width=width)
    fixed = sum((column.min_width or len(str(column.header))) + 2 for column in columns if column.header != "page")
    mark = "..." if ascii_only else "…"
    for slot in shown:
        table.add_row(
            slot.name,
            Text(slot.state, _STATES[slot.state]),
            Text(shorten(slot.page or "", max(_NARROWEST_PAGE, width - fixed - 2), mark=mark)),
            count(slot.pages),
            f"{slot.pages_per_second:.{2 if slot.pages_per_second < 1 else 1}f}",
            size(slot.resident) if slot.resident else "",
            Text(str(slot.restarts), "yellow") if slot.restarts else "",
        )
    hidden = len(slots) - len(shown)
    if not hidden:
        return [table]
    names = {slot.name for slot in shown}
    rest = Text.assemble(
        f"{mark} and {hidden} more: ", _states([slot for slot in slots if slot.name not in names]), style="dim"
    )
    return [table, rest]
