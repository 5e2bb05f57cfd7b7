"""ONNX Runtime: any CPU, and accelerators by execution provider.

      device type --table--> execution provider --InferenceSession--> checked: does it really run there?

ONNX Runtime falls back to the CPU where a provider is missing or does not start, and says so in its log only; here that
is an error. A row's result differs in the seventh digit between batches of one and larger ones, so `batch_invariant` is
False and callers keep the batch size fixed (measured: a row then does not depend on the rows beside it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from docfleet.engines.base import Array, EngineOptions, Shape, checked_inputs
from docfleet.errors import EngineError

_PROVIDERS: Mapping[tuple[str, str], str] = {
    ("onnxruntime", "cpu"): "CPUExecutionProvider",
    ("onnxruntime", "gpu"): "CUDAExecutionProvider",
    ("onnxruntime", "npu"): "CANNExecutionProvider",
    ("onnxruntime", "dcu"): "MIGraphXExecutionProvider",
    ("tensorrt", "gpu"): "TensorrtExecutionProvider",
}
"""(engine, device type) -> provider."""


def provides(device_type: str) -> bool:
    """Whether the installed ONNX Runtime has an execution provider for a device type."""
    import onnxruntime

    return _PROVIDERS.get(("onnxruntime", device_type)) in onnxruntime.get_available_providers()


def precisions(device_type: str) -> list[str]:
    """ONNX Runtime computes in the precision of the file, which is fp32."""
    return ["fp32"]


def tensorrt_precisions(device_type: str) -> list[str]:
    """TensorRT halves it on request."""
    return ["fp32", "fp16"]


class OnnxRuntimeSession:
    """A network loaded by ONNX Runtime."""

    batch_invariant = False

    def __init__(self, onnx: Path, options: EngineOptions) -> None:
        """Load the network in the file `onnx`. Raises EngineError."""
        import onnxruntime

        provider = _provider(options, onnxruntime.get_available_providers())
        session_options = onnxruntime.SessionOptions()
        session_options.intra_op_num_threads = options.threads
        session_options.inter_op_num_threads = 1
        # A thread that spins while it waits takes the core of a neighbouring instance.
        session_options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # The pattern of one input shape is of no use to the next.
        session_options.enable_mem_pattern = False
        session_options.log_severity_level = 3
        try:
            session = onnxruntime.InferenceSession(
                str(onnx), session_options, providers=[provider], provider_options=[_provider_options(options)]
            )
        # Its exceptions have no common base but Exception, and come from a private module.
        except Exception as error:
            raise EngineError(f"ONNX Runtime cannot load {onnx}: {error}") from error
        running = session.get_providers()
        if provider not in running:
            raise EngineError(
                f"{provider} does not start for {_device(options)} (only {', '.join(running)} did): "
                "check driver and libraries that this build of ONNX Runtime needs"
            )
        self.input_names: tuple[str, ...] = tuple(port.name for port in session.get_inputs())
        self.input_shapes: tuple[Shape, ...] = tuple(_shape(port.shape) for port in session.get_inputs())
        self.preferred_batch = 1 if options.device_type == "cpu" and options.threads == 1 else 8
        self._session: Any = session

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        arrays = checked_inputs(inputs, self.input_names)
        outputs = self._session.run(None, dict(zip(self.input_names, arrays, strict=True)))
        return [np.asarray(output) for output in outputs]

    def close(self) -> None:
        self._session = None


def _provider(options: EngineOptions, available: Sequence[str]) -> str:
    provider = _PROVIDERS.get((options.engine, options.device_type))
    if provider is None:
        known = ", ".join(device for engine, device in _PROVIDERS if engine == options.engine)
        raise EngineError(
            f"the engine {options.engine} has no execution provider for {options.device_type} (it has for {known}): "
            "use one of these, or the paddleocr package itself"
        )
    if provider not in available:
        raise EngineError(
            f"{_device(options)} needs {provider}, which the installed ONNX Runtime lacks "
            f"(it has {', '.join(available)}): install the build of onnxruntime for that device"
        )
    return provider


def _provider_options(options: EngineOptions) -> dict[str, str]:
    if options.device_type == "cpu":
        return {}
    chosen = {"device_id": str(options.device_id or 0)}
    if options.engine == "tensorrt":
        chosen["trt_fp16_enable"] = str(options.precision == "fp16")
        if options.cache_dir is not None:
            chosen |= {"trt_engine_cache_enable": "True", "trt_engine_cache_path": str(options.cache_dir)}
    return chosen


def _device(options: EngineOptions) -> str:
    return options.device_type if options.device_id is None else f"{options.device_type}:{options.device_id}"


def _shape(shape: Sequence[int | str | None]) -> Shape:
    return tuple(size if isinstance(size, int) else None for size in shape)
