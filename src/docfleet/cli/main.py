"""`docfleet`: finds the command, runs it, and turns what went wrong into one line and an exit status.

    docfleet COMMAND ...  -->  table below  -->  module imported only now  -->  command
                                                                                 |
                       exit status (DESIGN 3.6)  <--  error raised or failures counted

The table keeps `docfleet --help` fast: no command's module is imported to list it.
"""

from __future__ import annotations

import errno
import importlib
import io
import logging
import os
import signal
import sys
from typing import Any

import click

from docfleet import __version__
from docfleet.errors import DocfleetError, OutputError

COMMANDS = {
    "ocr": ("docfleet.cli.ocr:command", "Read the text of images and PDFs."),
    "doc_preprocessor": ("docfleet.cli.doc_preprocessor:command", "Turn pages upright and make photos of pages flat."),
    "run": ("docfleet.cli.run:command", "Run a pipeline over a folder: a job that can be killed and resumed."),
    "status": ("docfleet.cli.status:command", "Show how the job of an output folder stands, running or dead."),
    "doctor": ("docfleet.cli.doctor:command", "Tell what a person should know before a long job."),
    "devices": ("docfleet.cli.devices:command", "Show devices, engines, and the slots a device string stands for."),
    "models": ("docfleet.cli.models:models", "List, fetch and verify the networks' weights."),
}
"""Command -> where it is, and its line in the overview."""


_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EBADF)


class _ReaderGone(Exception):
    """Nobody reads our output any more (`docfleet ocr ... | head`)."""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        name = cmd_name.replace("-", "_")
        if name not in COMMANDS:
            return None
        module, _, attr = COMMANDS[name][0].partition(":")
        command = getattr(importlib.import_module(module), attr)
        assert isinstance(command, click.Command)
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            status = super().invoke(ctx)
            # What is still in the buffer is written now, while there is somebody to tell.
            for stream in (sys.stdout, sys.stderr):
                if stream is not None:
                    stream.flush()
        except BrokenPipeError as error:
            raise _ReaderGone from error  # click would end the program with status 1, which means failed inputs
        except OSError as error:
            if error.errno not in _WRITING or error.filename is not None:
                raise
            raise OutputError(f"standard output cannot be written: {error.strerror}") from error
        return status

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog="`docfleet COMMAND --help` lists what a command takes.",
)
@click.version_option(__version__, prog_name="docfleet")
@click.option("-v", "--verbose", is_flag=True, help="Log what happens on standard error; debugging detail included.")
def docfleet(verbose: bool) -> None:
    """Document-AI pipelines over piles of images and PDFs, on every device you have."""
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s" if verbose else "docfleet: %(levelname)s: %(message)s",
    )


def main() -> None:
    """Entry point of the `docfleet` command."""
    for stream in (sys.stdout, sys.stderr):
        # A page's text may hold characters that the terminal's encoding has not; they are shown as escapes.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run the command line `arguments`; returns the exit status."""
    try:
        status = docfleet.main(arguments, prog_name="docfleet", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("docfleet: interrupted", err=True)
        return 128 + signal.SIGINT
    except _ReaderGone:
        _discard_output()
        return 128 + 13
    except DocfleetError as error:
        click.echo(f"docfleet: error: {error}", err=True)
        logging.getLogger(__name__).debug("where it happened", exc_info=error)
        if isinstance(error, OutputError):
            _discard_output()
        return error.exit_status
    return status if isinstance(status, int) else 0


def _discard_output() -> None:
    """Send what is still buffered nowhere: Python would try to write it once more at exit, and complain."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
