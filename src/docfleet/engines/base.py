"""What an engine is, and how one is chosen.

      "auto", device type --resolve_engine-->    "openvino" | "onnxruntime" | "tensorrt"     once, in the parent
      "auto", engine      --resolve_precision--> "fp32" | "bf16" | "fp16"                     once, in the parent
      EngineOptions, inference.onnx --open_session--> Session                                 in each instance

A session is one network on one device with one thread budget. Engines load on first use, from the table below; nothing
here imports one. What was asked for is what runs: a precision, a device or an engine that is not there is an
EngineError and never something else instead.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from docfleet.errors import EngineError, UsageError

Array = NDArray[Any]
Shape = tuple[int | None, ...]
"""Sizes of an input's axes; None for one that may change from run to run."""


class Session(Protocol):
    """One loaded network. One thread at a time; `close` ends it and may be called twice."""

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs, in the order in which `run` takes them."""

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the inputs, in the same order."""

    @property
    def batch_invariant(self) -> bool:
        """Whether a row's result has the same bits whatever the size of the batch around it."""

    @property
    def preferred_batch(self) -> int:
        """How many rows of one shape a run should get: more of them are not faster."""

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Outputs in the network's order, for inputs in its order. The arrays belong to the caller.

        Raises ValueError if the number of inputs is wrong, and what the engine raises for shapes it cannot take.
        """

    def close(self) -> None:
        """Release the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions:
    """Where and how a network runs; every value is decided, none is `auto`."""

    engine: str
    device_type: str = "cpu"
    device_id: int | None = None
    """Index of an accelerator; None is the first. Has no meaning on `cpu`, where the process is bound to its cores."""
    threads: int = 1
    precision: str = "fp32"
    cache_dir: Path | None = None
    """Where compiled networks are kept for the next start; None keeps none."""


@dataclass(frozen=True, slots=True)
class _Engine:
    target: str
    """`module:Class` of a callable `(onnx, options) -> Session`."""
    module: str
    install: str
    precisions: str
    """`module:function` of a callable `(device_type) -> precisions that it computes in`."""


_ORT = "docfleet.engines.onnxruntime"
_ENGINES: Mapping[str, _Engine] = {
    "openvino": _Engine(
        "docfleet.engines.openvino:OpenVinoSession",
        "openvino",
        "pip install openvino",
        "docfleet.engines.openvino:precisions",
    ),
    "onnxruntime": _Engine(
        f"{_ORT}:OnnxRuntimeSession", "onnxruntime", "pip install onnxruntime", f"{_ORT}:precisions"
    ),
    "tensorrt": _Engine(
        f"{_ORT}:OnnxRuntimeSession", "onnxruntime", "pip install onnxruntime-gpu", f"{_ORT}:tensorrt_precisions"
    ),
}
"""`tensorrt` is ONNX Runtime with its TensorRT provider."""

PRECISIONS = ("fp32", "bf16", "fp16")

_X86 = ("x86_64", "amd64")
_NATIVE_BF16 = ("avx512_bf16", "amx_bf16")


def resolve_engine(engine: str, device_type: str) -> str:
    """The engine that `engine` means on this machine; `auto` is OpenVINO on an x86 CPU, ONNX Runtime elsewhere.

    Raises UsageError for an engine that docfleet does not have, EngineError for one that is not installed.
    """
    if engine == "auto":
        on_x86_cpu = device_type == "cpu" and platform.machine().lower() in _X86
        engine = "openvino" if on_x86_cpu and _installed(_ENGINES["openvino"]) else "onnxruntime"
    known = _engine(engine)
    if not _installed(known):
        raise EngineError(f"the engine {engine} is not installed: {known.install}")
    return engine


def resolve_precision(precision: str, engine: str, device_type: str) -> str:
    """The precision that `precision` means for a resolved engine; `auto` is bf16 on a CPU made for it, else fp32.

    An AVX-512 CPU without bf16 instructions runs bf16 too when asked, slower than fp32; `auto` does not take it there.
    `auto` is fp32 on systems that do not tell a process which instructions the CPU has (anything but Linux).

    Raises UsageError for an unknown word, EngineError where engine and device do not compute in what was asked.
    """
    if precision == "auto":
        native = engine == "openvino" and device_type == "cpu" and bool(_cpu_flags().intersection(_NATIVE_BF16))
        return "bf16" if native and "bf16" in _precisions(engine, device_type) else "fp32"
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision {precision!r}: choose auto, {', '.join(PRECISIONS)}")
    # fp32 is what every engine and device computes in; asking them would load the engine into the parent.
    if precision == "fp32":
        return precision
    supported = _precisions(engine, device_type)
    if precision not in supported:
        raise EngineError(
            f"{engine} does not compute in {precision} on this {device_type}: use precision {' or '.join(supported)}"
        )
    return precision


def open_session(onnx: Path, options: EngineOptions) -> Session:
    """Load the network in the file `onnx`.

    Raises EngineError if the engine is missing, refuses device or precision, or cannot load the file.
    """
    engine = resolve_engine(options.engine, options.device_type)
    resolve_precision(options.precision, engine, options.device_type)
    if not onnx.is_file():
        raise EngineError(f"{onnx} is not a file: the network is gone; `docfleet models verify` checks the store")
    return cast(Session, _load(_ENGINES[engine], _ENGINES[engine].target)(onnx, options))


def checked_inputs(inputs: Sequence[Array], names: Sequence[str]) -> list[Array]:
    """The inputs as contiguous arrays; ValueError if there are not as many as names."""
    if len(inputs) != len(names):
        raise ValueError(f"the network takes {len(names)} inputs ({', '.join(names)}), got {len(inputs)}")
    return [np.ascontiguousarray(array) for array in inputs]


def _engine(name: str) -> _Engine:
    try:
        return _ENGINES[name]
    except KeyError:
        elsewhere = "; with it run PaddleOCR's own pipelines, by provider='paddleocr'" if name in _FOREIGN else ""
        raise UsageError(f"unknown engine {name!r}: choose auto, {', '.join(_ENGINES)}{elsewhere}") from None


_FOREIGN = ("paddle", "paddle_static", "paddle_dynamic", "transformers")


def _installed(engine: _Engine) -> bool:
    return importlib.util.find_spec(engine.module) is not None


def _precisions(engine: str, device_type: str) -> Sequence[str]:
    known = _engine(engine)
    return cast(Sequence[str], _load(known, known.precisions)(device_type))


def _load(engine: _Engine, target: str) -> Callable[..., object]:
    module, _, attr = target.partition(":")
    try:
        return cast(Callable[..., object], getattr(importlib.import_module(module), attr))
    except ImportError as error:
        raise EngineError(f"{engine.module} cannot be imported ({error}): {engine.install}") from error


def _cpu_flags() -> frozenset[str]:
    """Instruction sets of the first CPU, as Linux names them; empty elsewhere."""
    info = Path("/proc/cpuinfo")
    try:
        lines = info.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2].split() for line in lines if line.startswith("flags")), ()))
