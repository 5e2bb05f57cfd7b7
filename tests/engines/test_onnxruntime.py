from pathlib import Path

import onnxruntime
import pytest

from docfleet.engines.base import EngineOptions, open_session, resolve_precision
from docfleet.errors import EngineError

from .tiny_onnx import sum_and_difference


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    path = tmp_path / "inference.onnx"
    path.write_bytes(sum_and_difference())
    return path


def absent(provider: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        provider in onnxruntime.get_available_providers(), reason=f"this ONNX Runtime has {provider}"
    )


@pytest.mark.parametrize(
    ("engine", "device_type", "provider"),
    [
        pytest.param("onnxruntime", "gpu", "CUDAExecutionProvider", marks=absent("CUDAExecutionProvider")),
        pytest.param("onnxruntime", "npu", "CANNExecutionProvider", marks=absent("CANNExecutionProvider")),
        pytest.param("tensorrt", "gpu", "TensorrtExecutionProvider", marks=absent("TensorrtExecutionProvider")),
    ],
)
def test_missing_provider_is_an_error_not_a_fall_back(onnx, engine, device_type, provider):
    options = EngineOptions(engine=engine, device_type=device_type, device_id=1)
    with pytest.raises(EngineError, match=f"{device_type}:1 needs {provider}.*it has .*CPUExecutionProvider"):
        open_session(onnx, options)


@pytest.mark.parametrize(("engine", "device_type"), [("onnxruntime", "mlu"), ("tensorrt", "cpu")])
def test_device_without_any_provider(onnx, engine, device_type):
    with pytest.raises(EngineError, match=f"no execution provider for {device_type}.*paddleocr package"):
        open_session(onnx, EngineOptions(engine=engine, device_type=device_type))


def test_runs_on_the_cpu_with_several_threads(onnx):
    session = open_session(onnx, EngineOptions(engine="onnxruntime", threads=2))
    assert not session.batch_invariant
    assert session.preferred_batch == 8


def test_the_thread_budget_is_kept(onnx):
    for threads in (1, 3):
        session = open_session(onnx, EngineOptions(engine="onnxruntime", threads=threads))
        options = session._session.get_session_options()
        assert (options.intra_op_num_threads, options.inter_op_num_threads) == (threads, 1)


@absent("CUDAExecutionProvider")
@pytest.mark.filterwarnings("ignore:Specified provider 'CUDAExecutionProvider':UserWarning")
def test_a_provider_that_is_there_and_does_not_start_is_an_error(onnx, monkeypatch):
    # As with a build for CUDA on a machine without its libraries: ONNX Runtime goes on, on the CPU.
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    with pytest.raises(EngineError, match=r"CUDAExecutionProvider does not start for gpu:0 \(only CPUExec.*\).*driver"):
        open_session(onnx, EngineOptions(engine="onnxruntime", device_type="gpu", device_id=0))


def test_tensorrt_halves_on_request():
    assert resolve_precision("fp16", "tensorrt", "gpu") == "fp16"
    with pytest.raises(EngineError, match="does not compute in bf16"):
        resolve_precision("bf16", "tensorrt", "gpu")
