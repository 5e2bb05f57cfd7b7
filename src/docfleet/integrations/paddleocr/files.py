"""Files that only the package's result objects can make: drawings, tables, Markdown, ... as bytes.

      result --save_to_img(temporary folder)-->  page_ocr_res_img.jpg, page_preprocessed_img.jpg
             --read-->                           ("_ocr_res_img.jpg", b"..."), ("_preprocessed_img.jpg", b"...")

The package's own code decides what there is and how it looks. Names are ours: the package names a page's files by the
stem of its document, so that documents of one stem overwrite each other, and pictures of a page by their place on it
alone, so that pages do.
"""

from __future__ import annotations

import importlib.util
import mimetypes
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docfleet.errors import StartError

KINDS = ("img", "html", "xlsx", "csv", "markdown", "word", "latex")
"""What can be asked for; a result of a class that cannot be saved so brings nothing."""

File = tuple[str, bytes]
"""What is appended to the page's name, and the content."""

_STEM = "page"
_PICTURES = "imgs/"
"""Where the package puts the pictures that a page's text refers to."""
_TEXTS = (".md", ".tex")
"""What refers to them."""
_UNWRITABLE = (".ras", ".sr", ".dib")
"""Suffixes of images that nothing writes; the drawing of such a page is a PNG."""


def check_kinds(kinds: Sequence[str]) -> None:
    """Raises StartError for a kind that cannot be made here, saying what to install."""
    if "word" in kinds and importlib.util.find_spec("docx") is None:
        raise StartError("to save Word files the package needs python-docx: pip install python-docx")


def files_of(result: Any, kind: str, source: str | None) -> list[File]:
    """The files of one kind that `result` can be saved as; `source` is the document's name, whose suffix drawings take.

    Pictures of the page are called `imgs/...`, and text refers to them so: see `with_pictures_named`.
    """
    save = getattr(result, f"save_to_{kind}", None)
    if save is None:
        return []
    with tempfile.TemporaryDirectory(prefix="docfleet-") as folder, _named(result, _STEM + _suffix(source)):
        save(folder)
        return list(_collected(Path(folder)))


def with_pictures_named(files: Sequence[File], name: str) -> list[File]:
    """The files with pictures, and what refers to them, under a name of this page's own: `<name>_imgs/...`."""
    pictures = [tail for tail, _ in files if tail.startswith(_PICTURES)]
    return [(f"_{tail}" if tail in pictures else tail, _referring(data, tail, pictures, name)) for tail, data in files]


def _referring(data: bytes, tail: str, pictures: Sequence[str], name: str) -> bytes:
    if tail not in _TEXTS:
        return data
    # Markdown takes its references for URLs, LaTeX for file names.
    prefix = quote(name) if tail == ".md" else name
    for picture in pictures:
        data = data.replace(picture.encode(), f"{prefix}_{picture}".encode("utf-8", "backslashreplace"))
    return data


def _suffix(source: str | None) -> str:
    suffix = Path(source or "").suffix.lower()
    drawn = (mimetypes.guess_type(f"page{suffix}")[0] or "").startswith("image/") and suffix not in _UNWRITABLE
    return suffix if drawn else ".png"


@contextmanager
def _named(result: Any, name: str) -> Iterator[None]:
    """The result with another input: the package makes names of files from it, some of them twice."""
    before = {key: result[key] for key in ("input_path", "page_index") if key in result}
    result.update({"input_path": name, "page_index": None})
    try:
        yield
    finally:
        for key in ("input_path", "page_index"):
            result.pop(key) if key not in before else result.update({key: before[key]})


def _collected(folder: Path) -> Iterator[File]:
    found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    referred = any(name.endswith(_TEXTS) for name in found)
    for name, path in found.items():
        data = path.read_bytes()
        if name.endswith(".tex"):  # The package writes whole paths there.
            data = data.replace(f"{folder.resolve()}/{_PICTURES}".encode(), _PICTURES.encode())
        # Pictures without a text are what is left of making a Word file, which holds its own.
        if referred or not name.startswith(_PICTURES):
            yield name.removeprefix(_STEM), data
