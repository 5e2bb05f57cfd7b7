"""The documents of a job, found one by one: what a pattern matches below a folder, or what a list names.

      --input_dir scans --input_glob_pattern '*'      every entry of scans; a folder among them is walked
                                         '*.jpg'      what lies in scans itself
                                      '**/*.jpg'      at any depth
      --input_list pages.txt                          a path a line, relative to the input folder

Matching is `Path.glob`'s. A matched or listed file is a document whatever its suffix; of the files met while walking a
matched folder those of another suffix are counted as skipped. Folders below the output folder do not exist here. Where
a folder cannot be listed there may have been documents, so it is one with a problem.

A pattern gives each path once. A list may name one twice, whoever takes its documents has to remember; of the folders
that it names none is walked twice.

One folder is held at a time for each level of depth, and of a folder with more entries than fit comfortably only as
many as do; its documents come in the order in which the system lists them, all others in code point order.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from docfleet.batch.names import OutputName, output_folder, output_name, outside_name
from docfleet.batch.patterns import NOWHERE, Pattern, Places
from docfleet.batch.siblings import Siblings
from docfleet.documents.folders import is_document_name
from docfleet.documents.sources import printable

_SORTED = 100_000
"""Entries of a folder that are held and sorted."""
_REMEMBERED = 64
"""Folders whose names are remembered for the documents in them."""
_NOTHING = Pattern(())


_HALF = 1 << 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file to do, or a place where one should be."""

    path: str
    """As results report it: below the input folder as it was given, or as a list named it."""
    relative: str
    """What the journal knows it by, see `known_as`."""
    size: int = 0
    mtime_ns: int = 0
    """Both 0 where the file could not be asked."""
    problem: str | None = None
    """Why there is nothing to read, for a person."""
    name: Callable[[], OutputName]
    """What its files are called; asked for only where the journal does not know."""

    @property
    def is_known(self) -> bool:
        """Whether `size` and `mtime_ns` are the file's."""
        return bool(self.size or self.mtime_ns)


def looks_of(info: os.stat_result) -> tuple[int, int]:
    """Size and time of change, by which a changed file is told. Times that 64 bits do not hold, after 2262, wrap."""
    return info.st_size, (info.st_mtime_ns + _HALF) % (2 * _HALF) - _HALF


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    is_folder: bool
    """Also of a link to one."""
    is_link: bool


@dataclass(slots=True)
class _Visit:
    """A folder that is being gone through."""

    folder: str
    """Relative to the input folder."""
    places: Places
    """What the pattern expects in it."""
    walked: bool
    """Whether its documents are wanted whatever the pattern says."""
    entries: Iterator[_Entry]


class Listing:
    """Finds documents. To be iterated once, by one thread; `siblings` belongs to the thread that asks for names."""

    def __init__(self, folder: str, *, most_sorted: int = _SORTED) -> None:
        """`folder`: the input folder, as given; may be empty for the current one."""
        self._folder = folder
        self._most_sorted = most_sorted
        self._output: tuple[int, int] | None = None
        self.skipped = 0
        """Files met while walking that are of no suffix that is read."""
        self._named_folder = "", ""
        """The folder of the document that was named last, and where its outputs go."""
        self._siblings: OrderedDict[str, Siblings] = OrderedDict()
        self._listed: set[str] = set()
        """Folders that a list has named."""

    def leave_out(self, output: Path) -> None:
        """Do not look into this folder: it is where outputs go."""
        info = output.stat()
        self._output = info.st_dev, info.st_ino

    def matches(self, pattern: str) -> Iterator[Document]:
        """What `pattern` matches. Raises UsageError at once for one that makes no sense."""
        parsed = Pattern.parse(pattern)
        places = parsed.start()
        return self._visit("", parsed, places, walked=parsed.is_matched(places))

    def listed(self, lines: Iterable[str]) -> Iterator[Document]:
        """What a list names, line by line: files, and folders to be walked. Empty lines are passed over."""
        for line in lines:
            path = line.removesuffix("\n").removesuffix("\r")
            if not path:
                continue
            whole = os.path.join(self._folder, path)  # noqa: PTH118 - an absolute path stays what it is
            relative = known_as(path, self._folder)
            if not os.path.isdir(whole):  # noqa: PTH112
                yield self._document(whole, relative)
            elif os.path.isabs(relative):  # noqa: PTH117
                problem = printable(f"{path}: is a folder outside of the input folder: name the files in it")
                yield Document(path=whole, relative=relative, problem=problem, name=partial(outside_name, relative))
            elif not self._is_walked(relative) and not self._is_output(whole):
                self._listed.add(relative)
                yield from self._visit(relative, _NOTHING, NOWHERE, walked=True)

    def siblings(self, folder: str) -> Siblings:
        """The names in a folder, relative to the input folder; of one that cannot be listed, none."""
        known = self._siblings.get(folder)
        if known is None:
            try:
                with os.scandir(self._whole(folder) or os.curdir) as entries:
                    known = Siblings(entry.name for entry in entries)
            except (OSError, ValueError):
                known = Siblings(())
            self._siblings[folder] = known
            if len(self._siblings) > _REMEMBERED:
                self._siblings.popitem(last=False)
        self._siblings.move_to_end(folder)
        return known

    def _visit(self, folder: str, pattern: Pattern, places: Places, *, walked: bool) -> Iterator[Document]:
        """The documents below a folder. With a stack of its own: the depth of a tree is the user's."""
        pending = [_Visit(folder, places, walked, self._entries(folder, pattern, places, walked))]
        while pending:
            here = pending[-1]
            try:
                entry = next(here.entries, None)
            except OSError as error:
                pending.pop()
                yield self._unlisted(here.folder, error)
                continue
            if entry is None:
                pending.pop()
                continue
            relative = os.path.join(here.folder, entry.name)  # noqa: PTH118
            if entry.is_folder:
                below = pattern.below(here.places, entry.name, is_link=entry.is_link)
                inside = pattern.is_matched(below) or (here.walked and not entry.is_link)
                if (below or inside) and relative not in self._listed and not self._is_output(self._whole(relative)):
                    entries = self._entries(relative, pattern, below, inside)
                    pending.append(_Visit(relative, below, inside, entries))
            elif pattern.matches_file(here.places, entry.name) or (here.walked and is_document_name(entry.name)):
                yield self._document(self._whole(relative), relative)
            elif here.walked:
                self.skipped += 1

    def _entries(self, folder: str, pattern: Pattern, places: Places, walked: bool) -> Iterator[_Entry]:
        """What is in a folder, as far as it matters. Raises OSError when it is advanced."""
        names = None if walked else pattern.names(places)
        if names is None:
            return self._scan(folder, lambda entry: walked or pattern.matches_file(places, entry.name))
        return self._named(folder, names)

    def _named(self, folder: str, names: list[str]) -> Iterator[_Entry]:
        for name in names:
            whole = self._whole(os.path.join(folder, name))  # noqa: PTH118
            if os.path.lexists(whole):
                yield _Entry(name, os.path.isdir(whole), os.path.islink(whole))  # noqa: PTH112, PTH114

    def _scan(self, folder: str, wanted: Callable[[_Entry], bool]) -> Iterator[_Entry]:
        """Sub-folders, and what else is wanted."""
        with os.scandir(self._whole(folder) or os.curdir) as found:
            entries = (entry for entry in map(_entry, found) if entry.is_folder or wanted(entry))
            held: list[_Entry] = []
            for entry in entries:
                held.append(entry)
                if len(held) > self._most_sorted:
                    break
            else:
                # A folder as `name/`, so that the whole is in the order of full paths.
                held.sort(key=lambda one: one.name + os.sep if one.is_folder else one.name)
            yield from held
            held.clear()
            yield from entries

    def _document(self, path: str, relative: str) -> Document:
        name = partial(self._name, relative)
        try:
            info = os.stat(path)  # noqa: PTH116
        except (OSError, ValueError):
            # Its worker will say what is wrong with it.
            return Document(path=path, relative=relative, name=name)
        size, mtime_ns = looks_of(info)
        return Document(path=path, relative=relative, size=size, mtime_ns=mtime_ns, name=name)

    def _name(self, relative: str) -> OutputName:
        if os.path.isabs(relative):  # noqa: PTH117
            return outside_name(relative)
        folder = os.path.dirname(relative)  # noqa: PTH120
        if folder != self._named_folder[0]:
            self._named_folder = folder, output_folder(folder, self.siblings)
        return output_name(relative, self.siblings, place=self._named_folder[1])

    def _unlisted(self, relative: str, error: OSError) -> Document:
        path = self._whole(relative) or os.curdir
        problem = printable(f"{path}: the folder cannot be listed: {error.strerror or error}")
        return Document(path=path, relative=relative, problem=problem, name=partial(outside_name, relative))

    def _whole(self, relative: str) -> str:
        return os.path.join(self._folder, relative)  # noqa: PTH118 - a Path changes "./" and "//"

    def _is_walked(self, folder: str) -> bool:
        """Whether a folder was walked because a list named it, or one above it: not through a link."""
        while folder not in self._listed:
            if not folder or os.path.islink(self._whole(folder)):  # noqa: PTH114
                return False
            folder = os.path.dirname(folder)  # noqa: PTH120
        return True

    def _is_output(self, path: str) -> bool:
        if self._output is None:
            return False
        try:
            info = os.stat(path)  # noqa: PTH116
        except OSError:
            return False
        return (info.st_dev, info.st_ino) == self._output


def known_as(path: str, folder: str) -> str:
    """What the journal knows a path by, which is given relative to `folder`: relative to it, absolute if not below it.

    By names alone, so that the same list means the same; but `link/..` is not the folder that the link is in, so links
    are resolved in a path with `..`.
    """
    whole = os.path.join(folder, path)  # noqa: PTH118
    if os.pardir in Path(path).parts:
        above, name = os.path.split(whole)
        whole, folder = os.path.join(os.path.realpath(above), name), os.path.realpath(folder)  # noqa: PTH118
    relative = os.path.relpath(whole, folder)
    if relative == os.pardir or relative.startswith(os.pardir + os.sep):
        return os.path.abspath(whole)  # noqa: PTH100
    return "" if relative == os.curdir else relative


def _entry(found: os.DirEntry[str]) -> _Entry:
    try:
        is_folder = found.is_dir()
    except OSError:  # A link in a circle.
        is_folder = False
    return _Entry(found.name, is_folder, found.is_symlink())
