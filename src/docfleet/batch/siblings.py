"""What there is beside a document, as far as its output's name depends on it (see `docfleet.batch.names`).

A folder may hold ten million files, so a name is kept as eight bytes, its hash, and only where it matters: a name that
occurs once matters as a document with pages, or as what is called like a page. Two names with the same hash would be
taken for the same, which makes an output's name longer than it need be, and nothing worse.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import pairwise

from docfleet.documents.folders import is_document_name

PAGED_SUFFIXES = (".pdf", ".tif", ".tiff")
"""Of documents that may have several pages; a file of another suffix is given no short name for its pages."""

_ENDS_IN_A_PAGE = re.compile(r"(?P<stem>.+)_(?:0|[1-9][0-9]*)", re.DOTALL)
_UNSEEN = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""Characters that have no look of their own (Unicode's Default_Ignorable_Code_Point)."""
_MANY = 100_000
"""Names past which NumPy sorts their hashes: a list of ten million numbers takes ten times as much memory."""


def name_key(name: str) -> str:
    """The same for names that some file system takes for the same.

    Without case; composed or decomposed; without characters that have no look, which HFS+ and a case-insensitive ext4
    pass over.
    """
    if name.isascii():
        return name.lower()
    decomposed = unicodedata.normalize("NFD", _UNSEEN.sub("", name))
    return unicodedata.normalize("NFC", decomposed.casefold())


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
            key = name_key(stem)
            starts.append(hash(key))
            if not is_document_name(name):
                continue
            stems.append(hash(key))
            if suffix.lower() in PAGED_SUFFIXES:
                paged.append(hash(key))
            if (whole := stem_of_page(key)) is not None:
                numbered.append(hash(whole))
        self._entries, self._starts, self._stems = _repeated(entries), _repeated(starts), _repeated(stems)
        self._paged, self._numbered = _distinct(paged), _distinct(numbered)

    def shares_name(self, name: str) -> bool:
        """Whether another entry differs from this one in case, composition or unseen characters alone."""
        return _has(self._entries, name_key(name))

    def shares_stem(self, stem: str) -> bool:
        """Whether more than one document has this stem."""
        return _has(self._stems, name_key(stem))

    def is_only(self, stem: str) -> bool:
        """Whether no more than one entry of any kind has this stem."""
        return not _has(self._starts, name_key(stem))

    def has_whole(self, stem: str) -> bool:
        """Whether a page of some document that may have pages would be called like this."""
        whole = stem_of_page(name_key(stem))
        return whole is not None and _has(self._paged, whole)

    def has_numbered(self, stem: str) -> bool:
        """Whether a document is called as a page of one with this stem would be."""
        return _has(self._numbered, name_key(stem))


def _distinct(keys: array[int]) -> Sequence[int]:
    if len(keys) <= _MANY:
        return sorted(set(keys))
    import numpy as np

    return array("q", np.unique(np.frombuffer(keys, dtype=np.int64)).tobytes())


def _repeated(keys: array[int]) -> Sequence[int]:
    """Those that occur more than once, in order."""
    if len(keys) <= _MANY:
        ordered = sorted(keys)
        return sorted({key for key, following in pairwise(ordered) if key == following})
    import numpy as np

    found = np.frombuffer(keys, dtype=np.int64)
    found.sort()
    return array("q", np.unique(found[1:][found[1:] == found[:-1]]).tobytes())


def _has(keys: Sequence[int], key: str) -> bool:
    wanted = hash(key)
    place = bisect_left(keys, wanted)
    return place < len(keys) and keys[place] == wanted
