"""The fonts that the package draws with, fetched once by whoever is first.

The package fetches a font when it draws, straight into its place: a second process takes what is there of it, and what
a killed one left stays for good. Without a network OCR's drawings try again for each line of each page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from docfleet.errors import StartError

_USUAL = ("PINGFANG_FONT", "SIMFANG_FONT")
_ready: set[int] = set()
"""Fonts that this process has seen to be whole."""


def prepare_usual_fonts() -> None:
    """The fonts that most drawings need. Raises StartError where one can neither be found nor fetched."""
    try:
        from paddlex.utils import fonts
    except ImportError:
        return  # Another version of the package, which keeps them elsewhere: it will do what it does.
    prepare(font for name in _USUAL if (font := getattr(fonts, name, None)) is not None)


def prepare_fonts_of(result: Any) -> None:
    """The fonts of the languages in a result. Raises StartError."""
    prepare(_fonts_in(result))


def prepare(fonts: Iterable[Any]) -> None:
    """Make sure that fonts are on the disk, and whole. Raises StartError."""
    for font in fonts:
        if id(font) not in _ready:
            _prepare(font)
            _ready.add(id(font))


def _prepare(font: Any) -> None:
    from filelock import FileLock
    from paddlex.utils.cache import CACHE_DIR
    from PIL import ImageFont

    folder = Path(CACHE_DIR)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "docfleet-fonts.lock"):
            try:
                ImageFont.truetype(font.path, 12)
            except OSError:
                # Half a file of a process that died: once more, from the start.
                name = getattr(font, "_font_name", None)
                if name is None or not (left := folder / "fonts" / name).exists():
                    raise
                left.unlink()
                font._local_path = None
                ImageFont.truetype(font.path, 12)
    except Exception as error:
        raise StartError(
            f"drawings need a font that can neither be found nor fetched: {type(error).__name__}: "
            f"{' '.join(str(error).split())[:200]}; set PADDLE_PDX_LOCAL_FONT_FILE_PATH to a .ttf file, or save no img"
        ) from error


def _fonts_in(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.get("vis_fonts") or ()
        for member in value.values():
            yield from _fonts_in(member)
    elif isinstance(value, list | tuple):
        for member in value:
            if isinstance(member, Mapping):
                yield from _fonts_in(member)
