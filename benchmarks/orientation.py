"""Page orientation on real pages: the turned ones of a corpus, and the four orientations of its upright ones.

    python benchmarks/orientation.py --corpus DIR [--all] [--engine onnxruntime]

The corpus has a `manifest.csv` (file, kind, has_ground_truth, orientation, ...). Measured are

    turned     the documents that the manifest calls turned
    upright    the first pages of documents whose text is known, of the kinds below, in the manifest's order: the first
               30 of them, each in its four orientations
    all        with --all: the documents of all kinds of page, at most 4 pages of each, in four orientations; pages
               without anything on them are left out

The manifest says of two turned documents that they are turned clockwise, where they are turned counter-clockwise, and
of another that it is upright where three of its four pages are not; TRUTH says what one sees.

"first look" is the classifier at its word, as in the reference; "docfleet" takes the second look where it is unsure.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.engines.base import EngineOptions, open_session
from docfleet.errors import InputError
from docfleet.models.orientation import OrientationClassifier
from docfleet.models.page_orientation import ANGLES, PageOrientation
from docfleet.weights import Store

TEXT_KINDS = ("scan-page", "pdf-scan", "pdf-born-digital", "pdf-tables")
OTHER_KINDS = (
    "page-image", "layout-page", "form-scan", "pdf-mixed", "pdf-long", "table-image", "book-photo", "page-with-seal",
    "rotated-page", "warped-photo",
)  # fmt: skip
UPRIGHT = 30
PAGES_OF_ONE = 4
TRUTH = {
    ("docling_ocr_test_rotated_90.pdf", 0): 270,
    ("rapiddoc_table_10_90.png", 0): 270,
    ("docling_nemotron_multipage.pdf", 1): 180,
    ("docling_nemotron_multipage.pdf", 2): 90,
    ("docling_nemotron_multipage.pdf", 3): 270,
}
"""(document, page) -> degrees clockwise, where the manifest is wrong or silent."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page of the corpus as it lies there."""

    name: str
    index: int
    angle: int
    image: NDArray[np.uint8]

    def turned(self) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Its four orientations: degrees clockwise, pixels."""
        for quarters in range(4):
            yield (self.angle + 90 * quarters) % 360, np.ascontiguousarray(np.rot90(self.image, -quarters))


@dataclass(slots=True)
class Tally:
    """How often both were right."""

    pages: int = 0
    first: int = 0
    ours: int = 0

    def __iadd__(self, other: Tally) -> Self:
        self.pages += other.pages
        self.first += other.first
        self.ours += other.ours
        return self


class Judge:
    """Asks both ways of looking and remembers what they got wrong."""

    def __init__(self, engine: str) -> None:
        files = Store().locate("PP-LCNet_x1_0_doc_ori")
        session = open_session(files.onnx, EngineOptions(engine=engine))
        self._first = OrientationClassifier(session, files, degrees=ANGLES, batch_size=1)
        self._ours = PageOrientation(session, files)
        self.wrong: list[str] = []
        self.upright_turned: list[str] = []
        self.seconds: list[float] = []

    def ask(self, sheet: Sheet, angle: int, image: NDArray[np.uint8], tally: Tally) -> None:
        """One orientation of one page."""
        [first] = self._first.classify([image])
        began = time.perf_counter()
        [ours] = self._ours.angles([image])
        self.seconds.append(time.perf_counter() - began)
        tally.pages += 1
        tally.first += int(first.label) == angle
        tally.ours += ours == angle
        if ours != angle:
            line = f"{sheet.name} page {sheet.index}, turned by {angle}: taken for {ours}"
            self.wrong.append(f"{line} (first look {first.label}, {first.score:.2f})")
            if angle == 0:
                self.upright_turned.append(line)


def sheets(corpus: Path, row: dict[str, str], most: int, reader: Reader) -> Iterator[Sheet]:
    """Pages of a document, blank ones left out."""
    for index in range(min(int(row["pages"] or 1), most)):
        name = Path(row["file"]).name
        try:
            page = reader.read(Source(input_path=str(corpus / row["file"])), index)
        except InputError as error:
            print(f"left out: {error}", file=sys.stderr)
            return
        image = page.image  # type: ignore[union-attr]
        if cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), cv2.CV_16S).any():
            yield Sheet(name, index, TRUTH.get((name, index), int(row["orientation"] or 0)), image)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--all", action="store_true", help="also every other page")
    parser.add_argument("--engine", default="openvino")
    args = parser.parse_args()
    with (args.corpus / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    judge, reader = Judge(args.engine), Reader()
    turned, upright, everything = Tally(), Tally(), Tally()
    text_documents = 0
    for row in rows:
        is_turned = row["orientation"] not in ("", "0")
        is_text = row["kind"] in TEXT_KINDS and row["has_ground_truth"] == "yes" and not is_turned
        counted = is_text and text_documents < UPRIGHT
        text_documents += counted
        if not (is_turned or counted or (args.all and row["kind"] in (*TEXT_KINDS, *OTHER_KINDS))):
            continue
        for sheet in sheets(args.corpus, row, PAGES_OF_ONE if args.all else 1, reader):
            if is_turned:
                judge.ask(sheet, sheet.angle, sheet.image, turned)
            for angle, image in sheet.turned():
                mine = Tally()
                if args.all or counted:
                    judge.ask(sheet, angle, image, mine)
                everything += mine
                if counted and sheet.index == 0:
                    upright += mine
    print("| pages | orientations | first look right | docfleet right |\n|---|---|---|---|")
    for name, tally in (("turned", turned), (f"{UPRIGHT} upright", upright), ("all", everything)):
        if name == "all" and not args.all:
            continue
        print(f"| {name} | {tally.pages} | {tally.first} | {tally.ours} |")
    median, most = np.percentile(judge.seconds, (50, 95)) * 1000
    print(f"\nmedian {median:.0f} ms, 95 % below {most:.0f} ms")
    print("\nupright pages that are turned:", *(judge.upright_turned or ["none"]), sep="\n  ")
    print("\neverything that is wrong:", *(judge.wrong or ["none"]), sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
