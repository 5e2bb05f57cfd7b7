"""`docfleet run`: the batch job. Its own flags, and those of the pipeline that `--pipeline` names.

--pipeline PaddleOCR --lang en ...  --RunCommand-->  job flags + flags_of(OCROptions)
--pipeline X --provider paddleocr   --RunCommand-->  job flags + flags_of(what the installed PaddleOCR's X takes)
--options FILE (YAML, JSON) <-- overruled by flags --parse--> OCROptions, JobOptions --> docfleet.batch.run
"""

from __future__ import annotations

import codecs
import contextlib
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from click.core import ParameterSource

from docfleet.cli.flags import CONTEXT, flags_of, given
from docfleet.errors import UsageError
from docfleet.integrations.providers import PROVIDERS, find
from docfleet.pipelines.catalog import Entry, known_names
from docfleet.pipelines.options import parse

if TYPE_CHECKING:
    from docfleet.batch.options import JobOptions
    from docfleet.pipelines.common import CommonOptions

_MOST = 2**31 - 1
_SIZES = ("instances_per_device", "batch_size")
_OURS = (*_SIZES, "timeout", "executor", "ordered")
"""Options of pipelines that a job has flags of its own for, or decides itself."""
_TIMEOUT_S = 300.0
_FLAGS = "docfleet.run.pipeline_flags"


class NumberOrAuto(click.ParamType):  # type: ignore[type-arg,unused-ignore]  # generic since click 8.5
    """A whole number from 1, or `auto`, which is None."""

    name = "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | None:
        if value is None or isinstance(value, int) or str(value).strip().lower() == "auto":
            return value if isinstance(value, int) else None
        try:
            number = int(value)
        except ValueError:
            number = 0
        if not 1 <= number <= _MOST:
            self.fail(f"{value!r} is neither auto nor a whole number from 1", param, ctx)
        return number


class RunCommand(click.Command):
    """Takes the flags of whichever pipeline is named beside its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        name = _value_of("pipeline", args)
        if name is not None:
            entry = find(name, _value_of("provider", args) or "auto")
            ctx.meta[_FLAGS] = _pipeline_flags(entry, {param.name for param in self.params})
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        *own, asking_for_help = super().get_params(ctx)
        return [*own, *ctx.meta.get(_FLAGS, ()), asking_for_help]


def _value_of(flag: str, args: list[str]) -> str | None:
    """The value of a flag among arguments that are not parsed yet; the last one counts, as for click."""
    found = None
    for place, argument in enumerate(args):
        name, equals, value = argument.partition("=")
        if name.startswith("--") and name[2:].replace("-", "_") == flag:
            found = value if equals else args[place + 1] if place + 1 < len(args) else None
    return found


def _pipeline_flags(entry: Entry, taken: set[str | None]) -> list[click.Parameter]:
    holder = click.Command("options")
    flags_of(entry.load_options())(holder)
    return [param for param in holder.params if param.name not in taken and param.name not in _OURS]


@click.command(name="run", cls=RunCommand, context_settings=CONTEXT)
@click.option("--pipeline", required=True, metavar="NAME",
              help=f"what to run: {', '.join(known_names())}, a class of an installed PaddleOCR, or module:Class;"
              " its options are flags too")  # fmt: skip
@click.option("--provider", type=click.Choice(PROVIDERS), default="auto", show_default=True,
              help="whose pipeline: docfleet's, an installed PaddleOCR's, or docfleet's where it has one")  # fmt: skip
@click.option("--input_dir", metavar="FOLDER", help="where the documents are")
@click.option("--input_list", metavar="FILE",
              help="do the files that FILE names, a path a line, relative to the input folder; - is stdin")  # fmt: skip
@click.option("--input_glob_pattern", metavar="PATTERN",
              help="which entries of the input folder, as Path.glob has it: * everything (default), '**/*.jpg' at any"
              " depth; a folder that matches is walked")  # fmt: skip
@click.option("--output_dir", default="output", show_default=True, metavar="FOLDER", help="where results go")
@click.option("--save", default="json", show_default=True, metavar="KINDS",
              help="what is saved of each page, commas between: json, txt, of PaddleOCR's pipelines also img, html,"
              " xlsx, markdown, word, latex; jsonl is one aggregated output")  # fmt: skip
@click.option("--pages", metavar="PAGES", help="which pages of documents, as 1-5,9,20- (default: all)")
@click.option("--limit", type=click.IntRange(1, _MOST), metavar="N", help="do the first N documents and no more")
@click.option(
    "--options", "options_file", metavar="FILE", help="options of the pipeline, YAML or JSON; flags overrule it"
)
@click.option("--instances_per_device", type=NumberOrAuto(), default="auto", show_default=True,
              help="instances on each device; auto: one for each core if memory allows, one on a GPU")  # fmt: skip
@click.option("--batch_size", type=NumberOrAuto(), default="auto", show_default=True,
              help="most pages that an instance processes together; auto: 1 on CPUs, 8 on GPUs")  # fmt: skip
@click.option("--resume/--fresh", "resume", default=True,
              help="go on with what is in the output folder, or remove its results and start over")  # fmt: skip
@click.option("--retry_failed", is_flag=True, help="do pages again that failed in earlier runs")
@click.option("--moved", is_flag=True, help="the input folder is the one of the earlier runs under another name")
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS",
              help="how long a page may take before its worker is replaced; 0 for no limit"
              f" (default {_TIMEOUT_S:g})")  # fmt: skip
@click.option("--max_failures", metavar="N|P%", help="give up after so many failed pages of this run")
@click.option("--fingerprint", type=click.Choice(["stat", "content"]), default="stat", show_default=True,
              help="how a changed document is noticed: by size and time of change, or by reading it")  # fmt: skip
@click.option("--fsync", is_flag=True, help="count a page only when its files are on the disk, past all caches")
@click.option("--verify", type=click.IntRange(min=0), default=0, metavar="N",
              help="do N pages of this run again on one fresh instance and compare")  # fmt: skip
@click.option("--dry_run", is_flag=True, help="only list documents, pages and the names of outputs")
@click.option("--progress", type=click.Choice(["auto", "rich", "plain", "none"]), default="auto", show_default=True,
              help="drawn on a terminal, as lines, or not at all")  # fmt: skip
@click.option("--quiet", is_flag=True, help="say only what went wrong")
@click.option("--log_file", metavar="FILE", help="also append what happens to FILE, with times")
def command(pipeline: str, provider: str, **flags: Any) -> int:
    """Run a pipeline over a folder as a batch job.

    Kill it at any moment and give the same command again: it goes on, page by page. Results go to the output folder
    under the documents' relative folders; what the job knows of itself is in its _docfleet. docfleet status OUTPUT_DIR
    tells how it is doing, docs/run.md how to operate it.

    Exit status: 0 all done; 1 some inputs failed, all others are done; 2 wrong usage, nothing found, or another job
    is writing to the folder; 3 nothing could start; 4 could not go on, or is inconsistent; 130 interrupted, 143
    terminated.
    """
    entry = find(pipeline, provider)
    options = _pipeline_options(entry, flags)
    job = _job_options(flags)
    with _logging(flags["log_file"]):
        if flags["dry_run"]:
            from docfleet.batch.dry_run import dry_run

            return dry_run(entry.load(), options, job, click.echo)
        return _run(entry, options, job, flags)


def _run(entry: Entry, options: CommonOptions, job: JobOptions, flags: dict[str, Any]) -> int:
    from docfleet.batch.run import Screen, run_job
    from docfleet.cli.models import rich_progress
    from docfleet.report.progress import display_for
    from docfleet.weights import NullProgress

    quiet: bool = flags["quiet"]
    with contextlib.closing(display_for(flags["progress"], sys.stderr, quiet=quiet)) as display:
        screen = Screen(
            display=display,
            stream=sys.stderr,
            quiet=quiet,
            fetching=contextlib.nullcontext(NullProgress()) if quiet else rich_progress(),
            command=_this_command(),
        )
        return run_job(entry.load(), options, job, screen)


def _this_command() -> str:
    """What a person types to go on: without what applied to this one run, and without the password, for it is written
    into the books."""
    from docfleet.batch.identity import HIDDEN

    words = ["docfleet"]
    hides = False
    for word in sys.argv[1:]:
        flag, equals, _ = word.partition("=")
        name = flag.replace("-", "_")
        if hides:
            words.append(HIDDEN)
        elif name == "__pdf_password" and equals:
            words.append(f"{flag}={HIDDEN}")
        elif name not in ("__fresh", "__moved"):
            words.append(word)
        hides = not hides and name == "__pdf_password" and not equals
    return shlex.join(words)


def _pipeline_options(entry: Entry, flags: dict[str, Any]) -> CommonOptions:
    from docfleet.batch.sizes import sized

    values = {} if flags["options_file"] is None else _from_file(flags["options_file"])
    # As the flags take them.
    values = {name: value for name, value in values.items() if not (name in _SIZES and value == "auto")}
    if values.get("timeout") == 0:
        values["timeout"] = None
    if idle := [name for name in ("executor", "ordered", "on_error") if name in values]:
        raise UsageError(f"--options: {', '.join(idle)} cannot be set for a batch job")
    typed = click.get_current_context().get_parameter_source
    for name in _SIZES:
        if values.get(name) == "auto" or typed(name) is not ParameterSource.DEFAULT:
            values.pop(name, None)
    names = {param.name for param in _pipeline_flags(entry, {param.name for param in command.params})}
    values |= given({name: value for name, value in flags.items() if name in {*names, *_SIZES, "timeout"}})
    values["timeout"] = values.get("timeout", _TIMEOUT_S) or None
    return sized(parse(entry.load_options(), values))


def _from_file(path: str) -> dict[str, Any]:
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        try:
            # Not all JSON is YAML: its tabs are not, and 1e-3 is a text there.
            values = json.loads(text)
        except ValueError:
            values = yaml.safe_load(text)
    except OSError as error:
        raise UsageError(f"--options {path}: {error.strerror or error}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UsageError(f"--options {path}: neither YAML nor JSON: {' '.join(str(error).split())}") from error
    if values is None:
        return {}
    if not isinstance(values, dict) or not all(isinstance(name, str) for name in values):
        raise UsageError(f"--options {path}: it should hold names of options with their values")
    return values


def _job_options(flags: dict[str, Any]) -> JobOptions:
    from docfleet.batch.options import JobOptions, MaxFailures
    from docfleet.batch.selection import PageSelection

    if flags["input_dir"] is None and flags["input_list"] is None:
        raise UsageError("name an input: --input_dir FOLDER, or --input_list FILE")
    for name in ("input_dir", "input_list", "output_dir"):
        # A variable of a script that was never set, most likely; for a Path it would be the current folder.
        if flags[name] == "":
            raise UsageError(f"--{name} is empty: name a {'file' if name == 'input_list' else 'folder'}")
    if flags["input_list"] is not None and flags["input_glob_pattern"] is not None:
        raise UsageError("--input_glob_pattern has no meaning beside --input_list: give one of them")
    return JobOptions(
        input_dir=flags["input_dir"],
        output_dir=Path(flags["output_dir"]),
        pattern="*" if flags["input_glob_pattern"] is None else flags["input_glob_pattern"],
        input_list=None if flags["input_list"] is None else _lines_of(flags["input_list"]),
        saves=tuple(dict.fromkeys(word for part in flags["save"].split(",") if (word := part.strip().lower()))),
        pages=None if flags["pages"] is None else PageSelection.parse(flags["pages"]),
        fresh=not flags["resume"],
        moved=flags["moved"],
        retry_failed=flags["retry_failed"],
        max_failures=None if flags["max_failures"] is None else MaxFailures.parse(flags["max_failures"]),
        limit=flags["limit"],
        by_content=flags["fingerprint"] == "content",
        fsync=flags["fsync"],
        verify=flags["verify"],
    )


def _lines_of(path: str) -> Iterator[str]:
    """The lines of a list, read as they are needed; undecodable names stay what they are."""
    if path != "-":
        try:
            return _lines_in(Path(path).open("rb"))
        except OSError as error:
            raise UsageError(f"--input_list {path}: {error.strerror or error}") from error
    if sys.stdin is None:
        raise UsageError("--input_list -: there is no standard input")
    # A copy, whose lock nobody needs when the program ends while a thread still waits for a line.
    return _lines_in(os.fdopen(os.dup(sys.stdin.fileno()), "rb"))


def _lines_in(file: BinaryIO) -> Iterator[str]:
    with file:
        for number, line in enumerate(file):
            # Some editors put a mark at the beginning of what they write.
            yield os.fsdecode(line.removeprefix(codecs.BOM_UTF8) if number == 0 else line)


@contextlib.contextmanager
def _logging(log_file: str | None) -> Iterator[None]:
    """While entered, what happens is appended to the file too."""
    if log_file is None:
        yield
        return
    try:
        handler = logging.FileHandler(log_file, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"--log_file {log_file}: {error.strerror or error}") from error
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.setLevel(logging.INFO)
    root = logging.getLogger()
    ours = logging.getLogger("docfleet")
    before = ours.level
    others = [(each, each.level) for each in root.handlers]
    # The terminal keeps to what it showed; the file gets more.
    for each, _ in others:
        each.setLevel(max(each.level, root.level))
    ours.setLevel(min(logging.INFO, before or root.level))
    root.addHandler(handler)
    try:
        yield
    finally:
        root.removeHandler(handler)
        handler.close()
        ours.setLevel(before)
        for each, level in others:
            each.setLevel(level)
