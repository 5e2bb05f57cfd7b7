"""A block of lines at the lower end of a terminal, painted over in place; other lines scroll by above it.

      a note                 above("a note"): the block is erased, the note written, the block painted below it
      another note
      +-- block ---------+
      |  pages  12 of 40 |   paint([...]): cursor up to the first line, each line written over, the rest erased
      +------------------+
      _                      the cursor waits below the block

A frame is one write, and each line is erased only as it is written anew, so that nothing flickers. The cursor is not
hidden: a program that is killed could not show it again.

Lines are narrower than the terminal when they are painted. When it is made narrower afterwards, terminals fold them
(tmux, kitty, those of GNOME, KDE and macOS; xterm cuts them instead), so the way up is counted in folded lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.text import Text

_ERASE_BELOW = "\x1b[J"
_ERASE_LINE = "\x1b[2K"


class Region:
    """The block. Lines come as they are written, colours and all."""

    def __init__(self, write: Callable[[str], None], width: Callable[[], int]) -> None:
        self._write = write
        self._width = width
        self._painted: list[str] = []
        self._painted_width = 0

    def paint(self, lines: Sequence[str]) -> None:
        """Show these lines, one at least and each narrower than the terminal, instead of those before."""
        width = self._width()
        if list(lines) == self._painted and width == self._painted_width:
            return
        self._write(f"{_up(self._rows(width))}{_body(lines)}{_ERASE_BELOW}")
        self._painted, self._painted_width = list(lines), width

    def above(self, text: str) -> None:
        """Write a line above the block, for good."""
        rows = self._rows(self._width())
        # Row by row: if all is erased from the top tmux takes it for a cleared screen, of which it keeps a copy.
        erased = _body([""] * rows) + _ERASE_LINE
        self._write(f"{_up(rows)}{erased}{_up(rows)}{text}\n{_body(self._painted)}")

    def leave(self) -> None:
        """Let the block stand; what is painted next is a new one below it."""
        self._painted = []

    def _rows(self, width: int) -> int:
        """How many rows of the terminal the block takes."""
        return sum(_rows(line, width) for line in self._painted)


def _up(rows: int) -> str:
    """To the start of a line so many rows higher."""
    return f"\r\x1b[{rows}A" if rows else "\r"


def _body(lines: Sequence[str]) -> str:
    # Erased first: behind a full line xterm would erase its last character, and tmux remembers a line that was longer
    # as longer, and folds it when it is made narrower.
    return "".join(f"{_ERASE_LINE}{line}\n" for line in lines)


def _rows(line: str, width: int) -> int:
    """How many rows of a terminal a line takes."""
    plain = Text.from_ansi(line).plain
    if cell_len(plain) <= width:
        return 1
    rows, used = 1, 0
    for character in plain:
        cells = cell_len(character)
        # One that is two cells wide is not folded in the middle.
        if used + cells > width:
            rows, used = rows + 1, 0
        used += cells
    return rows
