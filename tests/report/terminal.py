"""A terminal for tests: enough of one to see what a person would see.

It prints text, folds it at its right edge, scrolls, and obeys what docfleet's displays tell it: cursor up, erase below,
erase the line; colours are left out. Anything else is an error. As tmux, kitty and the terminals of GNOME
and KDE do, it folds lines anew when it changes its width. Where terminals differ it does the awkward thing.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\x1b\[(\??\d*(?:;\d+)*)([A-Za-z])|(.)", re.DOTALL)
_FILLER = ""
"""The second cell of a character that is two cells wide."""


@dataclass
class _Row:
    cells: list[str] = field(default_factory=list)
    goes_on: bool = False
    """Whether the next row is the rest of this line."""


class Terminal:
    """Its rows, those that were scrolled away included."""

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self._rows = [_Row()]
        self._top = 0
        """The first row that can be seen."""
        self._row = 0
        self._column = 0

    @property
    def lines(self) -> list[str]:
        """Everything that was ever shown, folded lines put together again, without what is blank at the end."""
        lines, text = [], ""
        for row in self._rows:
            text += "".join(row.cells)
            if not row.goes_on:
                lines.append(text.rstrip(" "))
                text = ""
        while lines and not lines[-1]:
            lines.pop()
        return lines

    @property
    def screen(self) -> list[str]:
        """What can be seen."""
        return ["".join(row.cells).rstrip(" ") for row in self._rows[self._top : self._top + self.height]]

    def write(self, text: str) -> None:
        """Show text, as a terminal whose driver makes CR LF of LF."""
        for parameters, command, character in _TOKEN.findall(text):
            if command:
                self._obey(command, parameters)
            elif character == "\n":
                self._line_feed(goes_on=False)
                self._column = 0
            elif character == "\r":
                self._column = 0
            else:
                self._put(character)

    def resize(self, width: int, height: int | None = None) -> None:
        """Another size. Lines are folded anew; the cursor stays at the start of its line, where displays leave it."""
        assert self._column == 0
        below = len(self._rows) - self._row
        rows: list[_Row] = []
        line: list[str] = []
        for row in self._rows:
            line += row.cells
            if not row.goes_on:
                rows += _folded(line, width)
                line = []
        self.width = width
        self.height = height or self.height
        self._rows = rows
        self._row = len(rows) - below
        self._top = max(0, len(rows) - self.height)

    def _obey(self, command: str, parameters: str) -> None:
        if command == "A":
            self._row = max(self._top, self._row - int(parameters or 1))
        elif command == "J":
            assert parameters in ("", "0")
            if (self._row, self._column) == (self._top, 0):
                # As tmux does: a cleared screen is scrolled away and not forgotten.
                self._rows += [_Row() for _ in range(self.height)]
                self._row += self.height
                self._top = self._row
                return
            self._erase_to_end()
            del self._rows[self._row + 1 :]
        elif command == "K":
            assert parameters == "2"
            self._rows[self._row] = _Row()
        else:
            # Colours, and whether the cursor is shown.
            assert command == "m" or parameters == "?25", f"the terminal was told {parameters}{command}"

    def _erase_to_end(self) -> None:
        row = self._rows[self._row]
        del row.cells[self._column :]
        row.goes_on = False

    def _put(self, character: str) -> None:
        assert character.isprintable(), f"the terminal was sent {character!r}"
        cells = self._rows[self._row].cells
        if unicodedata.combining(character):
            if self._column:
                before = max(index for index in range(self._column) if cells[index])
                cells[before] += character
            return
        size = width_of(character)
        if self._column + size > self.width:
            self._line_feed(goes_on=True)
            self._column = 0
            cells = self._rows[self._row].cells
        cells += [" "] * (self._column + size - len(cells))
        if not cells[self._column]:
            cells[self._column - 1] = " "  # half of a wide character was written over
        cells[self._column : self._column + size] = [character, _FILLER][:size]
        self._column += size
        if self._column < len(cells) and not cells[self._column]:
            cells[self._column] = " "

    def _line_feed(self, *, goes_on: bool) -> None:
        self._rows[self._row].goes_on = goes_on
        self._row += 1
        if self._row == len(self._rows):
            self._rows.append(_Row())
        self._top = max(self._top, self._row + 1 - self.height)


def width_of(text: str) -> int:
    """Cells that characters take."""
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def _folded(line: list[str], width: int) -> list[_Row]:
    """The cells of one line as rows."""
    rows = [_Row()]
    characters = ([cell, *([_FILLER] * (after == _FILLER))] for cell, after in itertools.pairwise([*line, " "]) if cell)
    for character in characters:
        if len(rows[-1].cells) + len(character) > width:
            rows[-1].goes_on = True
            rows.append(_Row())
        rows[-1].cells += character
    return rows
