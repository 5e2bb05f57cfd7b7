"""The last lines of a job, for the person who started it: books, failures, what limited the speed, how to go on.

    docfleet: done, but some failed: 48,210 pages in 21:07, 38.1 pages/s

                found    done  failed  skipped  remaining
    documents   3,100   3,099       1        0          0
    pages      48,210  48,207       3        0          0

    failed:
      input: scans/a.pdf page 3: it cannot be decoded; ...
      all of them: out/_docfleet/failures.jsonl

    2 instances busy 97 % of the time: computing is the limit

The same lines in a log, without colours. Nothing is folded there, so that paths and commands can be copied.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol, TextIO

from rich.text import Text

from docfleet.documents.sources import printable
from docfleet.report.output import Output
from docfleet.report.summary import Status, Summary
from docfleet.report.view import Tally
from docfleet.report.words import clock, count, imbalance, plural, rate

FIRST = 5
"""How many failures are shown."""

_HEADLINES = {
    Status.DONE: ("done", "bold green"),
    Status.SOME_FAILED: ("done, but some failed", "bold red"),
    Status.NO_START: ("nothing could start", "bold red"),
    Status.STOPPED: ("stopped", "bold red"),
    Status.INCONSISTENT: ("inconsistent", "bold red"),
    Status.INTERRUPTED: ("interrupted", "bold yellow"),
    Status.TERMINATED: ("terminated", "bold yellow"),
}


class Failing(Protocol):
    """What is shown of a failure; a row of the journal has it."""

    @property
    def input(self) -> str: ...
    @property
    def page_index(self) -> int | None: ...
    @property
    def category(self) -> str: ...
    @property
    def message(self) -> str: ...


def write_closing(
    summary: Summary, stream: TextIO | None, *, failures: Iterable[Failing], folder: Path, quiet: bool = False
) -> None:
    """Write the last lines to `stream` (standard error; None writes nothing).

    `failures`: of the whole job, of which the first are taken. `folder`: the job's own, `<output>/_docfleet`.
    `quiet` leaves out everything but what went wrong.
    """
    if stream is None:
        return
    output = Output(stream)
    # In one piece, through our own stream: a terminal that is gone must not cost the exit status.
    lines = output.drawn(closing(summary, failures=failures, folder=folder, quiet=quiet))
    output.write("".join(f"{line}\n" for line in lines))


def closing(summary: Summary, *, failures: Iterable[Failing], folder: Path, quiet: bool = False) -> list[Text]:
    """The lines of `write_closing`."""
    failed = max(summary.pages.failed, summary.documents.failed)
    wrong = _imbalance(summary, folder) + failure_lines(failed, failures, folder) + _rest(summary)
    if quiet:
        return ([_headline(summary)] if wrong or summary.stopped else []) + wrong
    table = books(
        summary.documents, summary.pages, earlier=(summary.done_earlier_documents, summary.done_earlier_pages)
    )
    blocks = [[_headline(summary)], table, wrong, [Text(summary.bottleneck)] if summary.finished_now else []]
    lines: list[Text] = []
    for block in filter(None, blocks):
        lines += [Text(), *block] if lines else block
    return lines


def _headline(summary: Summary) -> Text:
    word, style = _HEADLINES[summary.status]
    line = Text.assemble("docfleet: ", (word, style))
    if summary.stopped and summary.stopped != word:
        line.append(f" ({printable(summary.stopped)})")
    now = summary.finished_now
    line.append(f": {plural(now, 'page')} in {clock(summary.seconds)}")
    if now:
        line.append(f", {rate(summary.pages_per_second)}")
    return line


def books(documents: Tally, pages: Tally, *, earlier: tuple[int, int]) -> list[Text]:
    """Both books as a table. `earlier`: documents and pages of those done that earlier runs did."""
    names = ("found", "done", "failed", "skipped", "remaining")
    rows = [("documents", documents, earlier[0]), ("pages", pages, earlier[1])]
    widths = [max(len(name), *(len(count(getattr(tally, name))) for _, tally, _ in rows)) for name in names]
    head = "  ".join(f"{name:>{width}}" for name, width in zip(names, widths, strict=True))
    lines = [Text(f"{'':9}  {head}", "dim")]
    for label, tally, done_earlier in rows:
        line = Text(f"{label:9}")
        for name, width in zip(names, widths, strict=True):
            line.append(f"  {count(getattr(tally, name)):>{width}}", _style(name, tally))
        if done_earlier:
            line.append(f"  ({count(done_earlier)} of them done earlier)")
        lines.append(line)
    return lines


def _style(column: str, tally: Tally) -> str:
    if column == "failed" and tally.failed:
        return "bold red"
    return "yellow" if column == "remaining" and tally.remaining else ""


def _imbalance(summary: Summary, folder: Path) -> list[Text]:
    wrong = [
        imbalance(name, tally)
        for name, tally in (("documents", summary.documents), ("pages", summary.pages))
        if not tally.balanced
    ]
    if not wrong:
        return []
    return [
        Text(f"the books do not balance: {'; '.join(wrong)}", "bold red"),
        Text(
            "  this is a fault of docfleet: do not take the output for complete. Keep "
            f"{printable(str(folder / 'journal.sqlite'))} to look into it"
        ),
    ]


def failure_lines(failed: int, failures: Iterable[Failing], folder: Path) -> list[Text]:
    """The first of `failed` failures and where the others are; nothing if there are none."""
    if not failed:
        return []
    shown = list(itertools.islice(failures, FIRST))
    first = f", the first {len(shown)}" if 0 < len(shown) < failed else ""
    lines = [Text(f"failed{first}:", "red"), *(Text(f"  {_failure(failure)}") for failure in shown)]
    lines.append(Text(f"  all of them: {printable(str(folder / 'failures.jsonl'))}"))
    return lines


def _failure(failure: Failing) -> str:
    place = printable(failure.input)
    message = printable(failure.message)
    if not message.startswith((f"{place}:", f"{place} ")):
        page = "" if failure.page_index is None else f" page {failure.page_index + 1}"
        message = f"{place}{page}: {message}"
    return f"{failure.category}: {message}"


def _rest(summary: Summary) -> list[Text]:
    documents, pages = summary.documents.remaining, summary.pages.remaining
    if not (documents or pages or summary.stopped) or summary.status is Status.INCONSISTENT:
        return []
    known = [plural(documents, "document")] if documents else []
    known += [f"{plural(pages, 'page')} that are known of"] if pages else []
    known += [] if summary.listed else ["what was not found yet: the search for documents did not come to its end"]
    lines = [Text(f"not done yet: {', '.join(known)}", "yellow")] if known else []
    return [*lines, Text(f"to go on:  {printable(summary.command)}")]
