import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from docfleet.engines import base
from docfleet.engines.base import EngineOptions, Session, open_session, resolve_engine, resolve_precision
from docfleet.errors import EngineError, UsageError

from .tiny_onnx import sum_and_difference

ENGINES = ["openvino", "onnxruntime"]


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    path = tmp_path / "inference.onnx"
    path.write_bytes(sum_and_difference())
    return path


@pytest.fixture(params=ENGINES)
def session(request, onnx):
    session: Session = open_session(onnx, EngineOptions(engine=request.param))
    yield session
    session.close()


class TestSession:
    """What every engine does."""

    def test_says_what_it_takes(self, session):
        assert session.input_names == ("a", "b")
        assert session.input_shapes == ((None, 2), (None, 2))
        assert session.preferred_batch == 1

    def test_outputs_in_order_for_changing_shapes(self, session):
        for rows in (3, 1, 5):
            a = np.arange(2 * rows, dtype=np.float32).reshape(rows, 2)
            total, difference = session.run([a, np.ones_like(a)])
            np.testing.assert_array_equal(total, a + 1)
            np.testing.assert_array_equal(difference, a - 1)

    def test_outputs_survive_the_next_run(self, session):
        a = np.ones((2, 2), np.float32)
        first, _ = session.run([a, a])
        session.run([a * 7, a])
        assert (first == 2).all()
        first[0, 0] = 9

    def test_a_view_is_a_valid_input(self, session):
        a = np.arange(12, dtype=np.float32).reshape(2, 6)[:, ::3]
        total, _ = session.run([a, np.zeros_like(a)])
        np.testing.assert_array_equal(total, a)

    def test_number_of_inputs_is_checked(self, session):
        with pytest.raises(ValueError, match=r"2 inputs \(a, b\), got 1"):
            session.run([np.zeros((1, 2), np.float32)])

    def test_a_run_that_fails_raises_and_leaves_nothing_of_the_run_before(self, session):
        a = np.ones((3, 2), np.float32)
        session.run([a, a])
        with pytest.raises(Exception, match=r"2 by 3|3 by 2|mismatch"):
            session.run([a, a[:2]])
        total, _ = session.run([a[:1], a[:1]])
        assert total.tolist() == [[2, 2]]

    def test_close_may_be_repeated(self, session):
        session.close()
        session.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_missing_file_is_named(engine, tmp_path):
    with pytest.raises(EngineError, match=r"gone\.onnx is not a file"):
        open_session(tmp_path / "gone.onnx", EngineOptions(engine=engine))


@pytest.mark.parametrize("engine", ENGINES)
def test_corrupt_file_is_named(engine, onnx):
    onnx.write_bytes(b"not a network")
    with pytest.raises(EngineError, match=r"cannot load .*inference\.onnx"):
        open_session(onnx, EngineOptions(engine=engine))


@pytest.mark.parametrize(
    ("machine", "device_type", "engine"),
    [
        ("x86_64", "cpu", "openvino"),
        ("AMD64", "cpu", "openvino"),
        ("aarch64", "cpu", "onnxruntime"),
        ("x86_64", "gpu", "onnxruntime"),
    ],
)
def test_auto_engine(monkeypatch, machine, device_type, engine):
    monkeypatch.setattr(base.platform, "machine", lambda: machine)
    assert resolve_engine("auto", device_type) == engine


def test_auto_engine_without_openvino(monkeypatch):
    monkeypatch.setattr(base.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(base.importlib.util, "find_spec", lambda name: None if name == "openvino" else object())
    assert resolve_engine("auto", "cpu") == "onnxruntime"
    with pytest.raises(EngineError, match="openvino is not installed: pip install openvino"):
        resolve_engine("openvino", "cpu")


def test_unknown_engines():
    with pytest.raises(UsageError, match="choose auto, openvino, onnxruntime"):
        resolve_engine("magic", "cpu")
    with pytest.raises(UsageError, match="run PaddleOCR's own pipelines, by provider='paddleocr'"):
        resolve_engine("paddle", "cpu")


class TestPrecision:
    def test_fp32_is_everywhere(self):
        assert [resolve_precision("fp32", engine, "cpu") for engine in ENGINES] == ["fp32", "fp32"]

    def test_auto_follows_the_cpu(self, monkeypatch):
        monkeypatch.setattr(base, "_cpu_flags", lambda: frozenset({"avx2", "amx_bf16"}))
        monkeypatch.setattr("docfleet.engines.openvino.precisions", lambda device_type: ["fp32", "bf16"])
        assert resolve_precision("auto", "openvino", "cpu") == "bf16"
        assert resolve_precision("auto", "onnxruntime", "cpu") == "fp32"
        monkeypatch.setattr(base, "_cpu_flags", lambda: frozenset({"avx512f"}))
        assert resolve_precision("auto", "openvino", "cpu") == "fp32"

    def test_auto_needs_the_engine_to_agree(self, monkeypatch):
        monkeypatch.setattr(base, "_cpu_flags", lambda: frozenset({"avx512_bf16"}))
        monkeypatch.setattr("docfleet.engines.openvino.precisions", lambda device_type: ["fp32"])
        assert resolve_precision("auto", "openvino", "cpu") == "fp32"

    @pytest.mark.parametrize("precision", ["bf16", "fp16"])
    def test_what_is_not_there_is_refused(self, precision, onnx):
        with pytest.raises(EngineError, match=f"onnxruntime does not compute in {precision} on this cpu: use .*fp32"):
            resolve_precision(precision, "onnxruntime", "cpu")
        with pytest.raises(EngineError, match=precision):
            open_session(onnx, EngineOptions(engine="onnxruntime", precision=precision))

    def test_unknown_word(self):
        with pytest.raises(UsageError, match="choose auto, fp32, bf16, fp16"):
            resolve_precision("int3", "openvino", "cpu")


def test_engines_load_on_first_use():
    script = (
        "import sys, docfleet.engines.base as base; base.resolve_engine('auto', 'cpu');"
        "base.resolve_precision('fp32', 'openvino', 'cpu');"
        "print([name for name in ('openvino', 'onnxruntime', 'cv2') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "[]"
