"""Same results as the reference: OCR by docfleet and by PaddleOCR on the same pages, compared page by page.

    python benchmarks/parity.py --peers-scripts DIR --peers-env DIR --corpus DIR --output DIR

`--peers-scripts` holds `run_paddleocr.py`, `compare_text.py` and `bench_list.txt`; `--peers-env` is what their setup
made. Both run in the peers' own environment and unchanged; docfleet runs here, in a process of its own per variant.
Every variant uses the settings of the reference's runner: pages and lines as they lie, detection at native size, every
line kept.

`bf16` needs a CPU that has it. On any other, `--rounded DIR` adds the variant "bf16 by rounding": folders DIR/<model>
made by round_to_bf16.py, which compute as such a CPU does.

Prints the totals and every page below a similarity of 0.98, and writes them to `<output>/parity.json`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

VARIANTS = {
    "fp32": ["--precision", "fp32"],
    "bf16": ["--precision", "bf16"],
    "onnxruntime": ["--engine", "onnxruntime", "--precision", "fp32"],
}
"""Name of a variant -> what it changes."""

EXPLAIN_BELOW = 0.98


def pages_of(listing: Path, corpus: Path) -> list[Path]:
    """The documents that a list names, relative to the corpus."""
    lines = listing.read_text(encoding="utf-8").splitlines()
    return [corpus / line.strip() for line in lines if line.strip() and not line.startswith("#")]


def run_reference(scripts: Path, environment: Path, listing: Path, corpus: Path, output: Path) -> None:
    """PaddleOCR's own output, once."""
    if (output / "_summary.json").is_file():
        return
    subprocess.run(
        [environment / "venv-paddleocr/bin/python", scripts / "run_paddleocr.py", "--peers", environment,
         "--input", listing, "--root", corpus, "--output", output],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip


def run_ours(pages: list[Path], output: Path, arguments: list[str]) -> str | None:
    """Our output; None, or why the variant cannot run on this machine."""
    inputs = [part for page in pages for part in ("-i", str(page))]
    done = subprocess.run(
        [sys.executable, "-m", "docfleet", "ocr", *inputs, "--save_path", str(output), "--save", "json",
         "--print", "none", "--use_doc_orientation_classify", "False", "--use_doc_unwarping", "False",
         "--use_textline_orientation", "False", *arguments],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode == 3:
        return done.stderr.strip().splitlines()[-1]
    if done.returncode != 0:
        sys.exit(done.stderr)
    return None


def compare(scripts: Path, environment: Path, corpus: Path, reference: Path, ours: Path, target: Path) -> dict:
    """The peers' own comparison of two output folders, with ground truth where the corpus has it."""
    subprocess.run(
        [environment / "venv-paddleocr/bin/python", scripts / "compare_text.py", reference, ours, "--ignore-case",
         "--gt", corpus / "manifest.csv", "--json", target],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    return json.loads(target.read_text(encoding="utf-8"))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("peers-scripts", "peers-env", "corpus", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounded", type=Path)
    parser.add_argument("--list", type=Path, help="documents to compare (default: the peers' bench_list.txt)")
    args = parser.parse_args()
    variants = {name: VARIANTS[name] for name in args.variants}
    if args.rounded:
        detection, recognition = (str(args.rounded / f"PP-OCRv6_small_{kind}") for kind in ("det", "rec"))
        folders = ["--text_detection_model_dir", detection, "--text_recognition_model_dir", recognition]
        variants["bf16 by rounding"] = [*VARIANTS["onnxruntime"], *folders]
    scripts, environment, corpus = args.peers_scripts, args.peers_env, args.corpus
    args.output.mkdir(parents=True, exist_ok=True)
    listing = args.list or scripts / "bench_list.txt"
    pages = pages_of(listing, corpus)
    reference = args.output / "paddleocr"
    run_reference(scripts, environment, listing, corpus, reference)
    print(
        "| variant | pages | mean of pages | minimum | all characters | equal lines | mean IoU | recall | precision |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    report: dict = {}
    low: list[str] = []
    for variant, arguments in variants.items():
        reason = run_ours(pages, args.output / variant, arguments)
        if reason:
            low.append(f"{variant}: not run: {reason}")
            continue
        found = compare(scripts, environment, corpus, reference, args.output / variant, args.output / f"{variant}.json")
        if found["only_a"] or found["only_b"]:
            sys.exit(f"{variant}: pages on one side only: {found['only_a']} {found['only_b']}")
        *rows, total = found["pages"]
        # A page without text on both sides has nothing to compare.
        similar = {row["page"]: row["char_similarity"] for row in rows if row["char_similarity"] is not None}
        truth = found["ground_truth"][-1]
        report[variant] = {"pages": rows, "total": total, "ground_truth": truth}
        mean, worst = sum(similar.values()) / len(similar), min(similar, key=lambda page: similar[page])
        print(
            f"| {variant} | {len(rows)} | {mean:.4f} | {similar[worst]:.4f} ({worst}) "
            f"| {total['char_similarity']:.4f} | {total['equal_lines']:.4f} | {total['mean_iou']:.4f} "
            f"| {truth['recall_b']:.4f} ({truth['recall_a']:.4f}) "
            f"| {truth['precision_b']:.4f} ({truth['precision_a']:.4f}) |"
        )
        low += [f"{variant}: {page} {value:.4f}" for page, value in similar.items() if value < EXPLAIN_BELOW]
    print("\nrecall and precision against ground truth: ours (the reference's)")
    print(f"below {EXPLAIN_BELOW} or not run:", *(low or ["none"]), sep="\n  ")
    (args.output / "parity.json").write_text(json.dumps(report, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
