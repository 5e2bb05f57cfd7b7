"""`docfleet ocr`: read pages, print their text, write their JSON."""

from __future__ import annotations

import time
from typing import Any

import click

from docfleet.cli.flags import CONTEXT, flags_of, given
from docfleet.cli.pages import Saver, show_failure, show_page
from docfleet.pipelines.ocr.options import OCROptions
from docfleet.pipelines.options import parse


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
    Exit status: 0 all pages read; 1 some failed (all others were read); 2 wrong usage; 3 nothing could start;
    4 could not go on (disk full, folder not writable).
    """
    from docfleet.cli.models import rich_progress
    from docfleet.pipelines.failures import PageFailure
    from docfleet.pipelines.ocr.pipeline import PaddleOCR

    options = parse(OCROptions, {"executor": "processes", **given(flags), "on_error": "return"})
    saver = None if save_path is None else Saver(save_path)
    pages = failed = 0
    began = time.monotonic()
    with rich_progress() as progress:
        pipeline = PaddleOCR.from_options(options, progress=progress)
    with pipeline:
        for result in pipeline.predict_iter(list(inputs)):
            if isinstance(result, PageFailure):
                failed += 1
                show_failure(result)
                continue
            pages += 1
            show_page(result, "\n".join(result.texts), shown, summary=f"{len(result.texts)} lines")
            if saver is not None and not saver.save(result):
                failed += 1
    seconds = time.monotonic() - began
    where = f"; JSON in {save_path}" if saver is not None and saver.saved else ""
    click.echo(f"{pages} pages read, {failed} failed, {seconds:.1f} s{where}", err=True)
    return 1 if failed else 0
