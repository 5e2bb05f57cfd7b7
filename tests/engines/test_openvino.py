import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from docfleet.engines.base import EngineOptions, open_session
from docfleet.engines.openvino import OpenVinoSession, precisions
from docfleet.errors import EngineError

from .tiny_onnx import sum_and_difference

ONES = np.ones((1, 2), np.float32)


@pytest.fixture
def onnx(tmp_path: Path) -> Path:
    path = tmp_path / "inference.onnx"
    path.write_bytes(sum_and_difference())
    return path


def options(cache_dir: Path | None = None, **changed) -> EngineOptions:
    return EngineOptions(engine="openvino", cache_dir=cache_dir, **changed)


def works(session: OpenVinoSession) -> bool:
    total, _ = session.run([ONES, ONES])
    return bool((total == 2).all())


def test_other_devices_are_refused(onnx):
    with pytest.raises(EngineError, match="runs on cpu, not on gpu"):
        open_session(onnx, EngineOptions(engine="openvino", device_type="gpu"))
    with pytest.raises(EngineError, match="runs on cpu, not on gpu"):
        precisions("gpu")


def test_what_is_asked_for_is_what_runs(onnx):
    import openvino

    for precision in precisions("cpu"):
        session = open_session(onnx, options(precision=precision))
        assert works(session)
        assert session.batch_invariant is (precision == "fp32")
    missing = {"bf16", "fp16"}.difference(precisions("cpu"))
    capabilities = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    assert missing == {name for name in ("bf16", "fp16") if name.upper() not in capabilities}
    for precision in missing:
        with pytest.raises(EngineError, match=f"openvino does not compute in {precision}"):
            open_session(onnx, options(precision=precision))


def test_more_threads_like_batches(onnx):
    assert open_session(onnx, options(threads=2)).preferred_batch == 8


class TestCache:
    def test_second_start_uses_what_the_first_made(self, onnx, tmp_path):
        cache = tmp_path / "not" / "there" / "yet"
        assert works(open_session(onnx, options(cache)))
        (blob,) = cache.iterdir()
        assert blob.suffix == ".blob"
        made = blob.stat().st_mtime_ns
        assert works(open_session(onnx, options(cache)))
        assert [path.stat().st_mtime_ns for path in cache.iterdir()] == [made]

    def test_another_network_or_setting_is_another_entry(self, onnx, tmp_path):
        cache = tmp_path / "cache"
        open_session(onnx, options(cache))
        open_session(onnx, options(cache, threads=2))
        onnx.write_bytes(onnx.read_bytes() + b"\x12\x04docs")  # producer_name
        open_session(onnx, options(cache))
        assert len(list(cache.iterdir())) == 3

    @pytest.mark.parametrize("keep", [0, 100, 300])
    def test_damaged_entry_is_made_anew(self, onnx, tmp_path, keep, caplog):
        cache = tmp_path / "cache"
        open_session(onnx, options(cache))
        (blob,) = cache.iterdir()
        whole = blob.stat().st_size
        assert whole > keep
        blob.write_bytes(blob.read_bytes()[:keep])
        with caplog.at_level(logging.WARNING):
            assert works(open_session(onnx, options(cache)))
        assert "made anew" in caplog.text
        assert blob.stat().st_size == whole

    def test_without_a_place_to_write_it_works_all_the_same(self, onnx, tmp_path, caplog):
        occupied = tmp_path / "file"
        occupied.write_text("in the way")
        with caplog.at_level(logging.WARNING):
            assert works(open_session(onnx, options(occupied)))
        assert "cannot be kept" in caplog.text
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "inference.onnx"]


def test_import_reports_to_nobody():
    """The package reports its own import over the network when openvino_telemetry is importable."""
    script = (
        "import sys; from docfleet.engines.openvino import precisions; precisions('cpu');"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')]);"
        "import openvino.tools.ovc as ovc; print(ovc.telemetry_utils.tm.__name__)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["[]", "openvino.tools.ovc.telemetry_stub"]
