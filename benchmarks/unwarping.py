"""What unwarping does for the text of photographed pages, and what it does to flat ones.

    python benchmarks/unwarping.py --corpus DIR [--flat] [--limit N] [--json FILE]

Reads the documents of kind `warped-photo` with docfleet, without and with unwarping, and compares the text, line by
line in the order in which it was read, with the ground truth:

    similarity    1 - edit distance / length of the longer one, white space counting as one space; the mean of pages
    recall        share of the truth's characters that were read, and precision: share of what was read that is there,
                  wherever it stands; white space left out, NFKC

`--flat` does the same with upright scans and images whose text is known, at most 4 pages of a document: they need no
unwarping and get it by default.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
import sys
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from docfleet import OCRResult, PaddleOCR

FLAT_KINDS = ("scan-page", "pdf-scan", "pdf-born-digital", "pdf-tables")
PAGES_OF_ONE = 4
VARIANTS = {"without": False, "with": True}


def similarity(a: str, b: str) -> float:
    """1 - edit distance / length of the longer text."""
    if not a and not b:
        return 1.0
    if len(a) < len(b):
        a, b = b, a
    row = list(range(len(b) + 1))
    for number, letter in enumerate(a, 1):
        diagonal, row[0] = row[0], number
        for place, other in enumerate(b, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (letter != other))
    return 1 - row[-1] / len(a)


def figures(lines: list[str], truth: str) -> dict[str, float]:
    """How the text of one page compares with the truth."""
    read, wanted = ("".join(unicodedata.normalize("NFKC", text).split()) for text in ("".join(lines), truth))
    hit = (Counter(read) & Counter(wanted)).total()
    return {
        "similarity": similarity(" ".join("\n".join(lines).split()), " ".join(truth.split())),
        "recall": hit / max(len(wanted), 1),
        "precision": hit / max(len(read), 1),
    }


def documents(corpus: Path, *, flat: bool) -> list[tuple[Path, list[str]]]:
    """The documents and the true text of each of their pages."""
    found = []
    with (corpus / "manifest.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            wanted = row["kind"] in FLAT_KINDS if flat else row["kind"] == "warped-photo"
            texts = [name for name in row["gt_files"].split(";") if name.endswith(".txt")]
            if wanted and texts and row["orientation"] in ("", "0"):
                truth = (corpus / texts[0]).read_text(encoding="utf-8").split("\f")
                found.append((corpus / row["file"], truth))
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--flat", action="store_true")
    parser.add_argument("--limit", type=int, help="only the first N documents")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    pages: list[dict[str, Any]] = []
    with PaddleOCR(device="cpu", precision="fp32", use_doc_orientation_classify=False) as ocr:
        for path, truth in documents(args.corpus, flat=args.flat)[: args.limit]:
            for variant, unwarping in VARIANTS.items():
                for number, result in enumerate(ocr.predict_iter(path, use_doc_unwarping=unwarping)):
                    if number >= min(PAGES_OF_ONE, len(truth)):
                        break
                    assert isinstance(result, OCRResult)
                    if truth[number].strip():
                        row = {"page": f"{path.name} {number}", "variant": variant}
                        pages.append(row | figures(list(result.texts), truth[number]))
    print("| unwarping | pages | similarity | recall | precision |\n|---|---|---|---|---|")
    for variant in VARIANTS:
        mine = [page for page in pages if page["variant"] == variant]
        means = (statistics.mean(page[name] for page in mine) for name in ("similarity", "recall", "precision"))
        print(f"| {variant} | {len(mine)} | {' | '.join(f'{mean:.4f}' for mean in means)} |")
    print("\n| page | similarity without | with | recall without | with |\n|---|---|---|---|---|")
    for name in dict.fromkeys(page["page"] for page in pages):
        without, with_it = (next(p for p in pages if p["page"] == name and p["variant"] == one) for one in VARIANTS)
        print(f"| {name} | {without['similarity']:.3f} | {with_it['similarity']:.3f} | {without['recall']:.3f} "
              f"| {with_it['recall']:.3f} |")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(pages, ensure_ascii=False, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
