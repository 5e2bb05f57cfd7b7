"""The pipelines there are, by the names that people type: class names, and sub-commands of the command line.

      "PaddleOCR", "paddleocr", "ocr"  --find-->  Entry  --load-->  pipeline class, options class

The table holds import paths: listing the pipelines imports none of them.
"""

from __future__ import annotations

import difflib
import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from docfleet.errors import UsageError

if TYPE_CHECKING:
    from docfleet.pipelines.base import Pipeline
    from docfleet.pipelines.common import CommonOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One pipeline by name."""

    class_name: str
    command: str
    """Its sub-command."""
    pipeline: str
    """`module:attr` of its class."""
    options: str
    """`module:attr` of its options."""
    result: str
    """`module:attr` of the type of its results."""

    def load(self) -> type[Pipeline[Any, Any, Any]]:
        """The pipeline's class; imports it."""
        return cast("type[Pipeline[Any, Any, Any]]", _attribute(self.pipeline))

    def load_options(self) -> type[CommonOptions]:
        """The class of its options; cheaper to import than the pipeline."""
        return cast("type[CommonOptions]", _attribute(self.options))


CATALOG = (
    Entry(
        class_name="PaddleOCR",
        command="ocr",
        pipeline="docfleet.pipelines.ocr.pipeline:PaddleOCR",
        options="docfleet.pipelines.ocr.options:OCROptions",
        result="docfleet.results.ocr:OCRResult",
    ),
)


def find(name: str) -> Entry:
    """The pipeline of that class name or sub-command, however it is capitalised.

    Raises UsageError, listing the names, for one that is not here.
    """
    names = {key.lower(): entry for entry in CATALOG for key in (entry.class_name, entry.command)}
    found = names.get(name.lower().replace("-", "_"))
    if found is not None:
        return found
    close = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {names[close[0]].class_name}?" if close else f"there is {', '.join(known_names())}"
    raise UsageError(f"there is no pipeline {name!r} in this version; {hint}")


def known_names() -> list[str]:
    """What can be given as a pipeline, class names first."""
    return [entry.class_name for entry in CATALOG] + [entry.command for entry in CATALOG]


def _attribute(path: str) -> Any:
    module, _, attr = path.partition(":")
    return getattr(importlib.import_module(module), attr)
