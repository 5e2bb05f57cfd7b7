"""The documents of a job, found one by one: what a pattern matches below a folder, or what a list names.

      --input_dir scans --input_glob_pattern '*'      every entry of scans; a folder among them is walked
                                         '*.jpg'      what lies in scans itself
                                      '**/*.jpg'      at any depth
      --input_list pages.txt                          a path a line, relative to the input folder

Matching is `Path.glob`'s. A matched or listed file is a document whatever its suffix; of the files met while walking a
matched folder those of another suffix are counted as skipped. Folders below the output folder do not exist here.

One folder is held at a time for each level of depth, and of a folder with more entries than fit comfortably only eight
bytes for each name; its documents come in the order in which the system lists them, all others in code point order.
A document may come twice (`**/*` matches a folder and what is in it): whoever takes them has to remember.
"""

from __future__ import annotations

import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import translate
from functools import partial
from pathlib import Path

from docfleet.batch.names import OutputName, hashed_name, output_folder, output_name
from docfleet.batch.siblings import Siblings
from docfleet.documents.folders import MAGIC_CHARACTERS, is_document_name
from docfleet.errors import UsageError

_SORTED = 100_000
"""Entries of a folder that are held and sorted."""
_REMEMBERED = 64
"""Folders whose names are remembered for the documents in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file to do, or a place where one should be."""

    path: str
    """As results report it: below the input folder as it was given, or as a list named it."""
    relative: str
    """What the journal knows it by: relative to the input folder; absolute where it is not in it."""
    size: int = 0
    mtime_ns: int = 0
    problem: str | None = None
    """Why there is nothing to read, for a person."""
    name: Callable[[], OutputName]
    """What its files are called; asked for only where the journal does not know."""


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    is_folder: bool
    """False for a link to a folder: those are not followed while walking."""
    is_link: bool


class Listing:
    """Finds documents. To be iterated once."""

    def __init__(self, folder: str) -> None:
        """`folder`: the input folder, as given; may be empty for the current one."""
        self._folder = folder
        self._output: tuple[int, int] | None = None
        self.skipped = 0
        """Files met while walking that are of no suffix that is read."""
        self._named_folder = "", ""
        """The folder of the document that was named last, and where its outputs go."""
        self._siblings: OrderedDict[str, Siblings] = OrderedDict()
        self._walked: set[str] = set()
        """Matched folders that have been walked, and none below another."""

    def leave_out(self, output: Path) -> None:
        """Do not look into this folder: it is where outputs go."""
        info = output.stat()
        self._output = info.st_dev, info.st_ino

    def matches(self, pattern: str) -> Iterator[Document]:
        """What `pattern` matches. Raises UsageError at once for one that makes no sense."""
        parts = _parts_of(pattern)
        return self._matches(parts)

    def listed(self, lines: Iterable[str]) -> Iterator[Document]:
        """What a list names, line by line: files, and folders to be walked. Empty lines are passed over."""
        for line in lines:
            path = line.rstrip("\r\n")
            if not path.strip():
                continue
            whole = os.path.join(self._folder, path)  # noqa: PTH118 - an absolute path stays what it is
            relative = self._relative(whole)
            if relative is None:
                outside = os.path.abspath(whole)  # noqa: PTH100
                if os.path.isdir(whole):  # noqa: PTH112
                    problem = f"{path}: is a folder outside of the input folder: name the files in it"
                    yield Document(path=whole, relative=outside, problem=problem, name=partial(hashed_name, outside))
                else:
                    yield self._document(whole, outside)
            elif os.path.isdir(whole):  # noqa: PTH112
                yield from self._walk(relative)
            else:
                yield self._document(whole, relative)

    def _matches(self, parts: list[str]) -> Iterator[Document]:
        for relative, is_folder in self._match("", parts):
            if is_folder:
                if not self._walked_above(relative):
                    self._walked.add(relative)
                    yield from self._walk(relative)
            else:
                if self._walked_above(relative) and not is_document_name(relative):
                    self.skipped -= 1  # When its folder was walked.
                yield self._document(self._whole(relative), relative)

    def _match(self, folder: str, parts: list[str]) -> Iterator[tuple[str, bool]]:
        """Paths relative to the input folder, and whether each is a folder."""
        if not parts:
            yield folder, True
            return
        part, rest = parts[0], parts[1:]
        if part == "**":
            for below in self._folders(folder):
                yield from self._match(below, rest)
        elif MAGIC_CHARACTERS.isdisjoint(part):
            path = os.path.join(folder, part)  # noqa: PTH118
            whole = self._whole(path)
            if os.path.isdir(whole) and not self._is_output(whole):  # noqa: PTH112
                yield from self._match(path, rest)
            elif not rest and os.path.lexists(whole):
                yield path, False
        else:
            matches = re.compile(translate(part)).match
            for entry in self._entries(folder, lambda name: matches(name) is not None):
                path = os.path.join(folder, entry.name)  # noqa: PTH118
                # A pattern follows links to folders where it names them part by part, as pathlib does.
                if entry.is_folder or (entry.is_link and self._is_folder(path)):
                    yield from self._match(path, rest)
                elif not rest:
                    yield path, False

    def _folders(self, folder: str) -> Iterator[str]:
        """`folder` and all folders below it, links not followed."""
        pending = [iter([folder])]
        while pending:
            found = next(pending[-1], None)
            if found is None:
                pending.pop()
                continue
            yield found
            names = [entry.name for entry in self._entries(found, lambda _: True) if entry.is_folder]
            pending.append(iter([os.path.join(found, name) for name in names]))  # noqa: PTH118

    def _walk(self, folder: str) -> Iterator[Document]:
        pending: list[Iterator[_Entry]] = []
        above = [folder]
        try:
            pending.append(self._opened(folder))
        except OSError as error:
            yield self._unlisted(folder, error)
        while pending:
            entry = next(pending[-1], None)
            if entry is None:
                pending.pop()
                above.pop()
                continue
            relative = os.path.join(above[-1], entry.name)  # noqa: PTH118
            if entry.is_folder:
                try:
                    pending.append(self._opened(relative))
                    above.append(relative)
                except OSError as error:
                    yield self._unlisted(relative, error)
            elif is_document_name(entry.name):
                if not (entry.is_link and self._is_folder(relative)):
                    yield self._document(self._whole(relative), relative)
            else:
                self.skipped += 1

    def _unlisted(self, relative: str, error: OSError) -> Document:
        path = self._whole(relative)
        problem = f"{path}: the folder cannot be listed: {error.strerror or error}"
        return Document(path=path, relative=relative, problem=problem, name=partial(hashed_name, relative))

    def _document(self, path: str, relative: str) -> Document:
        name = partial(self._name, relative)
        try:
            info = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            # Its worker will say what is wrong with it.
            return Document(path=path, relative=relative, name=name)
        return Document(path=path, relative=relative, size=info.st_size, mtime_ns=info.st_mtime_ns, name=name)

    def _name(self, relative: str) -> OutputName:
        if os.path.isabs(relative):  # noqa: PTH117
            return hashed_name(relative)
        folder = os.path.dirname(relative)  # noqa: PTH120
        if folder != self._named_folder[0]:
            self._named_folder = folder, output_folder(folder, self.siblings)
        return output_name(relative, self.siblings, place=self._named_folder[1])

    def _relative(self, whole: str) -> str | None:
        """Below the input folder, by names alone: links are not resolved, so that the same list means the same."""
        relative = os.path.relpath(whole, self._folder)
        return None if relative == os.pardir or relative.startswith(os.pardir + os.sep) else relative

    # Folders.

    def _whole(self, relative: str) -> str:
        return os.path.join(self._folder, relative)  # noqa: PTH118 - a Path changes "./" and "//"

    def _is_folder(self, relative: str) -> bool:
        return os.path.isdir(self._whole(relative))  # noqa: PTH112

    def _walked_above(self, relative: str) -> bool:
        while relative:
            if relative in self._walked:
                return True
            relative = os.path.dirname(relative)  # noqa: PTH120
        return "" in self._walked

    def siblings(self, folder: str) -> Siblings:
        """The names in a folder, relative to the input folder; of one that cannot be listed, none."""
        known = self._siblings.get(folder)
        if known is None:
            try:
                with os.scandir(self._whole(folder) or os.curdir) as entries:
                    known = Siblings(entry.name for entry in entries)
            except OSError:
                known = Siblings(())
            self._siblings[folder] = known
            if len(self._siblings) > _REMEMBERED:
                self._siblings.popitem(last=False)
        self._siblings.move_to_end(folder)
        return known

    def _opened(self, folder: str) -> Iterator[_Entry]:
        """The entries of a folder. Raises OSError at once if it cannot be listed."""
        entries = self._scan(folder, lambda _: True)
        first = next(entries, None)
        return iter(()) if first is None else _chained(first, entries)

    def _entries(self, folder: str, wanted: Callable[[str], bool]) -> Iterator[_Entry]:
        """Those entries of a folder whose name is wanted; none if it cannot be listed, as `Path.glob` has it."""
        try:
            yield from self._scan(folder, wanted)
        except OSError:
            return

    def _scan(self, folder: str, wanted: Callable[[str], bool]) -> Iterator[_Entry]:
        with os.scandir(self._whole(folder) or os.curdir) as entries:
            found: list[_Entry] = []
            for entry in entries:
                if not wanted(entry.name):
                    continue
                is_folder = entry.is_dir(follow_symlinks=False)
                if is_folder and self._is_output(entry.path):
                    continue
                found.append(_Entry(entry.name, is_folder, entry.is_symlink()))
                if len(found) > _SORTED:
                    break
            else:
                # A folder as `name/`, so that the whole is in the order of full paths.
                found.sort(key=lambda one: one.name + os.sep if one.is_folder else one.name)
                yield from found
                return
            yield from found
            del found
            for entry in entries:
                if wanted(entry.name):
                    is_folder = entry.is_dir(follow_symlinks=False)
                    if not (is_folder and self._is_output(entry.path)):
                        yield _Entry(entry.name, is_folder, entry.is_symlink())

    def _is_output(self, path: str) -> bool:
        if self._output is None:
            return False
        try:
            info = os.stat(path)  # noqa: PTH116
        except OSError:
            return False
        return (info.st_dev, info.st_ino) == self._output


def _chained(first: _Entry, rest: Iterator[_Entry]) -> Iterator[_Entry]:
    yield first
    yield from rest


def _parts_of(pattern: str) -> list[str]:
    """The components of a pattern. Raises UsageError."""
    if not pattern or os.path.isabs(pattern):  # noqa: PTH117
        raise UsageError(
            f"input_glob_pattern is {pattern!r}: give a pattern relative to the input folder, like '**/*.jpg'"
        )
    parts = [part for part in re.split(r"[\\/]" if os.altsep else "/", pattern) if part not in ("", os.curdir)]
    if os.pardir in parts:
        raise UsageError(f"input_glob_pattern is {pattern!r}: it may not leave the input folder")
    if any("**" in part and part != "**" for part in parts):
        raise UsageError(f"input_glob_pattern is {pattern!r}: '**' stands for whole folders, as in '**/*.jpg'")
    return parts
