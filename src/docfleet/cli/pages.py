"""What the commands of single pipelines do with each page: show it, save it, name what failed."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docfleet.documents.sources import printable
from docfleet.errors import OutputError, UsageError

if TYPE_CHECKING:
    from docfleet.pipelines.failures import PageFailure
    from docfleet.results.base import BaseResult

_THIS_NAME_ONLY = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
"""Errors of a file's name: the next page may well be saved."""


class Saver:
    """Writes the files of pages into one folder; two pages never share a file.

    The reference overwrites `a_res.json` of `a.png` by that of `a.jpg`; here the second is `a~2_res.json`.
    """

    def __init__(self, save_path: str) -> None:
        """Make the folder. Raises UsageError for an empty name, OutputError if it cannot be made."""
        if not save_path:
            raise UsageError("--save_path is empty: name a folder")
        self._folder = Path(save_path)
        self.saved = 0
        """How many pages have been saved."""
        self._taken: dict[str, str | None] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{printable(save_path)} cannot be made a folder: {error.strerror or error}") from error

    def save(self, result: BaseResult) -> bool:
        """Write everything that a page can be saved as; False, with a message, if its name cannot be written.

        Raises OutputError where no other page could be written either.
        """
        stem, number = result.stem(), 1
        # Lower case, because a~2 is easier to live with than a file that some file systems overwrite.
        while result.save_as.lower() in self._taken:
            number += 1
            result.save_as = f"{stem}~{number}"
        self._taken[result.save_as.lower()] = result.input_path
        if number > 1:
            click.echo(
                f"docfleet: {_name(result)} is saved as {printable(result.save_as)}: its name was taken", err=True
            )
        try:
            result.save_all(self._folder)
        except OSError as error:
            if error.errno in _THIS_NAME_ONLY:
                click.echo(f"docfleet: output: {_name(result)} cannot be saved: {error.strerror}", err=True)
                return False
            raise OutputError(
                f"{_name(result)} cannot be saved in {self._folder}: {error.strerror or error}; make room or choose "
                "another folder"
            ) from error
        self.saved += 1
        return True


def show_page(result: BaseResult, text: str, shown: str, *, summary: str) -> None:
    """One page on standard output; where it comes from goes to standard error, so that the output can be piped."""
    if shown == "text":
        click.echo(click.style(f"== {_name(result)}: {summary}", dim=True), err=True)
        if text:
            click.echo(text)
    elif shown == "json":
        click.echo(json.dumps(result.json["res"], ensure_ascii=False))


def show_failure(failure: PageFailure) -> None:
    """One failure on standard error."""
    click.echo(f"docfleet: {failure.failure.category}: {failure}", err=True)


def _name(result: BaseResult) -> str:
    name = "array" if result.input_path is None else printable(result.input_path)
    return name if result.page_index is None else f"{name} page {result.page_index + 1}"
