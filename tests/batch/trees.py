"""Trees of files with difficult names, for Hypothesis: in memory, and as real folders."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from hypothesis import strategies as st

from docfleet.batch.siblings import Siblings

STEMS = (
    "a", "A", "b", "a_1", "A_1", "a_01", "a_1_2", "a_10", "a_0", "a_٣", "_1", "a_", "a.b", "a.json", ".hidden", "..x",
    "e\u0301", "\xe9", "\xc9", "ß", "SS", "ſ", "İ", "ı", "K", "ᾳ", "\u03b1\u0345", "a\ufe0f", "a\u200d", "\ufe0f",
    "a_\ufe0f1", "a~jpg", "a~pdf", "a~0123456789abcdef", "~", "con", "Con", "lpt¹", "nul .x", "aux", "a ", " a", "a.",
    "two\nlines", "tab\tbed", "bell\a", "del\x7f", "nbsp\xa0", "a:b", "a?b", "back\\slash", "\udcff", "\udcff_1",
    "x" * 119, "x" * 120, "x" * 121, "x" * 251, "日" * 39, "日" * 83, "_docfleet", "_DOCFLEET", "jsonl", "part-00001",
    "2026.05", "😀",
)  # fmt: skip
SUFFIXES = (
    "", ".jpg", ".JPG", ".png", ".pdf", ".PDF", ".tif", ".tiff", ".img", ".gif", ".json", ".jsonl", ".txt", ".x.pdf",
)  # fmt: skip
FOLDERS = (*STEMS, "a.json", "A.JSON", "a.txt", "a~0123456789abcdef", "v1.0", "01", "a.j\ufe0fson")


def is_name(name: str) -> bool:
    """Whether a file of a Linux file system can be called so."""
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name and len(os.fsencode(name)) <= 255


_ODD = st.text(st.sampled_from("aAéÉ_1~. \n\udce9\x01"), min_size=1, max_size=6)
_ANY = st.binary(min_size=1, max_size=8).map(os.fsdecode)
file_names = st.one_of(
    st.builds("{}{}".format, st.sampled_from(STEMS), st.sampled_from(SUFFIXES)),
    st.builds("{}{}".format, _ODD | _ANY, st.sampled_from(SUFFIXES)),
).filter(is_name)
folder_names = (st.sampled_from(FOLDERS) | _ODD | _ANY).filter(is_name)
paths = st.builds(
    lambda folders, name: "/".join([*folders, name]), st.lists(folder_names, max_size=2), file_names
)  # fmt: skip


class Tree:
    """Files by their relative paths, and what there is beside each."""

    def __init__(self, given: Iterable[str]) -> None:
        """A path that is a file already is no folder, and the other way round: the first one counts."""
        self.folders: dict[str, dict[str, bool]] = {"": {}}
        self.files: list[str] = []
        for path in given:
            self._add(path)

    def _add(self, path: str) -> None:
        parts = path.split("/")
        above = ["/".join(parts[:depth]) for depth in range(len(parts))]
        kinds = [self.folders.get(folder, {}).get(part) for folder, part in zip(above, parts, strict=True)]
        if False in kinds[:-1] or kinds[-1] is not None:
            return
        for folder, part in zip(above[:-1], parts[:-1], strict=True):
            self.folders.setdefault(folder, {})[part] = True
        self.folders.setdefault(above[-1], {})[parts[-1]] = False
        self.files.append(path)

    def siblings(self, folder: str) -> Siblings:
        return Siblings(self.folders[folder])

    def make(self, root: Path) -> None:
        """As real folders and files."""
        for path in self.files:
            place = root / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(b"")


UNSEEN = frozenset(
    map(chr, (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x3164, 0xFFA0, *range(0x180B, 0x1810), *range(0xFE00, 0xFE10),
              *range(0xE0100, 0xE01F0)))
)  # fmt: skip
"""Marks and letters without a look; the other such characters are of the category Cf."""


def folded(name: str) -> str:
    """The same for names that some file system takes for the same; written apart from what it tests."""
    seen = "".join(letter for letter in name if letter not in UNSEEN and unicodedata.category(letter) != "Cf")
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", seen).casefold())
