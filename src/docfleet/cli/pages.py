"""What the commands of single pipelines do: run over the inputs, show and save each page, name what failed."""

from __future__ import annotations

import contextlib
import errno
import json
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import click

from docfleet.documents.pages import Limits
from docfleet.documents.sources import Source, printable
from docfleet.errors import OutputError, UsageError

if TYPE_CHECKING:
    from docfleet.pipelines.base import Pipeline
    from docfleet.pipelines.common import CommonOptions
    from docfleet.pipelines.failures import PageFailure
    from docfleet.results.base import BaseResult

_THIS_NAME_ONLY = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
"""Errors of a file's name: the next page may well be saved."""
_SAVING_THREADS = 4
_SAVING_PAGES = 2 * _SAVING_THREADS
"""Pages that are being written or wait for it, with all their images; more of them would only take memory."""


def documents_of(inputs: Sequence[str], *, max_file_bytes: int | None) -> object:
    """What `--input` stands for, as a pipeline takes it; `-` is the document on standard input.

    A single one is not made a list: a URL that was typed may lead into a private network, one out of a list may not.
    """
    documents = [_standard_input(max_file_bytes) if one == "-" else one for one in inputs]
    return documents[0] if len(documents) == 1 else documents


def _standard_input(max_file_bytes: int | None) -> Source:
    stream = sys.stdin.buffer
    if stream.isatty():
        raise UsageError("--input - reads a document from standard input, which is a terminal: send a file into it")
    # One more than allowed, so that too much is refused by the reader, in its words.
    return Source("stdin", data=stream.read((max_file_bytes or Limits().max_file_bytes) + 1))


class Saver:
    """Writes the files of pages into one folder; two pages never share a file. A context manager.

    The reference overwrites `a_res.json` of `a.png` by that of `a.jpg`; here the second is `a~2_res.json`. Drawing and
    encoding pictures takes longer than a network on a GPU takes for the page, so a few threads do it.
    """

    def __init__(self, save_path: str, kinds: Sequence[str] | None = None) -> None:
        """Make the folder. `kinds` are those of `BaseResult.kinds` to write; None writes everything there is.

        Raises UsageError for an empty name, OutputError if the folder cannot be made.
        """
        if not save_path:
            raise UsageError("--save_path is empty: name a folder")
        self.folder = Path(save_path)
        self._kinds = kinds
        self.saved = 0
        """How many pages have been saved; all of them are counted when the saver is closed."""
        self.failed = 0
        """How many could not be, because of their names."""
        self._taken: dict[str, str | None] = {}
        self._threads = ThreadPoolExecutor(_SAVING_THREADS, "save")
        self._pending: deque[Future[bool]] = deque()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{printable(save_path)} cannot be made a folder: {error.strerror or error}") from error

    def save(self, result: BaseResult) -> None:
        """Write a page, some time until the saver is closed; says so where its name cannot be written.

        Waits while too many pages are waiting. Raises OutputError, for this page or one before it, where no other page
        could be written either.
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
        while len(self._pending) >= _SAVING_PAGES:
            self._finish_one()
        self._pending.append(self._threads.submit(self._write, result))

    def close(self) -> None:
        """Wait until everything is written. Raises OutputError as `save`."""
        try:
            while self._pending:
                self._finish_one()
        finally:
            self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            self._threads.shutdown(cancel_futures=True)

    def _finish_one(self) -> None:
        if self._pending.popleft().result():
            self.saved += 1
        else:
            self.failed += 1

    def _write(self, result: BaseResult) -> bool:
        from docfleet.results.base import write_atomically  # with NumPy, which `--help` need not wait for

        try:
            for kind in result.kinds if self._kinds is None else self._kinds:
                for artefact in result.artefacts(kind):
                    write_atomically(self.folder / f"{result.save_as}{artefact.tail}", artefact.data)
        except OSError as error:
            if error.errno in _THIS_NAME_ONLY:
                click.echo(f"docfleet: output: {_name(result)} cannot be saved: {error.strerror}", err=True)
                return False
            raise OutputError(
                f"{_name(result)} cannot be saved in {self.folder}: {error.strerror or error}; make room or choose "
                "another folder"
            ) from error
        return True


def kinds_given(text: str | None, known: Sequence[str]) -> Sequence[str] | None:
    """What `--save` names, commas between; None where it is not given. Raises UsageError for a word not in `known`."""
    if text is None:
        return None
    kinds = [word.strip() for word in text.split(",")]
    for kind in kinds:
        if kind not in known:
            raise UsageError(f"--save {text}: {kind!r} is not one of {', '.join(known)}")
    return kinds


def run_over(
    pipeline_type: type[Pipeline[Any, Any, Any]],
    options: CommonOptions,
    inputs: Sequence[str],
    *,
    saver: Saver | None,
    show: Callable[[Any], None],
) -> int:
    """Run a pipeline over `--input`, with `on_error="return"` among its options. Returns the exit status."""
    from docfleet.cli.models import rich_progress
    from docfleet.pipelines.failures import PageFailure

    pages = failed = 0
    began = time.monotonic()
    with rich_progress() as progress:
        pipeline: Any = pipeline_type.from_options(options, progress=progress)
    with pipeline, saver or contextlib.nullcontext():
        for result in pipeline.predict_iter(documents_of(inputs, max_file_bytes=options.max_file_bytes)):
            if isinstance(result, PageFailure):
                failed += 1
                show_failure(result)
                continue
            pages += 1
            show(result)
            if saver is not None:
                saver.save(result)
    where = ""
    if saver is not None:
        failed += saver.failed
        where = f"; saved in {saver.folder}" if saver.saved else ""
    click.echo(f"{pages} pages read, {failed} failed, {time.monotonic() - began:.1f} s{where}", err=True)
    return 1 if failed else 0


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
