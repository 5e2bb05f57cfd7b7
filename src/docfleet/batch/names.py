"""What the files of a document are called: the reference script's names where those are unambiguous, else others.

      scans/a.jpg                   scans/a              -> scans/a.json
      scans/a.jpg beside a.png      scans/a~jpg          -> scans/a~jpg.json
      scans/a.pdf                   scans/a_<page>       -> scans/a_0.json, scans/a_1.json, ...
      scans/a_1.jpg beside a.pdf    scans/a_1~jpg        a_1 is page 1 of a.pdf
      scans/a.jpg beside A.jpg      scans/a~<hash>       they differ in case alone
      scans/two<newline>lines.png   scans/two_lines~<hash>
      scans/a.img beside a.jpg      scans/a~<hash>       .img is no suffix that is taken from folders
      a file that is not below the input folder          <folder>~<hash>/a~<hash>

A name is a function of the document's own path and of the names beside it, not of the order in which documents were
met: two runs that list in different orders give the same names. It is one-to-one, also where a file system takes
capital letters for small ones, composed letters for decomposed ones, and passes over characters without a look:

- A short name holds no `~`, and no other document of its folder has its stem; where its own suffix is not one that is
  taken from folders, no other entry at all.
- A suffix name ends in `~` and a suffix that is taken from folders. Its stem holds no `~`, and no other entry of its
  folder has its name.
- A hashed name ends in `~` and sixteen hexadecimal digits, a hash of the whole path.
- Names of pages end in `_<number>`. A short name of a plain image does not end so where a document of pages beside it
  has the rest as its stem, and then the pages are no short names either.

Folders keep their names unless those could not be told apart, or could be taken for a file that a job writes.

What lies beside a document may change from run to run, and a document keeps the name that it was given first. So a name
that is given to a new document is checked once more, against those that other documents have had (`Claims`), and is
hashed where it is taken.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from docfleet.batch.folder import OWN
from docfleet.batch.siblings import PAGED_SUFFIXES, Siblings, name_key, split_suffix, stem_of_page
from docfleet.documents.folders import SUFFIXES, is_document_name

_LONGEST = 120
"""Bytes of a name: what is appended (a hash, a page, a key, a suffix) has to fit into the usual 255 with it."""
_ENDS_IN_A_HASH = re.compile(r"~[0-9a-f]{16}$")
_LOOKS_WRITTEN = re.compile(r"\.[a-z][a-z0-9]{1,4}$")
"""What may be the suffix of an output: `.json`, and not the `.05` of a folder called `2026.05`."""
_FORBIDDEN = frozenset('<>:"|?*\\/')
_PORTS = [f"{port}{number}" for port in ("com", "lpt") for number in "123456789¹²³"]
_RESERVED = frozenset(["con", "prn", "aux", "nul", "conin$", "conout$", *_PORTS])
"""What no file may be called on Windows: outputs are carried about."""

SiblingsOf = Callable[[str], Siblings]
"""Of a folder, by its path relative to the input folder; `""` is that folder itself."""


@dataclass(frozen=True, slots=True)
class OutputName:
    """Where the files of a document go: below the output folder, `/` between folders, without a suffix."""

    single: str
    """Of a document that is a plain image."""
    paged: str
    """Of a document of pages; page 7 (0-based) is `<paged>_7`."""

    def of(self, page_index: int | None) -> str:
        """The name of one page."""
        return self.single if page_index is None else f"{self.paged}_{page_index}"


def output_name(relative: str, siblings_of: SiblingsOf, *, place: str | None = None) -> OutputName:
    """The name of a document at `relative`, a path below the input folder with the platform's separators.

    `place`: the `output_folder` of its folder, where that is known already.
    """
    folder, name = os.path.split(relative)
    if place is None:
        place = output_folder(folder, siblings_of)
    single, paged = _file_names(relative, name, siblings_of(folder))
    return OutputName(single=place + single, paged=place + paged)


def outside_name(path: str) -> OutputName:
    """The name of a document that is not below the input folder, by its absolute path."""
    folder, name = os.path.split(path)
    hashed = f"{_hashed(os.path.basename(folder), folder)}/{_hashed(name, path)}"  # noqa: PTH119
    return OutputName(single=hashed, paged=hashed)


def hashed_name(name: OutputName, relative: str) -> OutputName:
    """Instead of `name`, in the same folder: one that no other document can have, whatever lies or lay beside it."""
    folder, slash, _ = name.single.rpartition("/")
    stem, _ = split_suffix(os.path.basename(relative))  # noqa: PTH119
    hashed = folder + slash + _hashed(stem, relative)
    return OutputName(single=hashed, paged=hashed)


@dataclass(frozen=True, slots=True)
class Claims:
    """What a name takes, as words of which equal ones exclude each other. A hashed name takes nothing: it is unique."""

    own: tuple[str, ...]
    """No other document may have these."""
    pages: tuple[str, ...]
    """A document of pages may not have these: the name is called like one of its pages. Several documents may."""
    against: tuple[str, ...]
    """No other document may have these among its `own` or `pages`; taken by nobody in turn."""

    @classmethod
    def of(cls, name: OutputName) -> Self:
        """What a document of that name takes."""
        own, pages, against = [], [], []
        single, paged = name_key(name.single), name_key(name.paged)
        if not _ENDS_IN_A_HASH.search(single):
            own.append(f"single {single}")
            if (whole := stem_of_page(single)) is not None:
                pages.append(f"page of {whole}")
                against.append(f"paged {whole}")
        if not _ENDS_IN_A_HASH.search(paged):
            own.append(f"paged {paged}")
            # No name is called like a page of a suffix name: what ends in a number holds no `~`.
            if "~" not in paged.rpartition("/")[2]:
                against.append(f"page of {paged}")
        return cls(tuple(own), tuple(pages), tuple(against))


def output_folder(folder: str, siblings_of: SiblingsOf) -> str:
    """The folder that outputs of documents in `folder` go to: `""`, or with a `/` at its end."""
    result = ""
    above = ""
    for part in folder.split(os.sep) if folder else []:  # noqa: PTH206 - a relative one; "." would vanish in a Path
        whole = os.path.join(above, part)  # noqa: PTH118 - relative, as everything here
        key = name_key(part)
        keep = _is_plain(part) and not _LOOKS_WRITTEN.search(key) and not _ENDS_IN_A_HASH.search(key)
        if not above and key == OWN:
            keep = False
        if keep and siblings_of(above).shares_name(part):
            keep = False
        result += f"{part if keep else _hashed(part, whole)}/"
        above = whole
    return result


def _file_names(relative: str, name: str, beside: Siblings) -> tuple[str, str]:
    """Names for a plain image and for pages, without the folder."""
    stem, suffix = split_suffix(name)
    suffix = suffix.lower()
    if "~" in stem or not _is_plain(name) or beside.shares_name(name):
        return (hashed := _hashed(stem, relative)), hashed
    usual = is_document_name(name)
    if beside.shares_stem(stem) or not (usual or beside.is_only(stem)):
        return (long := _long(stem, suffix, relative)), long
    single = _long(stem, suffix, relative) if beside.has_whole(stem) else stem
    short_pages = suffix in PAGED_SUFFIXES and not beside.has_numbered(stem)
    return single, stem if short_pages else _long(stem, suffix, relative)


def _long(stem: str, suffix: str, relative: str) -> str:
    """The suffix name, which is for suffixes that are taken from folders; else the hashed one."""
    return f"{stem}~{suffix[1:]}" if suffix in SUFFIXES else _hashed(stem, relative)


def _is_plain(name: str) -> bool:
    """Whether any file system can hold the name, with what is appended, as it is."""
    return (
        name.isprintable()
        and len(name.encode()) <= _LONGEST
        and _FORBIDDEN.isdisjoint(name)
        and name == name.strip()
        and not name.endswith(".")
        and not _is_reserved(name)
        and name_key(name).isprintable()
    )


def _is_reserved(name: str) -> bool:
    """Whether it is a device on Windows, whatever its suffix."""
    return name.partition(".")[0].rstrip(" ").lower() in _RESERVED


def _hashed(name: str, whole: str) -> str:
    """`name` as far as it is harmless, and what tells it from all others."""
    harmless = "".join(
        character if character.isprintable() and character not in _FORBIDDEN else "_" for character in name
    ).strip(" .")
    if _is_reserved(harmless):
        harmless = f"_{harmless}"
    # Cut by bytes, and not in the middle of a character.
    harmless = harmless.encode()[:_LONGEST].decode("utf-8", "ignore").rstrip(" .")
    digest = hashlib.blake2b(os.fsencode(whole), digest_size=8).hexdigest()
    return f"{harmless}~{digest}"
