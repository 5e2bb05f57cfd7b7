"""A result of the package, on the caller's side: its keys, its JSON, and the files it brought."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from docfleet.errors import UsageError
from docfleet.integrations.paddleocr.files import KINDS, File, with_pictures_named
from docfleet.integrations.paddleocr.values import from_plain_values
from docfleet.results.base import Artefact, BaseResult, write_atomically


class PackageResult(BaseResult):
    """The result of one page, with the keys of the package's own result.

    What was an object of the package's is a dict or an object with the same attributes; `.json` is the document that
    the package itself makes. Drawings, tables and the like are made by the package in the worker: they are here if the
    pipeline was made with `artefacts=[...]`.
    """

    kinds: ClassVar[tuple[str, ...]] = ("json", *KINDS)

    _document: Mapping[str, Any]
    _files: Mapping[str, Sequence[File]]
    _markdown: Any = None

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild the result from what the worker sent."""
        path = record.get("input_path")
        values: dict[str, Any] = from_plain_values(record["values"]) or {}
        result = cls({**values, "input_path": path, "page_index": record["page_index"]})
        result._document = record["document"]
        result._files = {kind: [(tail, data) for tail, data in files] for kind, files in record["files"].items()}
        result._markdown = from_plain_values(record.get("markdown"))
        return result

    def _json_document(self) -> dict[str, Any]:
        return dict(self._document)

    @property
    def text(self) -> str:
        """What was read, one line of the page per line; of pages laid out in blocks, a block per line."""
        return "\n".join(_texts(self._document))

    @property
    def markdown(self) -> dict[str, Any]:
        """The package's `markdown`: text and pictures. Raises UsageError if it was not brought."""
        self._files_of("markdown")
        return dict(self._markdown or {})

    def artefacts(self, kind: str) -> Iterator[Artefact]:
        """See `BaseResult.artefacts`; those of `KINDS` are there if the worker brought them."""
        if kind not in KINDS:
            yield from super().artefacts(kind)
            return
        for tail, data in with_pictures_named(self._files.get(kind, ()), self.save_as):
            yield Artefact("", tail, data)

    def save_to_img(self, save_path: str | os.PathLike[str]) -> None:
        """Write the drawings into a folder. Raises UsageError if they were not brought; so do the others."""
        self._save("img", save_path)

    def save_to_html(self, save_path: str | os.PathLike[str]) -> None:
        """Write tables as HTML into a folder."""
        self._save("html", save_path)

    def save_to_xlsx(self, save_path: str | os.PathLike[str]) -> None:
        """Write tables as workbooks into a folder."""
        self._save("xlsx", save_path)

    def save_to_csv(self, save_path: str | os.PathLike[str]) -> None:
        """Write tables as text into a folder."""
        self._save("csv", save_path)

    def save_to_markdown(self, save_path: str | os.PathLike[str]) -> None:
        """Write the page as Markdown, with its pictures, into a folder."""
        self._save("markdown", save_path)

    def save_to_word(self, save_path: str | os.PathLike[str]) -> None:
        """Write the page as a Word file into a folder."""
        self._save("word", save_path)

    def save_to_latex(self, save_path: str | os.PathLike[str]) -> None:
        """Write the page as LaTeX into a folder."""
        self._save("latex", save_path)

    def save_all(self, save_path: str | os.PathLike[str]) -> None:
        """Write the JSON and everything that was brought into a folder."""
        for kind in self._files:
            self._save(kind, save_path)
        super().save_all(save_path)

    def _save(self, kind: str, save_path: str | os.PathLike[str]) -> None:
        self._files_of(kind)
        for file in self.artefacts(kind):
            write_atomically(Path(save_path) / f"{self.save_as}{file.tail}", file.data)

    def _files_of(self, kind: str) -> Sequence[File]:
        if kind not in self._files:
            raise UsageError(f"this result brought no {kind}: make the pipeline with artefacts=[{kind!r}]")
        return self._files[kind]


def _texts(document: Mapping[str, Any]) -> Iterator[str]:
    """Texts of the page, of whichever of the package's documents."""
    if "rec_texts" in document:
        yield from document["rec_texts"]
    elif "parsing_res_list" in document:
        yield from (block["block_content"] for block in document["parsing_res_list"] if block.get("block_content"))
    elif "seal_res_list" in document:
        yield from (text for seal in document["seal_res_list"] for text in _texts(seal))
    elif isinstance(inner := document.get("overall_ocr_res") or document.get("layout_parsing_result"), Mapping):
        yield from _texts(inner)
    else:
        yield from _strings(document.get(key) for key in ("result", "rec_text", "rec_formula"))


def _strings(values: Iterable[Any]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str))
