"""What programs of the tests do with a pipeline, and what the tests look for when a program has ended.

A program runs in an environment with a mark, which every process that it starts inherits, and theirs too: whoever
carries the mark and is alive after the program has been left behind.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import psutil
from numpy.typing import NDArray

if TYPE_CHECKING:
    from docfleet import PaddleOCR

ROOT = Path(__file__).parents[2]
TINY: dict[str, Any] = {
    "device": "cpu",
    "text_detection_model_name": "PP-OCRv6_tiny_det",
    "text_recognition_model_name": "PP-OCRv6_tiny_rec",
    "use_doc_orientation_classify": False,
    "use_doc_unwarping": False,
}
TWO: dict[str, Any] = {**TINY, "instances_per_device": 2}
LIMIT_S = 120
GONE_S = 10
"""How long after the end of a program the system may take to put away its workers."""
_MARK = "DOCFLEET_TEST_PROGRAM"


def written(text: str) -> NDArray[np.uint8]:
    """A page with one line of text."""
    image = np.full((130, 520, 3), 255, np.uint8)
    cv2.putText(image, text, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (0, 0, 0), 2)
    return image


def read(pipeline: PaddleOCR) -> list[str]:
    """The text of five pages."""
    return [line for result in pipeline.predict(written(f"page {n}") for n in range(5)) for line in result.texts]


READ = ["page 0", "page 1", "page 2", "page 3", "page 4"]


def workers() -> list[psutil.Process]:
    """Worker processes of this process."""
    return [process for process in psutil.Process().children() if _is_worker(process)]


def wait_for_no_workers() -> None:
    """Fails if some are still there after a while."""
    # Not psutil's wait, which would take their exit statuses from the pipeline.
    end = time.monotonic() + GONE_S
    while workers() and time.monotonic() < end:
        time.sleep(0.05)
    assert workers() == []


def _is_worker(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "docfleet.fleet.worker_main" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Programs:
    """Runs programs in a folder of their own."""

    folder: Path

    def run(self, arguments: Sequence[str], *, given: str | None = None, **variables: str) -> Ended:
        """Run Python with `arguments`, `given` on its standard input, to its end."""
        with subprocess.Popen(
            [sys.executable, *arguments],
            cwd=self.folder, env=self.environment() | variables, text=True, start_new_session=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        ) as process:  # fmt: skip
            try:
                out, err = process.communicate(given, timeout=LIMIT_S)
            finally:
                process.kill()
        return Ended(process.returncode, out, err)

    def script(self, text: str) -> str:
        """The name of a script in the folder."""
        (self.folder / "program.py").write_text(text, encoding="utf-8")
        return "program.py"

    def environment(self) -> dict[str, str]:
        """Of the programs."""
        path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
        return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", _MARK: str(self.folder)}

    def left_behind(self) -> list[psutil.Process]:
        """Processes that the programs have started, directly or not, and that are alive."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get(_MARK) == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False

    def check_nothing_is_left(self) -> None:
        """Fails, after having ended them, if processes are still there after a while."""
        end = time.monotonic() + GONE_S
        while (alive := self.left_behind()) and time.monotonic() < end:
            time.sleep(0.05)
        for process in alive:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert alive == []
