"""How a job stands, as a person reads it: the lines of `docfleet status`.

    running: process 4711 on here, since 2026-11-22 10:00:00 (2:10:05 ago)

    pages      12,345 of 48,210  ...                                         the panel of `docfleet.report.panel`

    failed, the first 5:
      input: scans/a.pdf: it is encrypted; ...
      all of them: out/_docfleet/failures.jsonl

Of a job that died: the books when it was last heard of, what is in the journal, and how to go on. Of one that ended:
the last lines of `docfleet.report.closing` once more.
"""

from __future__ import annotations

import dataclasses
import shlex
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path

from rich.text import Text

from docfleet.batch.folder import JobFolder
from docfleet.batch.standing import Standing
from docfleet.batch.status_file import Status
from docfleet.documents.sources import printable
from docfleet.report.closing import books, closing, failure_lines
from docfleet.report.output import Output
from docfleet.report.panel import panel
from docfleet.report.view import JobView
from docfleet.report.words import about, clock, count, plural

_SILENT_S = 15.0
"""A job says how it is doing every second. Short of this it may just have had a lot to do."""


def lines_of(standing: Standing, folder: JobFolder) -> list[Text]:
    """Everything that a person is told."""
    blocks = {"running": _running, "died": _died, "finished": _finished, "unknown": _unknown}[standing.state](
        standing, folder
    )
    lines: list[Text] = []
    for block in filter(None, blocks):
        lines += [Text(), *block] if lines else block
    return lines


def _running(standing: Standing, folder: JobFolder) -> list[list[Text]]:
    status = _said(standing)
    state = [Text.assemble(("running", "bold green"), f": {_process(status)}, since {_when(status.started)}")]
    age = status.age()
    if age > _SILENT_S:
        state.append(
            Text(
                f"it has said nothing for {about(age)}: it may be suspended, wait for its disk, or have no room to "
                "write to",
                "bold yellow",
            )
        )
    if status.view is None:
        return [[*state, Text("it has not begun with any page yet")]]
    width, height = shutil.get_terminal_size()
    if not sys.stdout.isatty():
        # What is no terminal gets all slots.
        width, height = 132, len(status.view.slots) + 20
    # Below are the prompt and the failures; but a few slots may be seen even so.
    drawn = panel(status.view, width=width - 1, height=max(12, height - 10), ascii_only=Output(sys.stdout).ascii_only)
    return [state, drawn, _failures(standing, folder)]


def _died(standing: Standing, folder: JobFolder) -> list[list[Text]]:
    status = _said(standing)
    state = [
        Text.assemble(
            ("died", "bold red"), f": {_process(status)} is gone and came to no end; begun {_when(status.started)}, "
            f"last heard of {_when(status.written)}",
        )
    ]  # fmt: skip
    view = status.view
    if view is not None:
        table = [Text(f"{clock(view.elapsed)} after its start, when it was last heard of:"), *_books(view)]
    else:
        table = [Text("it had not begun with any page")]
    return [state, table, _totals(standing), _failures(standing, folder), _going_on(status)]


def _finished(standing: Standing, folder: JobFolder) -> list[list[Text]]:
    summary = standing.summary
    if summary is not None:
        if standing.status is not None:
            summary = dataclasses.replace(summary, command=_command(standing.status))
        state = [Text(f"ended {_when(summary.ended)} on {summary.host}, with exit status {summary.exit_status}")]
        return [state, closing(summary, failures=standing.failures, folder=folder.own)]
    status = _said(standing)
    state = [
        Text(f"ended {_when(status.written)}, with exit status {status.exit_status}: {_process(status)}"),
        Text(f"how it ended could not be written: there is no {folder.summary.name} of it", "yellow"),
    ]
    view = status.view
    table = [] if view is None else _books(view)
    complete = status.exit_status in (0, 1)
    return [state, table, _failures(standing, folder), [] if complete else _going_on(status)]


def _unknown(standing: Standing, folder: JobFolder) -> list[list[Text]]:
    state = [
        Text.assemble(
            ("unknown", "bold yellow"), ": a job was begun here, and there is no status of it that can be read. "
            "It may be starting; else give the docfleet run command again that began it",
        )
    ]  # fmt: skip
    return [state, _totals(standing), _failures(standing, folder)]


def _books(view: JobView) -> list[Text]:
    return books(view.documents, view.pages, earlier=(view.done_earlier_documents, view.done_earlier_pages))


def _totals(standing: Standing) -> list[Text]:
    """What is safe, whatever the status says."""
    totals = standing.totals
    if totals is None:
        return []
    failed = f", {plural(totals.pages_failed, 'page')} failed" if totals.pages_failed else ""
    begun = f"; {plural(totals.documents_begun, 'document')} begun" if totals.documents_begun else ""
    return [
        Text(
            f"in the journal, and not to be done again: {plural(totals.pages_done, 'page')} done{failed}; "
            f"{count(totals.documents_done + totals.documents_failed)} documents ended{begun}"
        )
    ]


def _failures(standing: Standing, folder: JobFolder) -> list[Text]:
    view = None if standing.status is None else standing.status.view
    failed = len(standing.failures) if view is None else max(view.pages.failed, view.documents.failed)
    return failure_lines(failed, standing.failures, folder.own)


def _going_on(status: Status) -> list[Text]:
    return [Text(f"to go on:  {printable(_command(status))}", "bold")]


def _command(status: Status) -> str:
    """The command that goes on, with the way to where it has a meaning if that is elsewhere."""
    try:
        here = str(Path.cwd())
    except OSError:
        here = ""
    return status.command if status.folder in ("", here) else f"cd {shlex.quote(status.folder)} && {status.command}"


def _said(standing: Standing) -> Status:
    assert standing.status is not None, "only a status tells that a job runs or died"
    return standing.status


def _process(status: Status) -> str:
    return f"process {status.process.pid} on {status.process.host}"


def _when(iso: str) -> str:
    """`2026-11-22 10:00:00 (12:31 ago)`, in the time of this machine."""
    moment = datetime.fromisoformat(iso).astimezone()
    ago = (datetime.now(UTC) - moment).total_seconds()
    return f"{moment:%Y-%m-%d %H:%M:%S}" + (f" ({clock(ago)} ago)" if ago >= 0 else "")
