"""A block of lines at the lower end of a terminal, painted over in place; other lines scroll by above it.

      a note                 above("a note"): the block is erased, the note written, the block painted below it
      another note
      +-- block ---------+
      |  pages  12 of 40 |   paint([...]): cursor up to the first line, each line written over, the rest erased
      +------------------+
      _                      the cursor waits below the block

A frame is one write and never blanks what it does not replace, so that nothing flickers. The cursor is not hidden: a
program that is killed could not show it again. Lines are shorter than the terminal is wide; when it is made narrower
terminals fold them, so the way up is counted in folded lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.text import Text

_ERASE_BELOW = "\x1b[J"
_ERASE_TO_END_OF_LINE = "\x1b[K"


class Region:
    """The block. Lines come as they are written, colours and all."""

    def __init__(self, write: Callable[[str], None], width: Callable[[], int]) -> None:
        self._write = write
        self._width = width
        self._painted: list[str] = []
        self._painted_width = 0

    def paint(self, lines: Sequence[str]) -> None:
        """Show these lines instead of those before."""
        if list(lines) == self._painted and self._width() == self._painted_width:
            return
        body = "".join(f"{line}{_ERASE_TO_END_OF_LINE}\n" for line in lines)
        self._write(f"{self._way_up()}{body}{_ERASE_BELOW}")
        self._painted, self._painted_width = list(lines), self._width()

    def above(self, text: str) -> None:
        """Write a line above the block, for good."""
        body = "".join(f"{line}{_ERASE_TO_END_OF_LINE}\n" for line in self._painted)
        self._write(f"{self._way_up()}{_ERASE_BELOW}{text}\n{body}")
        self._painted_width = self._width()

    def leave(self) -> None:
        """Let the block stand; what is painted next is a new one below it."""
        self._painted = []

    def _way_up(self) -> str:
        """To the start of the block."""
        width = max(1, self._width())
        if width >= self._painted_width:
            rows = len(self._painted)
        else:
            rows = sum(max(1, -(-cell_len(Text.from_ansi(line).plain) // width)) for line in self._painted)
        return f"\r\x1b[{rows}A" if rows else "\r"
