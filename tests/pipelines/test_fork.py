"""A pipeline with real networks, inherited through fork(): it says so, and nothing hangs, not even the child's end."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.weights,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork"),
]

PROGRAM = """
import os, sys, warnings
import numpy as np
from docfleet import PaddleOCR
from docfleet.errors import ClosedError

warnings.simplefilter("ignore", DeprecationWarning)  # forking a process with threads is what this is about
page = np.full((64, 200, 3), 255, np.uint8)
pipeline = PaddleOCR(device="cpu", engine=sys.argv[1], executor=sys.argv[2], cpu_threads=2,
                     text_detection_model_name="PP-OCRv6_tiny_det", text_recognition_model_name="PP-OCRv6_tiny_rec",
                     use_doc_orientation_classify=False, use_doc_unwarping=False)
pipeline.predict(page)
child = os.fork()
if not child:
    try:
        with pipeline:
            pipeline.predict(page)
    except ClosedError as error:
        print("child:", error, flush=True)
    # ONNX Runtime's own exit handler waits for a thread that did not survive the fork, whoever imported it.
    os._exit(0) if "onnxruntime.capi" in sys.modules else sys.exit(0)
print("status", os.waitpid(child, 0)[1], flush=True)
pipeline.predict(page)
pipeline.close()
print("parent goes on", flush=True)
"""


@pytest.mark.parametrize("executor", ["serial", "processes"])
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_forked_child_is_told_and_ends(engine: str, executor: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, engine, executor], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("child: ")
    assert "fork" in lines[0]
    assert lines[1:] == ["status 0", "parent goes on"]
