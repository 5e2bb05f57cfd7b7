"""A pipeline by name, whoever provides it: docfleet itself, or an installed PaddleOCR.

"SealRecognition", provider  --find-->  Entry  --load-->  pipeline class, options class
auto        ours where there is one, else PaddleOCR's
docfleet    ours
paddleocr   PaddleOCR's
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from docfleet.errors import UsageError
from docfleet.pipelines import catalog
from docfleet.pipelines.catalog import Entry

if TYPE_CHECKING:
    from docfleet.pipelines.base import Pipeline
    from docfleet.pipelines.common import CommonOptions

Provider = Literal["auto", "docfleet", "paddleocr"]
PROVIDERS: tuple[str, ...] = get_args(Provider)

PADDLEOCR_CLASSES = (
    "PaddleOCR", "DocPreprocessor", "PPStructureV3", "SealRecognition", "TableRecognitionPipelineV2",
    "FormulaRecognitionPipeline", "PaddleOCRVL", "DocUnderstanding", "PPChatOCRv4Doc", "PPDocTranslation",
)  # fmt: skip
"""PaddleOCR 3.7's pipelines, to speak of them where it is not installed. Which there are, the installed one says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageEntry(Entry):
    """A class of the installed PaddleOCR."""

    def load_options(self) -> type[CommonOptions]:
        """The options of the class, as the package declares them."""
        from docfleet.integrations.paddleocr.options import options_of
        from docfleet.integrations.paddleocr.package import find_class

        return options_of(find_class(self.class_name))


def find(name: str, provider: str = "auto") -> Entry:
    """The pipeline of that name: a class, a sub-command, or `module:Class` of one's own.

    Raises UsageError, in one line that says what to do, where there is none; StartError where PaddleOCR is installed
    and cannot be imported.
    """
    if provider not in PROVIDERS:
        raise UsageError(f"provider is {provider!r}: it is one of {', '.join(PROVIDERS)}")
    if provider == "docfleet" or ":" in name:
        return catalog.find(name)
    ours = catalog.known(name)
    if provider == "auto" and ours is not None:
        return ours
    from docfleet.integrations.paddleocr import package

    if provider == "auto" and not package.is_installed():
        raise UsageError(f"{_nobody_has(name)}. With PaddleOCR installed its pipelines run here too: {package.INSTALL}")
    found = package.find_class(name)
    return PackageEntry(
        class_name=found.name,
        command=found.command,
        pipeline="docfleet.integrations.paddleocr.pipeline:PackagePipeline",
        options="",
    )


def load_pipeline(name: str, provider: Provider = "auto", **options: Any) -> Pipeline[Any, Any, Any]:
    """Make a pipeline by its name.

        with docfleet.load_pipeline("SealRecognition", provider="paddleocr", device="gpu:0,1") as seals:
            for page in seals.predict_iter("scans/"):
                page.save_to_json("output")

    Args:
        name: class (`PaddleOCR`), sub-command (`seal_recognition`), or `module:Class` of one's own.
        provider: `docfleet` for ours, `paddleocr` for that of an installed PaddleOCR, `auto` (default) for ours where
            there is one.
        options: of the pipeline; PaddleOCR's are passed on to it.

    Raises UsageError for a name or an option that there is not, StartError if it cannot start.
    """
    from docfleet.pipelines.options import parse

    entry = find(name, provider)
    pipeline: Pipeline[Any, Any, Any] = entry.load().from_options(parse(entry.load_options(), options))
    return pipeline


def _nobody_has(name: str) -> str:
    try:
        catalog.find(name)
    except UsageError as error:
        known = {each.lower(): each for each in PADDLEOCR_CLASSES}
        if name.lower() in known:
            return f"docfleet has no {known[name.lower()]} of its own in this version"
        return str(error)
    return name
