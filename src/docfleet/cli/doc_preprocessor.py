"""`docfleet doc_preprocessor`: turn pages upright, make them flat, write what came out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from docfleet.cli.flags import CONTEXT, flags_of, given
from docfleet.cli.pages import Saver, kinds_given, run_over, show_page
from docfleet.pipelines.doc_preprocessor.options import DocPreprocessorOptions
from docfleet.pipelines.options import parse

if TYPE_CHECKING:
    from docfleet.results.doc_preprocessor import DocPreprocessorResult

KINDS = ("json", "img", "page")


@flags_of(DocPreprocessorOptions)
@click.command(name="doc_preprocessor", context_settings=CONTEXT)
@click.option("-i", "--input", "inputs", required=True, multiple=True, metavar="PATH",
              help="image, PDF, folder or quoted glob pattern; may be given several times")  # fmt: skip
@click.option("--save_path", metavar="FOLDER", help="write files <name>[_<page>]_... for each page into this folder")
@click.option("--save", metavar="KINDS",
              help=f"which files, commas between: {', '.join(KINDS)} (default: all); page is the corrected page"
              " by itself, img the three stages side by side")  # fmt: skip
@click.option("--print", "shown", type=click.Choice(["text", "json", "none"]), default="text", show_default=True,
              help="what goes to standard output: a line per page, one JSON document per line, or nothing")  # fmt: skip
def command(inputs: tuple[str, ...], save_path: str | None, save: str | None, shown: str, **flags: Any) -> int:
    """Turn pages upright and make photographed pages flat.

    Exit status: 0 all pages done; 1 some failed (all others were done); 2 wrong usage; 3 nothing could start;
    4 could not go on (disk full, folder not writable).
    """
    from docfleet.pipelines.doc_preprocessor.pipeline import DocPreprocessor

    def show(page: DocPreprocessorResult) -> None:
        show_page(page, _done_to(page), shown, summary=f"{page.page.shape[1]} x {page.page.shape[0]} pixels")

    options = parse(DocPreprocessorOptions, {"executor": "processes", **given(flags), "on_error": "return"})
    kinds = kinds_given(save, KINDS)
    saver = None if save_path is None else Saver(save_path, kinds)
    return run_over(DocPreprocessor, options, inputs, saver=saver, show=show)


def _done_to(page: DocPreprocessorResult) -> str:
    """What happened to a page, as a line."""
    done = [f"turned by {page.angle} degrees"] if page.angle > 0 else []
    if page["model_settings"]["use_doc_unwarping"]:
        done.append("made flat")
    return ", ".join(done) or "left as it was"
