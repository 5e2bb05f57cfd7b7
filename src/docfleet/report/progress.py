"""The progress of a job, for whoever watches: drawn on a terminal, as lines in a log, or not at all.

      job loop --update(JobView), note("...")--> Display --> standard error

A display never ends a job: when its terminal goes away it falls silent. It reads no journal and keeps nothing.
"""

from __future__ import annotations

from typing import Literal, Protocol, TextIO

from docfleet.report.view import JobView

Mode = Literal["auto", "rich", "plain", "none"]
MODES: tuple[Mode, ...] = ("auto", "rich", "plain", "none")


class Display(Protocol):
    """Shows a job. Used by the job's thread; log records may reach it from any."""

    def update(self, view: JobView) -> None:
        """How things are now. Called as often as one likes; the display draws as often as makes sense."""

    def note(self, line: str) -> None:
        """One line about something that happened: a failure, a worker replaced. Floods are cut."""

    def close(self) -> None:
        """Draw the last view once more and leave the terminal as it was. Idempotent."""


class NullDisplay:
    """Shows nothing."""

    def update(self, view: JobView) -> None:
        """Nothing."""

    def note(self, line: str) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def display_for(mode: Mode, stream: TextIO | None, *, quiet: bool = False) -> Display:
    """The display for a mode; `auto` draws on a terminal and writes lines elsewhere.

    `stream`: standard error; None (a program without one) shows nothing, and so does `quiet`.
    """
    if stream is None or quiet or mode == "none":
        return NullDisplay()
    if mode == "rich" or (mode == "auto" and can_draw(stream)):
        from docfleet.report.rich_display import RichDisplay

        return RichDisplay(stream)
    from docfleet.report.plain_display import PlainDisplay

    return PlainDisplay(stream)


def can_draw(stream: TextIO) -> bool:
    """Whether a stream is a terminal that understands where its cursor is told to go."""
    try:
        terminal = stream.isatty()
    except ValueError:  # It is closed.
        return False
    if not terminal:
        return False
    from rich.console import Console

    console = Console(file=stream)
    return not (console.is_dumb_terminal or console.legacy_windows)
