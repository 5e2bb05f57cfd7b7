"""docfleet runs document-AI pipelines over piles of images and PDFs, on every device, with the call of one device."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docfleet.errors import DocfleetError
    from docfleet.fleet.devices import constr_device, parse_device
    from docfleet.integrations.providers import load_pipeline
    from docfleet.pipelines.doc_preprocessor.pipeline import DocPreprocessor
    from docfleet.pipelines.failures import PageFailure, PartialFailure
    from docfleet.pipelines.ocr.pipeline import PaddleOCR
    from docfleet.results.doc_preprocessor import DocPreprocessorResult
    from docfleet.results.ocr import OCRResult

__version__ = "0.1.0"

# Name -> module. Loaded on first use, so that `import docfleet` costs nothing (an engine alone takes 0.3 s to import).
_PUBLIC = {
    "DocPreprocessor": "docfleet.pipelines.doc_preprocessor.pipeline",
    "DocPreprocessorResult": "docfleet.results.doc_preprocessor",
    "DocfleetError": "docfleet.errors",
    "OCRResult": "docfleet.results.ocr",
    "PaddleOCR": "docfleet.pipelines.ocr.pipeline",
    "PageFailure": "docfleet.pipelines.failures",
    "PartialFailure": "docfleet.pipelines.failures",
    "constr_device": "docfleet.fleet.devices",
    "load_pipeline": "docfleet.integrations.providers",
    "parse_device": "docfleet.fleet.devices",
}

__all__ = [
    "DocPreprocessor",
    "DocPreprocessorResult",
    "DocfleetError",
    "OCRResult",
    "PaddleOCR",
    "PageFailure",
    "PartialFailure",
    "__version__",
    "constr_device",
    "load_pipeline",
    "parse_device",
]


def __getattr__(name: str) -> Any:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'docfleet' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
