"""`docfleet status`: how the job of an output folder stands.

<output>/_docfleet --standing_of--> Standing --> a line of state, the panel or the last lines, how to go on
                                            +--> one JSON document
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docfleet.cli.flags import CONTEXT

if TYPE_CHECKING:
    from docfleet.batch.folder import JobFolder
    from docfleet.batch.standing import Standing

_NOT_COMPLETE = 4


@click.command(name="status", context_settings=CONTEXT)
@click.argument("output_dir", default="output", metavar="[OUTPUT_DIR]")
@click.option("--json", "as_json", is_flag=True, help="answer with one JSON document")
def command(output_dir: str, as_json: bool) -> int:
    """Show how the job of an output folder stands, while it runs and after it died. Writes nothing.

    OUTPUT_DIR is that of docfleet run, output if it is not given.

    Exit status: 0 it runs, or everything is done; 1 it has ended and some inputs failed, all others are done; 2 there
    is no job in the folder, or none that can be read; 4 the job is not complete and does not run: it died, was stopped,
    or could not go on. What is shown then says how to go on.
    """
    from docfleet.batch.folder import OWN, JobFolder
    from docfleet.batch.standing import standing_of
    from docfleet.cli.status_lines import lines_of
    from docfleet.report.closing import FIRST
    from docfleet.report.output import Output

    path = Path(output_dir)
    folder = JobFolder(path.parent if path.name == OWN else path)
    standing = standing_of(folder, failures=FIRST)
    if as_json:
        click.echo(json.dumps(_plain(standing, folder), indent=1))
    else:
        # Colours for a terminal; click takes them out where it writes to something else.
        for line in Output(sys.stdout).drawn(lines_of(standing, folder)):
            click.echo(line.rstrip(" "))
    if standing.state == "running":
        return 0
    return standing.exit_status if standing.exit_status in (0, 1) else _NOT_COMPLETE


def _plain(standing: Standing, folder: JobFolder) -> dict[str, Any]:
    """What scripts get; file names of undecodable bytes are lone surrogates in it."""
    status = standing.status
    return {
        "state": standing.state,
        "exit_status": standing.exit_status,
        "process": None if status is None else {"pid": status.process.pid, "host": status.process.host},
        "started": None if status is None else status.started,
        "written": None if status is None else status.written,
        "silent_seconds": None if status is None else round(status.age(), 3),
        "command": None if status is None else status.command,
        "folder": None if status is None else status.folder,
        "view": None if status is None or status.view is None else status.view.to_plain(),
        "summary": None if standing.summary is None else standing.summary.to_plain(),
        "journal": None if standing.totals is None else dataclasses.asdict(standing.totals),
        "failures": [row.to_plain() for row in standing.failures],
        "failures_file": str(folder.failures),
    }
