import logging
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from docfleet.engines.base import EngineOptions, open_session
from docfleet.engines.openvino import OpenVinoSession, precisions
from docfleet.errors import EngineError

from .tiny_onnx import product_and_difference, sum_and_difference

ONES = np.ones((1, 2), np.float32)


SHORT_OF_DISK = """
import logging, resource, sys
from pathlib import Path
import numpy as np
from docfleet.engines.base import EngineOptions, open_session
logging.basicConfig()
onnx, cache = map(Path, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
ones = np.ones((1, 2), np.float32)
total, _ = open_session(onnx, EngineOptions(engine="openvino", cache_dir=cache)).run([ones, ones])
print(total.max(), [path.name for path in cache.iterdir()])
"""
"""A process none of whose files may grow beyond 500 bytes."""

INTERRUPTED = """
import faulthandler, os, signal, sys
from pathlib import Path
from docfleet.engines.base import EngineOptions, open_session
if sys.argv[2:]:
    faulthandler.enable()
sessions = [open_session(Path(sys.argv[1]), EngineOptions(engine="openvino")) for _ in range(3)]
for session in sessions:
    session.close()
del session, sessions
try:
    os.kill(os.getpid(), signal.SIGINT)
except KeyboardInterrupt:
    print("interrupted")
"""


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


@pytest.mark.parametrize("starts", [1, 2], ids=["compiled", "from the cache"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_thread_budget_is_kept_and_no_core_is_claimed(onnx, tmp_path, threads, starts):
    if threads > (os.cpu_count() or 1):
        pytest.skip("one core")
    for _ in range(starts):
        session = open_session(onnx, options(tmp_path / "cache", threads=threads))
    running = session._request.get_compiled_model()
    assert running.get_property("INFERENCE_NUM_THREADS") == threads
    assert running.get_property("NUM_STREAMS") == 1
    assert running.get_property("ENABLE_CPU_PINNING") is False


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

    def test_what_runs_is_what_lies_there(self, onnx, tmp_path):
        cache = tmp_path / "cache"
        open_session(onnx, options(cache))
        (ours,) = cache.iterdir()
        other = tmp_path / "other.onnx"
        other.write_bytes(product_and_difference())
        open_session(other, options(tmp_path / "elsewhere"))
        (theirs,) = (tmp_path / "elsewhere").iterdir()
        ours.write_bytes(theirs.read_bytes())
        product, _ = open_session(onnx, options(cache)).run([ONES * 3, ONES * 5])
        assert (product == 15).all()

    @pytest.mark.parametrize("keep", [0, 31, 32, 100, 300, -1])
    def test_entry_cut_short_is_made_anew(self, onnx, tmp_path, keep, caplog):
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

    def test_no_flipped_bit_gets_through(self, onnx, tmp_path, caplog):
        cache = tmp_path / "cache"
        open_session(onnx, options(cache))
        (blob,) = cache.iterdir()
        whole = blob.read_bytes()
        for place in np.linspace(0, len(whole) - 1, 20, dtype=int):
            blob.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                assert works(open_session(onnx, options(cache)))
            assert f"{blob} cannot be used and is made anew: it is damaged" in caplog.text
            caplog.clear()
            assert works(open_session(onnx, options(cache)))
            assert caplog.text == ""

    def test_an_entry_is_replaced_and_never_written_to(self, onnx, tmp_path):
        """Another process may be reading it."""
        cache = tmp_path / "cache"
        open_session(onnx, options(cache))
        (blob,) = cache.iterdir()
        damaged = blob.read_bytes()[:-5]
        blob.write_bytes(damaged)
        with blob.open("rb") as reader:
            head = reader.read(100)
            open_session(onnx, options(cache))
            assert head + reader.read() == damaged
        assert len(blob.read_bytes()) == len(damaged) + 5

    @pytest.mark.skipif(sys.platform == "win32", reason="limits of resources are POSIX")
    def test_a_disk_that_fills_up_leaves_no_half_entry(self, onnx, tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", SHORT_OF_DISK, str(onnx), str(tmp_path / "cache")],
            capture_output=True, text=True, check=True, timeout=60,
        )  # fmt: skip
        assert done.stdout.split() == ["2.0", "[]"]
        assert "cannot be kept" in done.stderr

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


@pytest.mark.parametrize("with_stack", [[], ["faulthandler"]], ids=["bare", "faulthandler"])
def test_ctrl_c_after_networks_were_closed(onnx: Path, with_stack: list[str]) -> None:
    """Python's handlers must not be left with a stack for signals that has been unmapped."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(onnx), *with_stack], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
