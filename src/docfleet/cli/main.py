"""`docfleet`: finds the command, runs it, and turns what went wrong into one line and an exit status.

    docfleet COMMAND ...  -->  table below  -->  module imported only now  -->  command
                                                                                 |
                       exit status (DESIGN 3.6)  <--  error raised or failures counted

The table keeps `docfleet --help` fast: no command's module is imported to list it.
"""

from __future__ import annotations

import importlib
import logging
import os
import signal
import sys

import click

from docfleet import __version__
from docfleet.errors import DocfleetError

COMMANDS = {
    "ocr": ("docfleet.cli.ocr:command", "Read the text of images and PDFs."),
    "models": ("docfleet.cli.models:models", "List, fetch and verify the networks' weights."),
}
"""Command -> where it is, and its line in the overview."""


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
    except BrokenPipeError:
        # The reader of our output is gone (`docfleet ocr ... | head`). Python would complain once more while flushing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except DocfleetError as error:
        click.echo(f"docfleet: error: {error}", err=True)
        logging.getLogger(__name__).debug("where it happened", exc_info=error)
        return error.exit_status
    return status if isinstance(status, int) else 0
