"""Where a page's time goes: seconds per stage of OCR over a list of pages, in one thread.

    python benchmarks/stages.py --list FILE --corpus DIR [--threads 1] [--engine openvino]

The serial twin under cProfile; the figures are cumulative times of the stages' own functions, and of the networks
inside them. Profiling adds a little to stages made of many small calls.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import sys
from pathlib import Path

from docfleet import PaddleOCR

STAGES = {
    "read and decode": ("reader.py", "read"),
    "find which way up": ("page_orientation.py", "angles"),
    "make flat": ("unwarping.py", "unwarp"),
    "- of which sampling": ("unwarping.py", "sample"),
    "detect": ("detection.py", "detect"),
    "- of which finding quads": ("db.py", "find_quads"),
    "sort": ("quads.py", "sort_quads"),
    "crop": ("crops.py", "crop_quads"),
    "find lines on their head": ("orientation.py", "classify"),
    "recognise": ("recognition.py", "recognize"),
    "- of which preparing crops": ("recognition.py", "_fill"),
    "- of which best path": ("ctc.py", "best_path"),
    "networks, all together": (("openvino.py", "onnxruntime.py"), "run"),
}
"""Row -> (file, function)."""


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--list", type=Path, required=True)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--engine", default="openvino")
    parser.add_argument("--preprocessing", action="store_true", help="turn pages upright and make them flat first")
    args = parser.parse_args()
    lines = args.list.read_text(encoding="utf-8").splitlines()
    pages = [args.corpus / line for line in lines if line.strip() and not line.startswith("#")]
    with PaddleOCR(
        device="cpu", executor="serial", cpu_threads=args.threads, engine=args.engine, precision="fp32",
        use_doc_orientation_classify=args.preprocessing, use_doc_unwarping=args.preprocessing,
    ) as ocr:  # fmt: skip
        profile = cProfile.Profile()
        profile.enable()
        results = ocr.predict(pages)
        profile.disable()
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    total = sum(own for _, _, own, _, _ in stats.values())
    print(f"{len(results)} pages, {args.engine}, {args.threads} thread(s): {total:.1f} s\n")
    print("| stage | s | share |\n|---|---|---|")
    for row, (files, function) in STAGES.items():
        names = (files,) if isinstance(files, str) else files
        seconds = sum(
            cumulative
            for (path, _, name), (_, _, _, cumulative, _) in stats.items()
            if Path(path).name in names and name == function and "docfleet" in path
        )
        print(f"| {row} | {seconds:.2f} | {seconds / total:.1%} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
