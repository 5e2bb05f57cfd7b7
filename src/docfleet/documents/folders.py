"""Names of documents below a folder, and names that match a pattern; lazily, in the reference's order.

The reference collects every path of the tree and sorts the strings. Here each folder is sorted when it is entered, a
folder as `name/`: comparing two paths then compares the same characters at the same place, so the order of the whole
is the same, and a tree of ten million files costs the memory of its open folders.

      scans/            entries sorted as       visited
        a.png           "a.png"                 scans/a.png
        b/c.png         "b.png"                 scans/b.png
        b.png           "b/"                    scans/b/c.png
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SUFFIXES = frozenset(
    ".bmp .dib .jpeg .jpg .png .webp .pbm .pgm .ppm .pnm .tif .tiff .pdf"  # as the reference
    " .apng .gif .j2c .j2k .jp2 .jpf .jpx".split()
)
"""What is taken from a folder, lower case. A file that is named explicitly is tried whatever its suffix."""

MAGIC_CHARACTERS = frozenset("*?[")
"""What makes a string that names nothing a pattern."""


@dataclass(frozen=True, slots=True)
class Found:
    """A path met while looking, and what is wrong with it, if anything."""

    path: str
    """Joined below the folder or pattern as it was given, not made absolute."""
    problem: str | None = None
    """Why the path cannot be used: a folder that cannot be listed, or one with nothing in it."""


def is_document_name(name: str) -> bool:
    """Whether a file met in a folder is taken, by its suffix in any case; `.png` alone is taken too."""
    _, dot, suffix = name.rpartition(".")
    return dot + suffix.lower() in SUFFIXES


def walk_folder(folder: str) -> Iterator[Found]:
    """Every document below `folder`, in code point order of the full paths.

    Hidden files are taken and links to folders are not followed, as the reference does. A folder that cannot be
    listed is one `Found` with a problem in its place; so is `folder` itself if there was nothing at all in it.
    """
    empty = True
    for found in _walk(folder):
        empty = False
        yield found
    if empty:
        yield Found(folder, "the folder contains no image or PDF")


def _walk(folder: str) -> Iterator[Found]:
    # A stack of its own: the depth of a tree is the user's, the recursion limit is Python's.
    pending = [iter([(folder, True)])]
    while pending:
        entry = next(pending[-1], None)
        if entry is None:
            pending.pop()
        elif not entry[1]:
            yield Found(entry[0])
        else:
            try:
                pending.append(iter(_entries(entry[0])))
            except OSError as error:
                yield Found(entry[0], f"the folder cannot be listed: {error.strerror or error}")


def _entries(folder: str) -> list[tuple[str, bool]]:
    """Sub-folders and documents of one folder as (path, is a folder), sorted."""
    with os.scandir(folder) as entries:
        kept = [
            (entry.name, is_folder)
            for entry in entries
            if (is_folder := entry.is_dir(follow_symlinks=False)) or _is_file_to_take(entry)
        ]
    kept.sort(key=lambda item: item[0] + os.sep if item[1] else item[0])
    return [(os.path.join(folder, name), is_folder) for name, is_folder in kept]  # noqa: PTH118 - keeps "./" as given


def _is_file_to_take(entry: os.DirEntry[str]) -> bool:
    if not is_document_name(entry.name):
        return False
    try:
        return not entry.is_dir()
    except OSError:  # A link in a circle: its name is taken, and reading it will say what is wrong.
        return True


def match_pattern(folder: str, pattern: str) -> Iterator[Found]:
    """What `pattern` matches below `folder`, in code point order; a matched folder is walked.

    Matching is `Path.glob`'s: `**` stands for any number of folders, hidden names match, links to folders are not
    followed by `**`. A matched file is taken whatever its suffix. What lies in a matched folder comes once, from the
    walk, whether or not it matches too. A matched folder without documents adds nothing.

    `folder`: as given, may be empty for the current one. `pattern`: relative, with the separators of the platform.
    A pattern that matches nothing at all is one `Found` with a problem. All matches are held at once, to be sorted.
    """
    whole = os.path.join(folder, pattern)  # noqa: PTH118
    base = Path(folder or os.curdir)
    try:
        matches = [os.path.join(folder, match.relative_to(base)) for match in base.glob(pattern)]  # noqa: PTH118
    except (ValueError, NotImplementedError, IndexError, OSError) as error:
        yield Found(whole, f"the pattern cannot be used: {error}")
        return
    kinds = sorted((path + os.sep if os.path.isdir(path) else path, path) for path in set(matches))  # noqa: PTH112
    walked: str | None = None
    nothing = True
    for key, path in kinds:
        # Sorted keys put everything inside a folder directly behind it, so that one prefix is enough to remember.
        if walked is not None and key.startswith(walked):
            continue
        if key == path:
            nothing = False
            yield Found(path)
            continue
        walked = key
        for found in _walk(path):
            nothing = False
            yield found
    if nothing:
        yield Found(whole, "nothing matches the pattern")
