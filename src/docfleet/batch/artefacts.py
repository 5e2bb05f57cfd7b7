"""What can be saved of a page, as bytes: the files that a job writes, by the words of `--save`.

      result --json--> (".json", b"{...")          the reference's document, as `save_to_json` writes it
             --txt---> (".txt", b"...")            the text, a line of the page per line
             --jsonl-> no file of its own: a line of `jsonl/part-<number>.jsonl`, see `docfleet.batch.shards`

A file is called `<name of the page><tail>`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from docfleet.batch.names import OutputName
from docfleet.errors import UsageError
from docfleet.results.base import BaseResult, json_bytes

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

_TAILS: dict[str, tuple[str, ...]] = {"txt": (".txt",), "json": (".json",)}
"""The tails that a kind may have: to find the files of a page that is not there any more."""


def kinds_of(result_type: type[BaseResult]) -> list[str]:
    """The words that `--save` takes for a pipeline with such results."""
    return [kind for kind, (needed, _) in _MAKERS.items() if needed is None or hasattr(result_type, needed)] + [
        AGGREGATED
    ]


def check_saves(saves: Sequence[str], result_type: type[BaseResult]) -> None:
    """Raises UsageError for a kind that there is not of such results, and for none at all."""
    known = kinds_of(result_type)
    for kind in saves:
        if kind not in known:
            raise UsageError(f"save is {kind!r}: this pipeline's results can be saved as {', '.join(sorted(known))}")
    if not saves:
        raise UsageError(f"save names nothing: choose from {', '.join(sorted(known))}")


def artefacts(result: BaseResult, saves: Sequence[str]) -> list[Artefact]:
    """The files of a page, in the order in which they are to be written."""
    return [artefact for kind, (_, make) in _MAKERS.items() if kind in saves for artefact in make(result)]


def line(result: BaseResult) -> bytes:
    """The page as a line of aggregated output."""
    return json_bytes(result.json["res"], indent=None) + b"\n"


def file_tails(saves: Sequence[str]) -> list[str]:
    """What the names of a page's files end in."""
    return [tail for kind in _MAKERS if kind in saves for tail in _TAILS[kind]]


def remove(output: Path, name: OutputName, pages: int, saves: Sequence[str]) -> None:
    """Remove the files of a document: of a plain image, and of so many pages. Raises OSError but for missing ones."""
    for page in [None, *range(pages)]:
        for kind in saves:
            for tail in _TAILS.get(kind, ()):
                (output / f"{name.of(page)}{tail}").unlink(missing_ok=True)
