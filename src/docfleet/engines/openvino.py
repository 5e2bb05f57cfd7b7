"""OpenVINO on CPUs.

      inference.onnx --compile (about 0.25 s), or import from cache_dir (0.08 s)--> compiled network --> one request

Shapes. A network compiles once; each new input shape then builds the kernels for it (about 35 ms) and keeps them in a
cache of the plugin's. So callers keep the number of shapes small. Page faults cost more than kernels: the first large
input pays for its memory, and glibc keeps what the intermediate arrays of many sizes leave behind. A worker process
started with MALLOC_MMAP_THRESHOLD_=1048576 and MALLOC_TRIM_THRESHOLD_=1048576 in its environment gives it back
(measured after 44 shapes of a recogniser: 447 instead of 845 MB, at the same speed).

Threads. In fp32, results have the same bits for 1 and 2 threads and in batches of any size (measured for 1 to 32). For
bf16 and fp16 this was not measured, so callers keep the batch size fixed. One thread gains nothing from batches;
several do.

Compiled cache. OpenVINO's own CACHE_DIR writes its file in place, readable while half written, and truncates it under a
process that has it mapped. Ours is named by everything that decides its content and appears by `os.replace`, whole:

      <key>.blob     SHA-256 of the rest, 32 bytes | what OpenVINO exported

OpenVINO imports weights with flipped bits without a word, and such a network reads other texts; the digest notices.

Failures. With one thread and one stream, `infer()` of a request returns as if all were well where the network cannot
take a shape, and leaves the outputs of the run before (seen in 2026.4). `start_async()` and `wait()` raise, at the
same speed.
"""

from __future__ import annotations

import hashlib
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from docfleet.engines.base import Array, EngineOptions, Shape, checked_inputs
from docfleet.engines.signal_stack import kept_signal_stack
from docfleet.errors import EngineError

if TYPE_CHECKING:
    import openvino

log = logging.getLogger(__name__)

_HINTS = {"fp32": "f32", "bf16": "bf16", "fp16": "f16"}
_DIGEST_BYTES = hashlib.sha256().digest_size
_LAYOUT = 2
"""Of a blob's file. Releases that share a cache and write another layout get another number, and files of their own."""
_CAPABILITIES = {"fp32": "FP32", "bf16": "BF16", "fp16": "FP16"}


def precisions(device_type: str) -> list[str]:
    """The precisions that OpenVINO computes in on a device; raises EngineError for other devices than `cpu`."""
    _require_cpu(device_type)
    with kept_signal_stack():
        capabilities = _import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return [precision for precision, capability in _CAPABILITIES.items() if capability in capabilities]


class OpenVinoSession:
    """A network compiled by OpenVINO for this machine's CPU."""

    def __init__(self, onnx: Path, options: EngineOptions) -> None:
        """Compile the network in the file `onnx`. Raises EngineError."""
        _require_cpu(options.device_type)
        package = _import_openvino()
        self._tensor = package.Tensor
        settings = {
            "INFERENCE_NUM_THREADS": options.threads,
            "NUM_STREAMS": "1",
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": _HINTS[options.precision],
            # The process is bound to its cores already. With pinning, one-thread processes meet on the same core.
            "ENABLE_CPU_PINNING": False,
        }
        # A Core of its own costs 2 ms and no memory worth counting, and leaves nothing behind when the session ends.
        core = package.Core()
        try:
            with kept_signal_stack():
                compiled = _compile(core, onnx, settings, options.cache_dir)
        except RuntimeError as error:
            raise EngineError(f"OpenVINO cannot load {onnx}: {_last_line(error)}") from error
        self.input_names: tuple[str, ...] = tuple(port.any_name for port in compiled.inputs)
        self.input_shapes: tuple[Shape, ...] = tuple(_shape(port) for port in compiled.inputs)
        self.batch_invariant = options.precision == "fp32"
        self.preferred_batch = 1 if options.threads == 1 else 8
        self._outputs = len(compiled.outputs)
        self._request: Any = compiled.create_infer_request()

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """See `Session.run`. The next run overwrites the request's own arrays, hence the copies (1% of a run)."""
        request = self._request
        # Kept until the end of `wait`: a shared tensor does not own its memory.
        arrays = checked_inputs(inputs, self.input_names)
        for index, array in enumerate(arrays):
            request.set_input_tensor(index, self._tensor(array, shared_memory=True))
        # Not `infer`, which may lose an error and leave the outputs of the run before.
        try:
            request.start_async()
        finally:
            # Whatever interrupts: the arrays must not go while the network reads them.
            request.wait()
        return [np.array(request.get_output_tensor(index).data) for index in range(self._outputs)]

    def close(self) -> None:
        self._request = None


def _require_cpu(device_type: str) -> None:
    if device_type != "cpu":
        raise EngineError(f"the engine openvino runs on cpu, not on {device_type}: use engine onnxruntime there")


def _compile(
    core: openvino.Core, onnx: Path, settings: dict[str, Any], cache_dir: Path | None
) -> openvino.CompiledModel:
    if cache_dir is None:
        return core.compile_model(str(onnx), "CPU", settings)
    blob = cache_dir / f"{_cache_key(core, onnx, settings)}.blob"
    if blob.is_file():
        try:
            return core.import_model(_unsealed(blob.read_bytes()), "CPU", settings)
        except (RuntimeError, OSError, ValueError) as error:
            log.warning("compiled network %s cannot be used and is made anew: %s", blob, _last_line(error))
    compiled = core.compile_model(str(onnx), "CPU", settings)
    exported = io.BytesIO()
    compiled.export_model(exported)
    _store(_sealed(exported.getvalue()), blob)
    return compiled


def _cache_key(core: openvino.Core, onnx: Path, settings: dict[str, Any]) -> str:
    from openvino import get_version

    digest = hashlib.sha256(onnx.read_bytes())
    for part in (_LAYOUT, get_version(), core.get_property("CPU", "FULL_DEVICE_NAME"), sorted(settings.items())):
        digest.update(repr(part).encode())
    # The name of a CPU does not say which instructions a virtual machine lets through.
    digest.update(repr(sorted(core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"))).encode())
    return digest.hexdigest()


def _sealed(network: bytes) -> bytes:
    return hashlib.sha256(network).digest() + network


def _unsealed(content: bytes) -> bytes:
    """The network in a blob's content; ValueError if it is not what was stored."""
    network = content[_DIGEST_BYTES:]
    if hashlib.sha256(network).digest() != content[:_DIGEST_BYTES]:
        raise ValueError("it is damaged (its SHA-256 differs)")
    return network


def _store(content: bytes, blob: Path) -> None:
    """Put a compiled network into the cache; without a place to write the next start is slower and nothing else."""
    aside = blob.with_name(f".{blob.name}.{os.getpid()}")
    try:
        blob.parent.mkdir(parents=True, exist_ok=True)
        try:
            aside.write_bytes(content)
            aside.replace(blob)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        log.warning("compiled network cannot be kept in %s: %s", blob.parent, error)


def _import_openvino() -> ModuleType:
    """The package. It reports its import to its maker through openvino_telemetry; without that, it uses a stub."""
    telemetry = "openvino_telemetry"
    if "openvino" in sys.modules or telemetry in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[telemetry] = None  # type: ignore[assignment]  # means "not installed" to the import system
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[telemetry]


def _shape(port: openvino.ConstOutput) -> Shape:
    return tuple(dim.get_length() if dim.is_static else None for dim in port.partial_shape)


def _last_line(error: Exception) -> str:
    """The last line with words: OpenVINO puts the places in its source first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
