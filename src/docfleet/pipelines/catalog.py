"""The pipelines there are, by the names that people type: class names, and sub-commands of the command line.

      "PaddleOCR", "paddleocr", "ocr"  --find-->  Entry  --load-->  pipeline class, options class
      "my_package.mine:MyPipeline"     ---------------------------^

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
    """`module:attr` of its options; empty to ask the class."""

    def load(self) -> type[Pipeline[Any, Any, Any]]:
        """The pipeline's class; imports it."""
        return cast("type[Pipeline[Any, Any, Any]]", _attribute(self.pipeline))

    def load_options(self) -> type[CommonOptions]:
        """The class of its options; cheaper to import than the pipeline where the table names it."""
        return cast("type[CommonOptions]", _attribute(self.options)) if self.options else self.load().options_type


CATALOG = (
    Entry(
        class_name="PaddleOCR",
        command="ocr",
        pipeline="docfleet.pipelines.ocr.pipeline:PaddleOCR",
        options="docfleet.pipelines.ocr.options:OCROptions",
    ),
    Entry(
        class_name="DocPreprocessor",
        command="doc_preprocessor",
        pipeline="docfleet.pipelines.doc_preprocessor.pipeline:DocPreprocessor",
        options="docfleet.pipelines.doc_preprocessor.options:DocPreprocessorOptions",
    ),
)


def find(name: str) -> Entry:
    """The pipeline of that class name or sub-command, however it is capitalised; or a class of one's own.

    `module:Class` names a subclass of `Pipeline` anywhere. Raises UsageError, listing the names, for what is not here.
    """
    if ":" in name:
        return _own(name)
    found = known(name)
    if found is not None:
        return found
    names = _names()
    close = difflib.get_close_matches(name.lower(), names, n=1)
    hint = f"did you mean {names[close[0]].class_name}?" if close else f"there is {', '.join(known_names())}"
    raise UsageError(f"there is no pipeline {name!r} in this version; {hint}")


def known(name: str) -> Entry | None:
    """The pipeline of the table with that class name or sub-command, if there is one."""
    return _names().get(name.lower().replace("-", "_"))


def _names() -> dict[str, Entry]:
    return {key.lower(): entry for entry in CATALOG for key in (entry.class_name, entry.command)}


def _own(path: str) -> Entry:
    from docfleet.pipelines.base import Pipeline

    try:
        found = _attribute(path)
    except (ImportError, AttributeError) as error:
        raise UsageError(f"the pipeline {path!r} cannot be imported: {error}") from error
    except Exception as error:
        # Somebody else's module may do whatever it likes.
        raise UsageError(f"the pipeline {path!r} cannot be imported: {type(error).__name__}: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Pipeline)):
        raise UsageError(f"{path!r} is no subclass of docfleet.pipelines.base.Pipeline")
    return Entry(class_name=path, command=path, pipeline=path, options="")


def known_names() -> list[str]:
    """What can be given as a pipeline, class names first."""
    return [entry.class_name for entry in CATALOG] + [entry.command for entry in CATALOG]


def _attribute(path: str) -> Any:
    module, _, attr = path.partition(":")
    return getattr(importlib.import_module(module), attr)
