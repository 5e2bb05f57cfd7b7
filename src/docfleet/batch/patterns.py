"""Patterns over paths, matched one name at a time, so that a walk of the tree sees each path once.

      **/2026/*.jpg      places:  0 **   1 2026   2 *.jpg   3 (the end)

      ""                 {0, 1}         `**` stands for no folder too, so what comes after it is expected as well
      "scans/"           {0, 1}
      "scans/2026/"      {0, 1, 2}
      "scans/2026/a.jpg" place 2 matches it and is the last: matched

Matching is that of `Path.glob` in Python 3.11: `**` as a whole component stands for any number of folders and does not
follow links, the other components follow them, hidden names match, and a slash at the end asks for folders.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cache
from typing import Self

from docfleet.documents.folders import MAGIC_CHARACTERS
from docfleet.errors import UsageError

Places = frozenset[int]
"""Which components are expected next; the number of components stands for the end."""
NOWHERE: Places = frozenset()


@dataclass(frozen=True, slots=True)
class Pattern:
    """The components of a pattern, relative to the folder in which it is matched."""

    parts: tuple[str, ...]
    folders_only: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises UsageError for what is no pattern below a folder."""
        if not text or os.path.isabs(text):  # noqa: PTH117
            raise UsageError(
                f"input_glob_pattern is {text!r}: give a pattern relative to the input folder, like '**/*.jpg'"
            )
        pieces = re.split(r"[\\/]" if os.altsep else "/", text)
        parts = tuple(part for part in pieces if part not in ("", os.curdir))
        if os.pardir in parts:
            raise UsageError(f"input_glob_pattern is {text!r}: it may not leave the input folder")
        if any("**" in part and part != "**" for part in parts):
            raise UsageError(f"input_glob_pattern is {text!r}: '**' stands for whole folders, as in '**/*.jpg'")
        return cls(parts, folders_only=pieces[-1] == "")

    def start(self) -> Places:
        """What is expected in the folder itself."""
        return self._closed({0})

    def is_matched(self, places: Places) -> bool:
        """Whether the folder in which these are expected is matched itself."""
        return len(self.parts) in places

    def below(self, places: Places, name: str, *, is_link: bool = False) -> Places:
        """What is expected in a folder of that name; `NOWHERE` if nothing can be in it that matters."""
        if not places:
            return NOWHERE
        found = {place + 1 for place in self._matching(places, name)}
        if not is_link:
            found.update(place for place in places if place < len(self.parts) and self.parts[place] == "**")
        return self._closed(found)

    def matches_file(self, places: Places, name: str) -> bool:
        """Whether a file of that name is matched."""
        last = len(self.parts) - 1
        return last in places and not self.folders_only and last in self._matching(places, name)

    def names(self, places: Places) -> list[str] | None:
        """The names that are expected, where they can be told without listing the folder."""
        expected = [self.parts[place] for place in places if place < len(self.parts)]
        plain = all(part != "**" and MAGIC_CHARACTERS.isdisjoint(part) for part in expected)
        return sorted(set(expected)) if plain else None

    def _matching(self, places: Places, name: str) -> list[int]:
        """Places of single components that match the name."""
        return [
            place
            for place in places
            if place < len(self.parts) and self.parts[place] != "**" and _compiled(self.parts[place]).match(name)
        ]

    def _closed(self, places: set[int]) -> Places:
        """With what comes after each `**`, which may stand for nothing."""
        for place in sorted(places):
            while place < len(self.parts) and self.parts[place] == "**":
                place += 1
                places.add(place)
        return frozenset(places)


@cache
def _compiled(part: str) -> re.Pattern[str]:
    return re.compile(translate(part))
