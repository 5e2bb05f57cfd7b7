"""Python, the libraries, the engines, and what they make of the pipeline that was asked for."""

from __future__ import annotations

import importlib
import importlib.metadata
import logging
import platform
import sys
from collections.abc import Iterator
from typing import Any

from docfleet.cli.checks.check import Check, Question, attention, ok, problem
from docfleet.engines.signal_stack import kept_signal_stack
from docfleet.errors import DocfleetError

_LIBRARIES = {
    "numpy": ("numpy",),
    "cv2": ("opencv-python-headless", "opencv-python", "opencv-contrib-python", "opencv-contrib-python-headless"),
    "PIL": ("pillow",),
    "pypdfium2": ("pypdfium2",),
    "pyclipper": ("pyclipper",),
}
"""Module -> the packages that bring it; two of them in one environment write over each other's files."""
_ORT = ("onnxruntime", "onnxruntime-gpu")


def python(_: Question) -> Iterator[Check | str]:
    """The interpreter."""
    text = f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.platform == "win32":
        yield problem("python", text, "worker processes do not start on Windows yet: use Linux, WSL for instance")
    elif sys.platform != "linux":
        yield attention("python", text, "docfleet is tested on Linux; try a few pages first")
    else:
        yield ok("python", text)


def libraries(_: Question) -> Iterator[Check | str]:
    """What pages go through, each imported."""
    found = []
    for module, packages in _LIBRARIES.items():
        here = _installed(packages)
        if not here:
            yield problem("libraries", f"{packages[0]} is not installed", f"pip install {packages[0]}")
            continue
        if len(here) > 1:
            yield _twice("libraries", here)
        yield f"importing {module}"
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a library that is half there may raise anything
            yield problem("libraries", f"{module} cannot be imported: {_said(error)}", _anew(here))
            continue
        found.append(f"{next(iter(here))} {next(iter(here.values()))}")
    yield ok("libraries", ", ".join(found))


def engines(_: Question) -> Iterator[Check | str]:
    """The inference engines and what each can run on."""
    openvino, runtime = _installed(("openvino",)), _installed(_ORT)
    if openvino:
        yield "importing openvino and looking for its devices"
        try:
            module: Any = importlib.import_module("openvino")
            with kept_signal_stack():
                devices = ", ".join(module.Core().available_devices)
        except Exception as error:  # noqa: BLE001
            yield problem("openvino", f"it cannot be used: {_said(error)}", _anew(openvino))
        else:
            yield ok("openvino", f"{openvino['openvino']}, runs on {devices}")
    elif platform.machine().lower() in ("x86_64", "amd64"):
        yield attention("openvino", "not installed; on x86 CPUs it is the faster engine", "pip install openvino")
    if len(runtime) > 1:
        yield _twice("onnxruntime", runtime)
    if runtime:
        yield "importing onnxruntime and looking for its providers"
        try:
            module = importlib.import_module("onnxruntime")
            providers = [name.removesuffix("ExecutionProvider") for name in module.get_available_providers()]
        except Exception as error:  # noqa: BLE001
            yield problem("onnxruntime", f"it cannot be used: {_said(error)}", _anew(runtime))
        else:
            name, version = next(iter(runtime.items()))
            yield ok("onnxruntime", f"{name} {version}, providers {', '.join(providers)}")
    if not (openvino or runtime):
        yield problem("engines", "no inference engine is installed", "pip install openvino onnxruntime")


def instances(question: Question) -> Iterator[Check | str]:
    """How many instances a job would have, on which engine."""
    from docfleet.cli.checks.plan import slots_of_job
    from docfleet.engines.base import resolve_engine, resolve_precision
    from docfleet.pipelines.catalog import find

    yield "choosing devices and engine"
    with _Warnings() as warnings:
        try:
            slots = slots_of_job(question)
            engine = resolve_engine("auto", slots[0].device_type)
            precision = resolve_precision("auto", engine, slots[0].device_type)
        except DocfleetError as error:
            yield problem("instances", str(error), "`docfleet devices` shows what there is")
            return
    devices = ", ".join(dict.fromkeys(slot.device for slot in slots))
    threads = slots[0].threads
    text = (
        f"{len(slots)} on {devices}, with {threads} thread{'s' if threads > 1 else ''} each: {engine} in {precision}; "
        f"pipeline {find(question.pipeline).class_name}"
    )
    if warnings.said:
        yield attention("instances", f"{text}. {'. '.join(warnings.said)}", "`docfleet devices` shows what there is")
    else:
        yield ok("instances", text)


class _Warnings(logging.Handler):
    """What docfleet logs while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())

    def __enter__(self) -> _Warnings:
        logging.getLogger("docfleet").addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger("docfleet").removeHandler(self)


def _installed(packages: tuple[str, ...]) -> dict[str, str]:
    """Those of the packages that are installed, with their versions."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _twice(name: str, packages: dict[str, str]) -> Check:
    both = " and ".join(packages)
    return attention(
        name,
        f"{both} are both installed, and each has written over files of the other",
        f"pip uninstall {' '.join(packages)}, then install the one that you want",
    )


def _anew(packages: dict[str, str]) -> str:
    wanted = " ".join(f"{name}=={version}" for name, version in packages.items())
    return f"pip install --force-reinstall {wanted}"


def _said(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
