"""`docfleet doctor`: what a person should know before a long job, each with what to do.

the job that is thought of --examine--> a line for each check, as it is found --> exit status
"""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
import textwrap
from collections import Counter
from typing import Any

import click

from docfleet.cli.checks.check import Check, Level, Question
from docfleet.cli.flags import CONTEXT

_STYLES = {Level.OK: "green", Level.ATTENTION: "yellow", Level.PROBLEM: "red"}
_NAME = 16
_INDENT = 2 + 9 + 2 + _NAME + 2
_CANNOT_START = 3


@click.command(name="doctor", context_settings=CONTEXT)
@click.option("--output_dir", default="output", show_default=True, metavar="FOLDER", help="where results would go")
@click.option("--pipeline", default="PaddleOCR", show_default=True, metavar="NAME", help="what would be run")
@click.option("--device", metavar="DEVICE", help="where it would run, as in docfleet run (default auto)")
@click.option("--instances_per_device", type=click.IntRange(min=1), metavar="N",
              help="how many instances on each device (default: what docfleet run would choose)")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="answer with one JSON document")
def command(output_dir: str, pipeline: str, device: str | None, instances_per_device: int | None, as_json: bool) -> int:
    """Look at this machine as a job would find it: devices, engines, networks, limits, the output folder.

    Each line is ok, attention (a job would start, but read this) or problem (it would not), with what to do. Nothing is
    changed; what is tried in the output folder is removed again.

    Exit status: 0 a job would start; 3 something would keep it from starting.
    """
    from docfleet.cli.checks.examine import examine
    from docfleet.pipelines.catalog import find

    find(pipeline)
    question = Question(
        pipeline=pipeline, device=device, instances_per_device=instances_per_device, output_dir=output_dir
    )
    checks = []
    for check in examine(question):
        checks.append(check)
        if not as_json:
            _show(check)
    counts = Counter(check.level for check in checks)
    if as_json:
        answer: dict[str, Any] = {"checks": [dataclasses.asdict(check) for check in checks]}
        answer |= {str(level): counts[level] for level in Level}
        click.echo(json.dumps(answer, indent=1))
    else:
        click.echo(f"\n{_verdict(counts)}")
    return _CANNOT_START if counts[Level.PROBLEM] else 0


def _show(check: Check) -> None:
    level = click.style(f"{check.level:9}", fg=_STYLES[check.level], bold=check.level is not Level.OK)
    text = "\n".join(_folded(check.text))
    click.echo(f"  {level}  {check.name:{_NAME}}  {text}")
    if check.advice:
        click.echo("\n".join([f"{'':{_INDENT}}-> {line}" if not number else f"{'':{_INDENT}}   {line.strip()}"
                              for number, line in enumerate(_folded(check.advice, more=3))]))  # fmt: skip


def _folded(text: str, *, more: int = 0) -> list[str]:
    """Lines that fit beside the names on a terminal; a single one for everything else, which people search through."""
    if sys.stdout is None or not sys.stdout.isatty():
        return [text]
    width = max(40, shutil.get_terminal_size().columns - 1 - _INDENT - more)
    # Paths and commands are there to be copied.
    first, *rest = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    return [first, *(f"{'':{_INDENT}}{line}" for line in rest)]


def _verdict(counts: Counter[Level]) -> str:
    problems, attentions = counts[Level.PROBLEM], counts[Level.ATTENTION]
    if problems:
        return click.style(
            f"{problems} problem{'s' if problems > 1 else ''}: a job would not start", fg="red", bold=True
        )
    if attentions:
        return f"nothing keeps a job from starting; {attentions} line{'s' if attentions > 1 else ''} to look at"
    return click.style("all is well", fg="green", bold=True)
