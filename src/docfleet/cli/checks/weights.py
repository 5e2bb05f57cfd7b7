"""Networks and the folder that they are kept in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docfleet.cli.checks.check import Check, Question, attention, ok, problem
from docfleet.cli.checks.plan import options_of
from docfleet.cli.checks.probe import Probe, cannot_write, nearest
from docfleet.documents.sources import printable
from docfleet.errors import DocfleetError
from docfleet.pipelines.base import Network
from docfleet.report.words import size
from docfleet.weights import HubSource, State, Store, open_model_folder

_ROOM = 200_000_000
"""For what is fetched and for what engines compile."""


def networks(question: Question) -> Iterator[Check | str]:
    """Those of the pipeline: there and intact, or to be fetched."""
    from docfleet.pipelines.catalog import find

    yield f"importing the pipeline {question.pipeline}"
    try:
        wanted = find(question.pipeline).load().networks(options_of(question))
        store = Store()
    except DocfleetError as error:
        yield problem("networks", str(error), "see `docfleet run --help` for pipelines")
        return
    yield "checking the hashes of the networks"
    here = []
    for network in wanted:
        if network.folder is None:
            check = store.verify(network.name)
            if check.state is not State.OK:
                yield _to_be_fetched(store, network, check.state)
                continue
        elif complaint := _complaint(network.folder):
            yield problem("networks", complaint, "name another folder, or none to use the store")
            continue
        here.append(network.name)
    if here:
        yield ok("networks", f"{', '.join(here)}: intact, in {printable(str(store.root))}")
    elif not wanted:
        yield ok("networks", f"{question.pipeline} does not say which it needs")


def _to_be_fetched(store: Store, network: Network, state: State) -> Check:
    model = store.registry[network.name]
    place = printable(str(store.root))
    text = f"{model.name} is {'damaged' if state is State.DAMAGED else 'not there'} and has to be fetched"
    if model.size is not None:
        text += f" ({size(model.size)})"
    offline = f"or copy its folder from another machine to {place}"
    with Probe(store.root) as probe:
        if probe.error is not None:
            text += f"; but {cannot_write(probe.place, probe.error)}"
            return problem("networks", text, f"set DOCFLEET_CACHE_HOME to a folder that can be written, {offline}")
    if any(isinstance(source, HubSource) for source in model.sources):
        offline = f"where the official repositories can be reached, with pip install 'docfleet[hub]'; {offline}"
    return attention("networks", text, f"`docfleet models pull {model.name}` does it now, {offline}")


def _complaint(folder: str) -> str | None:
    try:
        open_model_folder(Path(folder))
    except DocfleetError as error:
        return str(error)
    return None


def cache_folder(_: Question) -> Iterator[Check | str]:
    """Where networks, and what engines make of them, are kept."""
    try:
        root = Store().root
    except DocfleetError as error:
        yield problem("cache folder", str(error), "set DOCFLEET_CACHE_HOME to a folder that can be written")
        return
    place = printable(str(root.parent))
    yield f"writing to {printable(str(nearest(root)))}"
    with Probe(root) as probe:
        if probe.error is not None:
            yield attention(
                "cache folder",
                f"{cannot_write(probe.place, probe.error)}: networks that are missing cannot be fetched, and each "
                "instance compiles its networks anew",
                "set DOCFLEET_CACHE_HOME to a folder that can be written, if instances should start faster",
            )
            return
        free = probe.free()
    if free < _ROOM:
        yield attention("cache folder", f"{place}: {size(free)} free", "make room, or set DOCFLEET_CACHE_HOME")
    else:
        yield ok("cache folder", f"{place}: can be written, {size(free)} free")
