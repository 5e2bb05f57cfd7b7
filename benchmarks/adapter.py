"""PaddleOCR alone, by its documented multi-process script, and behind the fleet: the same folder, the same engine.

    python benchmarks/adapter.py --peers-scripts DIR --peers-env DIR --corpus DIR --output DIR [--runs 1]

Run it with the Python of an environment that has both packages. The folder holds good documents and bad ones between
them; "alone" is one `predict_iter` over the folder, as in PaddleOCR's documentation. They run in turns, as whole
processes: seconds count from process start to its end; memory is the resident sizes of all its processes together,
sampled. A page is lost if its document is good and its JSON is not there.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from speed import SAMPLE_S, tree_memory

GOOD = (
    "snips/easyocr_chinese.jpg snips/easyocr_french.jpg snips/rapidocr_ch_en_num.jpg snips/rapidocr_japan.jpg "
    "snips/rapidocr_img_exif_orientation.jpg seals/synthetic_seal_01.jpg seals/synthetic_seal_02.jpg "
    "seals/synthetic_seal_04.jpg seals/synthetic_seal_05.jpg paddle/seal.png paddle/book.jpg "
    "rotated/phototest-rotated-L.png scan/ocrmypdf_baiona_colormapped.png scan/phototest.tif "
    "tables/pubtabnet_PMC4840965_004_00.png tables/pubtabnet_PMC2838834_005_00.png tables/rapiddoc_table_10.png "
    "hostile/multipage_g4.tif hostile/UPPER.JPG pdf/inv3d_05028_flat.pdf"
).split()
BAD = (
    "hostile/encrypted_user_pw.pdf hostile/ifd_loop.tif hostile/ocrmypdf_invalid.pdf hostile/text_renamed.jpg "
    "hostile/zero_byte.png"
).split()
NETWORKS = {"text_detection": "PP-OCRv6_small_det", "text_recognition": "PP-OCRv6_small_rec"}
ALONE = """
import json, sys
from pathlib import Path
from paddleocr import PaddleOCR
folder, output, options = sys.argv[1], Path(sys.argv[2]), json.loads(sys.argv[3])
output.mkdir(parents=True)
for result in PaddleOCR(**options).predict_iter(folder):
    page = "" if result["page_index"] is None else f"_{result['page_index']}"
    result.save_to_json(str(output / f"{Path(result['input_path']).stem}{page}.json"))
"""


def contenders(args: argparse.Namespace, mixed: Path, good: Path) -> dict[str, list[str]]:
    """Name -> command; `OUTPUT` stands for the folder of one run."""
    steps = dict.fromkeys(("use_doc_orientation_classify", "use_doc_unwarping", "use_textline_orientation"), False)
    options: dict[str, Any] = {**steps, "device": "cpu", "engine": "onnxruntime"}
    for role, name in NETWORKS.items():
        options |= {f"{role}_model_name": name, f"{role}_model_dir": str(args.peers_env / "models" / name)}
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    alone = [sys.executable, "-c", ALONE]
    several = [sys.executable, str(args.peers_scripts / "run_paddleocr_mp.py"), "--peers", str(args.peers_env),
               "--input", str(mixed), "--output", "OUTPUT", "--instances", "2"]  # fmt: skip
    ours = [sys.executable, "-m", "docfleet", "run", "--pipeline", "PaddleOCR", "--provider", "paddleocr",
            "--input_dir", str(mixed), "--output_dir", "OUTPUT", "--instances_per_device", "2", *flags]  # fmt: skip
    return {
        "alone, one call": [*alone, str(mixed), "OUTPUT", json.dumps(options)],
        "alone, one call, good documents only": [*alone, str(good), "OUTPUT", json.dumps(options)],
        "its script, 2 processes, batches of 1": several,
        "its script, 2 processes, batches of 4": [*several, "--batch_size", "4"],
        "its script, 2 processes of 1 thread": [*several, "--threads", "1"],
        "docfleet, 2 instances": ours,
    }


def run(command: list[str], output: Path) -> dict[str, Any]:
    """Seconds, peak memory of the tree in MB, exit status and names of pages written, of one run."""
    began = time.perf_counter()
    log = output.with_suffix(".log")
    with log.open("w") as file:
        process = subprocess.Popen(
            [str(output) if part == "OUTPUT" else part for part in command], stdout=file, stderr=file
        )
        peak = 0
        while process.poll() is None:
            peak = max(peak, tree_memory(process.pid))
            time.sleep(SAMPLE_S)
    pages = sorted(
        path.stem for path in output.rglob("*.json") if path.parent.name != "_docfleet" and path.name[0] != "_"
    )
    return {
        "seconds": time.perf_counter() - began,
        "mb": peak / 2**20,
        "status": process.returncode,
        "pages": pages,
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("peers-scripts", "peers-env", "corpus", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=1)
    args = parser.parse_args()
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
    os.environ.setdefault("PADDLE_PDX_CACHE_HOME", str(args.output / "paddlex"))
    mixed, good = args.output / "mixed", args.output / "good"
    for folder, names in ((mixed, [*GOOD, *BAD]), (good, GOOD)):
        folder.mkdir(parents=True)
        for name in names:
            shutil.copy(args.corpus / "files" / name, folder)
    todo = contenders(args, mixed, good)
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in todo}
    for number in range(args.runs):
        for place, (name, command) in enumerate(todo.items()):
            results[name].append(run(command, args.output / f"{place}_{number}"))
            print(f"# {number + 1}/{args.runs} {name}: {results[name][-1]}", file=sys.stderr)
    expected = set(results["alone, one call, good documents only"][0]["pages"])
    print(f"{len(GOOD)} good documents ({len(expected)} pages), {len(BAD)} bad ones\n")
    print("| PaddleOCR 3.7 | pages | good pages lost | exit status | seconds (min-max) | pages/s | peak MB |")
    print("|---|---|---|---|---|---|---|")
    for name, runs in results.items():
        seconds = [one["seconds"] for one in runs]
        median = statistics.median(seconds)
        found = set(runs[0]["pages"]) & expected
        print(
            f"| {name} | {len(found)} | {len(expected - found)} | {runs[0]['status']} "
            f"| {median:.1f} ({min(seconds):.1f}-{max(seconds):.1f}) | {len(found) / median:.2f} "
            f"| {statistics.median([one['mb'] for one in runs]):.0f} |"
        )
    (args.output / "adapter.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
