"""Pages per second and memory of docfleet beside PaddleOCR and its documented multi-process pattern.

    python benchmarks/speed.py --peers-scripts DIR --peers-env DIR --corpus DIR --output DIR [--runs 3]

Every contender reads the pages of the peers' fixed list with the same weights and the reference's settings (detection
at native size, no line orientation, fp32). They run in turns, as whole processes: seconds count from process start to
its end, start-up and loading included, because that is what a person waits for; CPU seconds and memory (the resident
sizes of all its processes together, sampled) are of the whole tree.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import psutil

SAMPLE_S = 0.1


def contenders(args: argparse.Namespace) -> dict[str, list[str]]:
    """Name -> command; `OUTPUT` stands for the folder of one run."""
    python = str(args.peers_env / "venv-paddleocr/bin/python")
    listing = str(args.peers_scripts / "bench_list.txt")
    peers = ["--peers", str(args.peers_env), "--input", listing, "--root", str(args.corpus), "--output", "OUTPUT"]
    steps = "True" if args.preprocessing else "False"
    if args.preprocessing:
        peers += ["--orientation", "--unwarping"]
    lines = Path(listing).read_text(encoding="utf-8").splitlines()
    names = [line for line in lines if line.strip() and not line.startswith("#")]
    pages = [part for name in names for part in ("-i", f"{args.corpus}/{name}")]
    ours = [sys.executable, "-m", "docfleet", "ocr", *pages, "--save_path", "OUTPUT", "--save", "json",
            "--print", "none", "--device", "cpu", "--use_textline_orientation", "False", "--precision", "fp32",
            "--use_doc_orientation_classify", steps, "--use_doc_unwarping", steps]  # fmt: skip
    single, several = (str(args.peers_scripts / name) for name in ("run_paddleocr.py", "run_paddleocr_mp.py"))
    return {
        "PaddleOCR": [python, single, *peers],
        "PaddleOCR, 2 processes (documented)": [python, several, *peers, "--instances", "2"],
        "PaddleOCR, 2 processes of 1 thread": [python, several, *peers, "--instances", "2", "--threads", "1"],
        "docfleet, 1 slot of 2 threads": ours,
        "docfleet, 2 slots of 1 thread": [*ours, "--instances_per_device", "2"],
        "docfleet, 1 slot, ONNX Runtime": [*ours, "--engine", "onnxruntime"],
        "docfleet, 2 slots, ONNX Runtime": [*ours, "--engine", "onnxruntime", "--instances_per_device", "2"],
    }


def run(command: list[str], output: Path) -> dict[str, float]:
    """Wall and CPU seconds, peak memory of the tree in MB, and pages written, of one run."""
    command = [str(output) if part == "OUTPUT" else part for part in command]
    began, cpu = time.perf_counter(), os.times()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    peak = 0
    while process.poll() is None:
        peak = max(peak, tree_memory(process.pid))
        time.sleep(SAMPLE_S)
    if process.returncode:
        sys.exit(f"{command[:4]} ended with status {process.returncode}")
    after = os.times()
    spent = after.children_user + after.children_system - cpu.children_user - cpu.children_system
    pages = sum(1 for file in output.rglob("*.json") if not file.name.startswith("_"))
    return {"seconds": time.perf_counter() - began, "cpu": spent, "mb": peak / 2**20, "pages": pages}


def tree_memory(pid: int) -> int:
    """Resident bytes of a process and everything below it, at this moment."""
    total = 0
    try:
        for one in [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]:
            try:
                total += one.memory_info().rss
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        return total
    return total


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("peers-scripts", "peers-env", "corpus", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--preprocessing", action="store_true", help="page orientation and unwarping on, on all sides")
    parser.add_argument("--only", nargs="+", help="words that a contender's name must contain one of")
    args = parser.parse_args()
    todo = {
        name: command
        for name, command in contenders(args).items()
        if not args.only or any(word in name for word in args.only)
    }
    results: dict[str, list[dict[str, float]]] = {name: [] for name in todo}
    for number in range(args.runs):
        for name, command in todo.items():
            results[name].append(run(command, args.output / f"{name.replace(' ', '_')}_{number}"))
            print(f"# {number + 1}/{args.runs} {name}: {results[name][-1]}", file=sys.stderr)
    first = next(iter(results.values()))
    print("| contender | pages | seconds (min-max) | pages/s | ratio to the first, by run | CPU s | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        seconds = [one["seconds"] for one in runs]
        ratios = [base["seconds"] / one["seconds"] for base, one in zip(first, runs, strict=True)]
        median = statistics.median(seconds)
        print(
            f"| {name} | {runs[0]['pages']:.0f} | {median:.1f} ({min(seconds):.1f}-{max(seconds):.1f}) "
            f"| {runs[0]['pages'] / median:.3f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f}) "
            f"| {statistics.median([one['cpu'] for one in runs]):.1f} "
            f"| {statistics.median([one['mb'] for one in runs]):.0f} |"
        )
    (args.output / "speed.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
