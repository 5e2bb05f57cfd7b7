"""What can be saved of a page, as bytes: the files that a job writes, by the words of `--save`.

      result --json--> (".json", b"{...")          the reference's document, as `save_to_json` writes it
             --txt---> (".txt", b"...")            the text, a line of the page per line
             --jsonl-> no file of its own: a line of `jsonl/part-<number>.jsonl`, see `docfleet.batch.shards`
             --img, page, html, ...-> ("_ocr_res_img.jpg", b"...")   whatever else such results can become

A file is called `<name of the page><tail>`.
"""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docfleet.batch.names import OutputName
from docfleet.errors import UsageError
from docfleet.results.base import BaseResult, json_bytes
from docfleet.results.images import SUFFIXES

AGGREGATED = "jsonl"
JSON_INDENT = 4

Artefact = tuple[str, bytes]
"""What is appended to the page's name, and the content."""


def _json(result: BaseResult) -> Iterator[Artefact]:
    yield ".json", json_bytes(result.json["res"], indent=JSON_INDENT)


def _text(result: Any) -> Iterator[Artefact]:
    text: str = result.text
    yield ".txt", (text + "\n" if text else "").encode("utf-8", "backslashreplace")


_MAKERS: dict[str, tuple[str | None, Callable[[Any], Iterator[Artefact]]]] = {
    # Of a result without the attribute there is no such file.
    "txt": ("text", _text),
    # The last one, so that a page whose JSON is there is whole.
    "json": (None, _json),
}

_PICTURE_SUFFIXES = tuple(case for suffix in SUFFIXES for case in (suffix, suffix.upper()))
"""Pictures keep the suffix of their document as it is written."""
_DRAWINGS = (
    "res", "ocr_res_img", "preprocessed_img", "layout_det_res", "region_det_res", "overall_ocr_res", "table_cell_img",
    "layout_order_res", "formula_res_img", "seal_res_region{}",
)  # fmt: skip
"""The reference's keys of drawings."""

_TAILS: dict[str, tuple[str, ...]] = {
    "img": tuple(f"_{key}{suffix}" for key in _DRAWINGS for suffix in _PICTURE_SUFFIXES),
    "page": tuple(f"_output_img{suffix}" for suffix in _PICTURE_SUFFIXES),
    "html": ("_table_{}.html", "_res.html"),
    "xlsx": ("_table_{}.xlsx", "_res.xlsx"),
    "csv": ("_res.csv",),
    "markdown": (".md", "_imgs/"),
    "word": (".docx",),
    "latex": (".tex", "_imgs/"),
    "txt": (".txt",),
    "json": (".json",),
}
"""The tails that a kind may have: to find the files of a page that is not there any more. `{}` is a number, counted
from 0 or 1; `/` at the end is a folder."""


def kinds_of(result_type: type[BaseResult]) -> list[str]:
    """The words that `--save` takes for a pipeline with such results."""
    made = [kind for kind, (needed, _) in _MAKERS.items() if needed is None or hasattr(result_type, needed)]
    return [*_others(result_type), *made, AGGREGATED]


def _others(result_type: type[BaseResult]) -> list[str]:
    """Kinds of files that the results make themselves."""
    return [kind for kind in result_type.kinds if kind not in _MAKERS]


def check_saves(saves: Sequence[str], result_type: type[BaseResult]) -> None:
    """Raises UsageError for a kind that there is not of such results, and for none at all."""
    known = kinds_of(result_type)
    for kind in saves:
        if kind not in known:
            raise UsageError(f"save is {kind!r}: this pipeline's results can be saved as {', '.join(sorted(known))}")
    if not saves:
        raise UsageError(f"save names nothing: choose from {', '.join(sorted(known))}")


def artefacts(result: BaseResult, saves: Sequence[str]) -> list[Artefact]:
    """The files of a page, in the order in which they are to be written; `result.save_as` is the page's name."""
    ready = [
        (file.tail, file.data) for kind in _others(type(result)) if kind in saves for file in result.artefacts(kind)
    ]
    return ready + [artefact for kind, (_, make) in _MAKERS.items() if kind in saves for artefact in make(result)]


def line(result: BaseResult) -> bytes:
    """The page as a line of aggregated output."""
    return json_bytes(result.json["res"], indent=None) + b"\n"


def file_tails(saves: Sequence[str]) -> list[str]:
    """What the names of a page's files end in, as far as that is known before the page is processed."""
    return [tail for kind in _MAKERS if kind in saves for tail in _TAILS[kind]]


def remove(output: Path, name: OutputName, pages: int, saves: Sequence[str]) -> None:
    """Remove the files of a document: of a plain image, and of so many pages. Raises OSError but for missing ones."""
    for page in [None, *range(pages)]:
        for kind in saves:
            for tail in _TAILS.get(kind, ()):
                _remove(output, name.of(page), tail)


def _remove(output: Path, name: str, tail: str) -> None:
    if tail.endswith("/"):
        shutil.rmtree(output / f"{name}{tail}", ignore_errors=True)
    elif "{}" not in tail:
        (output / f"{name}{tail}").unlink(missing_ok=True)
    else:
        for number in itertools.count():
            path = output / f"{name}{tail.format(number)}"
            if number > 1 and not path.exists():
                return
            path.unlink(missing_ok=True)
