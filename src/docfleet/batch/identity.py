"""What a job's outputs depend on: kept in the journal, compared before anything is added to them.

      pipeline, resolved plan with the hashes of its weights, reading, saves, pages, input folder  -->  identity
      identity of the outputs that are there  --differences-->  [("engine", "openvino", "onnxruntime"), ...]

Where a network lies does not matter, what it contains does. Nor do devices, instances and threads: results do not
depend on them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docfleet import __version__
from docfleet.batch.options import JobOptions
from docfleet.pipelines.base import Prepared

HIDDEN = "***"
"""Stands for a password wherever something is written down."""
INPUT = "input"
"""The key that may differ where the input folder has moved."""


def identity_of(class_name: str, prepared: Prepared, options: JobOptions) -> dict[str, Any]:
    """The identity of a job, as plain JSON."""
    worker = prepared.spec.options
    reading = {**worker["limits"], **worker["reading"]}
    if "pdf_password" in reading:
        # What it was must not be read here; whether it is another one has to be.
        reading["pdf_password"] = hashlib.sha256(str(reading["pdf_password"]).encode()).hexdigest()[:16]
    folder = options.input_dir or "."
    identity = {
        # Results may change with any version below 1.0, and with the first two numbers after it.
        "docfleet": ".".join(__version__.split(".")[:2]),
        "pipeline": class_name,
        "plan": _without_places(prepared.plan.to_plain()),
        "reading": reading,
        "save": sorted(options.saves),
        "pages": None if options.pages is None else options.pages.to_plain(),
        INPUT: str(Path(folder).resolve()).encode("utf-8", "backslashreplace").decode(),
    }
    # Through JSON once, so that it compares equal to what comes out of the journal: tuples become lists.
    return json.loads(json.dumps(identity))  # type: ignore[no-any-return]


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What is not the same: name, value before, value now; `None` where there was or is none."""
    old, new = dict(_flat(before)), dict(_flat(now))
    return [
        (_name_of(path), old.get(path), new.get(path))
        for path in dict.fromkeys([*old, *new])
        if old.get(path) != new.get(path)
    ]


def _flat(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield from _flat(member, (*path, key))
    else:
        yield path, value


def _name_of(path: tuple[str, ...]) -> str:
    """What people call it: "plan" says nothing to them, the options in it do."""
    return ".".join(path[1:] if path[0] == "plan" and path[1:] != (INPUT,) else path)


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_places(member) for key, member in value.items() if key != "folder"}
    if isinstance(value, list | tuple):
        return [_without_places(member) for member in value]
    return value
