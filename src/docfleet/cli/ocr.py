"""`docfleet ocr`: read pages, print their text, write their JSON."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import click

from docfleet.cli.flags import CONTEXT, flags_of, given
from docfleet.pipelines.ocr.options import OCROptions
from docfleet.pipelines.options import parse

if TYPE_CHECKING:
    from docfleet.results.ocr import OCRResult


@flags_of(OCROptions)
@click.command(name="ocr", context_settings=CONTEXT)
@click.option("-i", "--input", "inputs", required=True, multiple=True, metavar="PATH",
              help="image, PDF, folder or quoted glob pattern; may be given several times")  # fmt: skip
@click.option("--save_path", metavar="FOLDER", help="write <name>[_<page>]_res.json for each page into this folder")
@click.option("--print", "shown", type=click.Choice(["text", "json", "none"]), default="text", show_default=True,
              help="what goes to standard output: the text, one JSON document per line, or nothing")  # fmt: skip
def command(inputs: tuple[str, ...], save_path: str | None, shown: str, **flags: Any) -> int:
    """Read the text of images and PDFs.

    Text goes to standard output, one line of a page per line; messages go to standard error.
    Exit status: 0 all pages read; 1 some failed (all others were read); 2 wrong usage; 3 nothing could start.
    """
    from docfleet.cli.models import rich_progress
    from docfleet.pipelines.failures import PageFailure
    from docfleet.pipelines.ocr.pipeline import PaddleOCR
    from docfleet.pipelines.ocr.plan import fetch_missing

    options = given(flags)
    with rich_progress() as progress:
        fetch_missing(parse(OCROptions, options), progress=progress)
    pages = failed = 0
    began = time.monotonic()
    with PaddleOCR(**options, on_error="return") as pipeline:
        for result in pipeline.predict_iter(list(inputs)):
            if isinstance(result, PageFailure):
                failed += 1
                click.echo(f"docfleet: {result.failure.category}: {result}", err=True)
                continue
            pages += 1
            if save_path is not None:
                result.save_all(save_path)
            _show(result, shown)
    seconds = time.monotonic() - began
    click.echo(f"{pages} pages read, {failed} failed, {seconds:.1f} s"
               + (f"; JSON in {save_path}" if save_path and pages else ""), err=True)  # fmt: skip
    return 1 if failed else 0


def _show(result: OCRResult, shown: str) -> None:
    """One page on standard output; where it comes from goes to standard error, so that the output can be piped."""
    if shown == "text":
        page = "" if result.page_index is None else f" page {result.page_index + 1}"
        click.echo(click.style(f"== {result.input_path}{page}: {len(result.texts)} lines", dim=True), err=True)
        for line in result.texts:
            click.echo(line)
    elif shown == "json":
        click.echo(json.dumps(result.json["res"], ensure_ascii=False))
