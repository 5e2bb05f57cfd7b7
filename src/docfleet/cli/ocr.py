"""`docfleet ocr`: read pages, print their text, write their JSON and drawings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from docfleet.cli.flags import CONTEXT, flags_of, given
from docfleet.cli.pages import Saver, kinds_given, run_over, show_page
from docfleet.pipelines.ocr.options import OCROptions
from docfleet.pipelines.options import parse

if TYPE_CHECKING:
    from docfleet.results.ocr import OCRResult

KINDS = ("json", "img")


@flags_of(OCROptions)
@click.command(name="ocr", context_settings=CONTEXT)
@click.option("-i", "--input", "inputs", required=True, multiple=True, metavar="PATH",
              help="image, PDF, folder, quoted glob pattern, URL or - (standard input); may be repeated")  # fmt: skip
@click.option("--save_path", metavar="FOLDER", help="write files <name>[_<page>]_... for each page into this folder")
@click.option("--save", metavar="KINDS",
              help=f"which files, commas between: {', '.join(KINDS)} (default: all, as PaddleOCR)")  # fmt: skip
@click.option("--print", "shown", type=click.Choice(["text", "json", "none"]), default="text", show_default=True,
              help="what goes to standard output: the text, one JSON document per line, or nothing")  # fmt: skip
def command(inputs: tuple[str, ...], save_path: str | None, save: str | None, shown: str, **flags: Any) -> int:
    """Read the text of images and PDFs.

    Text goes to standard output, one line of a page per line; messages go to standard error.
    Exit status: 0 all pages read; 1 some failed (all others were read); 2 wrong usage; 3 nothing could start;
    4 could not go on (disk full, folder not writable).
    """
    from docfleet.pipelines.ocr.pipeline import PaddleOCR

    def show(page: OCRResult) -> None:
        show_page(page, page.text, shown, summary=f"{len(page.texts)} lines")

    options = parse(OCROptions, {"executor": "processes", **given(flags), "on_error": "return"})
    kinds = kinds_given(save, KINDS)
    saver = None if save_path is None else Saver(save_path, kinds)
    return run_over(PaddleOCR, options, inputs, saver=saver, show=show)
