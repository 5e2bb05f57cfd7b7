"""What there is beside a document, as far as its output's name depends on it (see `docfleet.batch.names`).

A folder may hold ten million files, so a name is kept as eight bytes: its hash. Two names with the same hash would be
taken for the same, which makes an output's name longer than it need be, and nothing worse.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence

from docfleet.documents.folders import is_document_name

PAGED_SUFFIXES = (".pdf", ".tif", ".tiff", ".gif")
"""Of documents that may have several pages; a file of another suffix is given no short name for its pages."""

_ENDS_IN_A_PAGE = re.compile(r"(?P<stem>.+)_(?:0|[1-9][0-9]*)", re.DOTALL)
_MANY = 100_000


def name_key(name: str) -> str:
    """The same for names that some file system takes for the same: without case, composed or decomposed."""
    if name.isascii():
        return name.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def split_suffix(name: str) -> tuple[str, str]:
    """Stem and suffix as `pathlib` splits them: `a.tar`, `.gz`; `.png` alone is a stem."""
    place = name.rfind(".")
    return (name[:place], name[place:]) if 0 < place < len(name) - 1 else (name, "")


def stem_of_page(stem: str) -> str | None:
    """`a` for `a_7`, which is what page 7 of `a.pdf` is called; None for all other stems."""
    match = _ENDS_IN_A_PAGE.fullmatch(stem)
    return None if match is None else match["stem"]


class Siblings:
    """The names in one folder."""

    def __init__(self, names: Iterable[str]) -> None:
        """`names`: of all entries, folders too."""
        entries, starts, stems, paged, numbered = (array("q") for _ in range(5))
        for name in names:
            entries.append(hash(name_key(name)))
            stem, suffix = split_suffix(name)
            key = hash(name_key(stem))
            starts.append(key)
            if not is_document_name(name):
                continue
            stems.append(key)
            if suffix.lower() in PAGED_SUFFIXES:
                paged.append(key)
            if (whole := stem_of_page(stem)) is not None:
                numbered.append(hash(name_key(whole)))
        self._entries, self._starts, self._stems = _in_order(entries), _in_order(starts), _in_order(stems)
        self._paged, self._numbered = _in_order(paged), _in_order(numbered)

    def shares_name(self, name: str) -> bool:
        """Whether another entry differs from this one in case or composition alone."""
        return _count(self._entries, name) > 1

    def shares_stem(self, stem: str) -> bool:
        """Whether more than one document has this stem."""
        return _count(self._stems, stem) > 1

    def is_only(self, stem: str) -> bool:
        """Whether no more than one entry of any kind has this stem."""
        return _count(self._starts, stem) <= 1

    def has_paged(self, stem: str) -> bool:
        """Whether a document that may have pages has this stem."""
        return _count(self._paged, stem) > 0

    def has_numbered(self, stem: str) -> bool:
        """Whether a document is called as a page of one with this stem would be."""
        return _count(self._numbered, stem) > 0


def _in_order(keys: array[int]) -> Sequence[int]:
    if len(keys) <= _MANY:
        return sorted(keys)
    import numpy as np

    # Sorted in place: a list of ten million numbers takes ten times as much.
    np.frombuffer(keys, dtype=np.int64).sort()
    return keys


def _count(keys: Sequence[int], name: str) -> int:
    """0, 1, or 2 for more."""
    key = hash(name_key(name))
    first = bisect_left(keys, key)
    if first == len(keys) or keys[first] != key:
        return 0
    return 2 if first + 1 < len(keys) and keys[first + 1] == key else 1
