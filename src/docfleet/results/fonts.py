"""Fonts for drawings: those of this machine, a character from the first font that has it. Nothing is downloaded.

      the font named in a call, or by DOCFLEET_FONT  >  well-known fonts of wide coverage  >  what else is installed
                                                     >  the one that Pillow carries (Latin)

      "发票 No. 7" --runs--> [(Noto Sans CJK, "发票 No. 7")]     or, without a Chinese font,
                             [(DejaVu Sans, "□□ No. 7")]         and one warning

The reference downloads its fonts and fails where it cannot.
"""

from __future__ import annotations

import functools
import itertools
import logging
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from docfleet.errors import UsageError

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont

log = logging.getLogger(__name__)

VARIABLES = ("DOCFLEET_FONT", "PADDLE_PDX_LOCAL_FONT_FILE_PATH")
"""Environment variables that name a font file; the second is the reference's."""

_PREFERRED = (
    "notosanscjk-regular", "notosanscjksc-regular", "notosanssc-regular", "sourcehansanssc-regular",
    "sourcehansanscn-regular", "sourcehansans-regular", "wqy-microhei", "wqy-zenhei", "droidsansfallbackfull",
    "droidsansfallback", "pingfang", "hiraginosansgb", "stheitilight", "msyh", "simsun", "simfang", "arialunicode",
    "arialunicodems", "notosans-regular", "dejavusans", "liberationsans-regular", "arial", "freesans", "helvetica",
)  # fmt: skip
"""Names of font files, lower case without spaces, in order of preference: Chinese, Japanese and Korean first, which
have Latin letters too."""

_SUFFIXES = (".ttf", ".ttc", ".otf", ".otc")
_MOST = 200
"""Fonts that are looked into for a character: on a machine with thousands, rare ones are not worth the seconds."""
_SIZES = 64
"""Sizes of a font that are kept open: each has the file mapped once more."""
_PROBE_SIZE = 24
_NOWHERE = "\U0010fffe"
"""A code point that is no character: a font draws for it what it draws for every character that it lacks."""
_BOX = "\u25a1"


class Face:
    """One font file, or Pillow's own where `path` is None."""

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._sizes: dict[int, FreeTypeFont] = {}
        self._has: dict[str, bool] = {}

    def at(self, size: int) -> FreeTypeFont:
        """The font at a size in pixels. Raises OSError if the file is no font that can be drawn at any size."""
        from PIL import ImageFont

        if size not in self._sizes:
            if len(self._sizes) >= _SIZES:
                self._sizes.clear()
            font = ImageFont.load_default(size) if self.path is None else ImageFont.truetype(self.path, size)
            if not isinstance(font, ImageFont.FreeTypeFont):
                raise OSError("this Pillow was built without FreeType")
            self._sizes[size] = font
        return self._sizes[size]

    def has(self, character: str) -> bool:
        """Whether the font has a glyph of its own for a character."""
        if character == " ":
            return True
        if character not in self._has:
            self._has[character] = self._looks(character) != self._looks(_NOWHERE)
        return self._has[character]

    def usable(self) -> bool:
        """Whether the font can be opened; bitmap and colour fonts cannot at any size."""
        try:
            self.at(_PROBE_SIZE)
        except (OSError, ValueError):
            return False
        return True

    def _looks(self, character: str) -> tuple[tuple[int, int], bytes]:
        mask = self.at(_PROBE_SIZE).getmask(character)
        return mask.size, bytes(mask)


class Fonts:
    """Fonts in order of preference."""

    def __init__(self, paths: Sequence[Path | None]) -> None:
        """Fonts that cannot be used are passed over when it is their turn."""
        self._waiting = iter(paths)
        self._faces: list[Face] = []
        self._chosen: dict[str, Face | None] = {}
        self._warned = False
        self._lock = threading.Lock()
        """Guards everything above: pages are drawn in several threads."""

    def runs(self, text: str) -> list[tuple[Face, str]]:
        """One line of text in pieces, each with the font that has its characters.

        A character that no font has becomes a box; the first time, a warning says so. Nothing is returned where there
        is no font at all.
        """
        with self._lock:
            return self._runs(text)

    def _runs(self, text: str) -> list[tuple[Face, str]]:
        default = next(self._each(), None)
        if default is None:
            return []
        text = "".join(" " if character.isspace() else character for character in text if _visible(character))
        placed = [(self._face_for(character), character) for character in text]
        missing = {character for face, character in placed if face is None}
        if missing and not self._warned:
            self._warned = True
            log.warning(
                "no font on this machine has %s: drawings show boxes instead. Install a font that has them (as "
                "fonts-noto-cjk) or name one with %s",
                ", ".join(f"{character!r}" for character in sorted(missing)[:3]),
                VARIABLES[0],
            )
        box = _BOX if default.has(_BOX) else "?"
        shown = [(face or default, character if face else box) for face, character in placed]
        return [
            (face, "".join(character for _, character in group))
            for face, group in itertools.groupby(shown, key=lambda one: one[0])
        ]

    def _face_for(self, character: str) -> Face | None:
        if character not in self._chosen:
            self._chosen[character] = next((face for face in self._each() if face.has(character)), None)
        return self._chosen[character]

    def _each(self) -> Iterator[Face]:
        """The fonts, opened as they are needed."""
        yield from self._faces
        for path in self._waiting:
            face = Face(path)
            if face.usable():
                self._faces.append(face)
                yield face


def _visible(character: str) -> bool:
    """Whether a character takes part in a line: letters, signs and spaces do, controls and direction marks do not."""
    return character.isspace() or character.isprintable()


def fonts_for(chosen: str | os.PathLike[str] | None = None) -> Fonts:
    """The fonts for a drawing: `chosen`, or what the environment names, before those of the machine.

    Raises UsageError if the font that was named cannot be used.
    """
    named = chosen or next((value for name in VARIABLES if (value := os.environ.get(name))), None)
    return _fonts(None if named is None else os.fspath(named))


@functools.cache
def _fonts(named: str | None) -> Fonts:
    first: list[Path | None] = []
    if named is not None:
        if not Face(Path(named)).usable():
            raise UsageError(f"{named} is not a font that can be used: name a TrueType or OpenType file")
        first = [Path(named)]
    return Fonts([*first, *installed(font_folders())[:_MOST], None])


def font_folders() -> list[Path]:
    """Where this system keeps fonts."""
    home = Path.home()
    if sys.platform == "darwin":
        return [home / "Library/Fonts", Path("/Library/Fonts"), Path("/System/Library/Fonts")]
    if sys.platform == "win32":
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"]
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    own = os.environ.get("XDG_DATA_HOME") or str(home / ".local/share")
    return [*(Path(folder) / "fonts" for folder in (own, *shared.split(":"))), home / ".fonts"]


def installed(folders: Sequence[Path]) -> list[Path]:
    """The font files below some folders, preferred ones first, the others by name."""
    found = [
        Path(folder, name)
        for top in folders
        for folder, _, names in os.walk(top)
        for name in names
        if name.lower().endswith(_SUFFIXES)
    ]
    return sorted(found, key=lambda path: (_rank(path), path.name, path))


def _rank(path: Path) -> int:
    name = path.stem.lower().replace(" ", "")
    return _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED)
