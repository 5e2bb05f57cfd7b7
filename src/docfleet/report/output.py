"""Standard error for displays: a stream that may go away, and that may not know every character."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


class Output:
    """Writes to a stream until that fails, and nothing from then on.

    A terminal that is closed, a reader that has left, the full disk of a log: the job's results depend on none of them,
    and there would be nowhere to say so.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._gone = False
        self._console: Console | None = None

    @property
    def ascii_only(self) -> bool:
        """Whether the stream has no characters for lines, bars and dots."""
        return not self._encoding.lower().replace("_", "-").startswith("utf")

    def write(self, text: str) -> None:
        """Write and flush; characters that the stream's encoding has not are written as escapes."""
        if self._gone:
            return
        try:
            self._stream.write(text.encode(self._encoding, "backslashreplace").decode(self._encoding))
            self._stream.flush()
        except (OSError, ValueError):
            self._gone = True

    def drawn(self, lines: Iterable[Text], *, force: bool = False) -> list[str]:
        """The lines with the colours that the stream understands; `force` takes it for a terminal."""
        if self._console is None:
            self._console = _console(self._stream, force)
        with self._console.capture() as capture:
            for line in lines:
                self._console.print(line, soft_wrap=True)
        return capture.get().split("\n")[:-1]


def _console(stream: TextIO, force: bool) -> Console:
    """A console that knows the stream's colours and never touches it.

    One that writes to the stream writes at the end of each capture too, and ends the program if nobody reads there.
    """
    from rich.console import Console

    colours = Console(file=stream, force_terminal=True if force else None).color_system
    # Lines are never folded, so the width means nothing.
    return Console(
        file=io.StringIO(),
        color_system=colours,  # type: ignore[arg-type]  # a name from the list of those allowed
        force_terminal=colours is not None,
        highlight=False,
        markup=False,
        emoji=False,
    )
