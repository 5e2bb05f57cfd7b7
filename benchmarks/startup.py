"""How long a person waits: import, help, and the first page's text, each as a whole process.

    python benchmarks/startup.py [--runs 7]

"first page" is `docfleet ocr` on a small image drawn here, from process start to its last line of output, with weights
and compiled networks in the store; "cold compile" is the same with an empty folder for compiled networks.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from docfleet.weights import default_root


def seconds(command: list[str], environment: dict[str, str]) -> float:
    """Wall time of one run."""
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.png"
        image = np.full((480, 640, 3), 255, np.uint8)
        for line in range(8):
            cv2.putText(
                image, f"Line {line} of a small page", (20, 50 + 55 * line), cv2.FONT_HERSHEY_SIMPLEX, 1, (0, 0, 0), 2
            )
        cv2.imwrite(str(page), image)
        read = [sys.executable, "-m", "docfleet", "ocr", "-i", str(page)]
        # A cache with the same weights and nothing compiled.
        (Path(folder) / "cold").mkdir()
        (Path(folder) / "cold" / "models").symlink_to(default_root())
        compiled = Path(folder) / "cold" / "compiled"
        cold = {**os.environ, "DOCFLEET_CACHE_HOME": str(Path(folder) / "cold")}
        cases = {
            "python -c pass": ([sys.executable, "-c", "pass"], dict(os.environ)),
            "import docfleet": ([sys.executable, "-c", "import docfleet"], dict(os.environ)),
            "docfleet --help": ([sys.executable, "-m", "docfleet", "--help"], dict(os.environ)),
            "docfleet ocr --help": ([sys.executable, "-m", "docfleet", "ocr", "--help"], dict(os.environ)),
            "first page": (read, dict(os.environ)),
            "first page, cold compile": (read, cold),
        }
        print("| what | runs | minimum s | median s | maximum s |\n|---|---|---|---|---|")
        for name, (command, environment) in cases.items():
            if name == "first page":
                seconds(command, environment)  # fills the store
            times = []
            for _ in range(runs):
                shutil.rmtree(compiled, ignore_errors=True)
                times.append(seconds(command, environment))
            print(f"| {name} | {runs} | {min(times):.3f} | {statistics.median(times):.3f} | {max(times):.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
