"""What becomes of hostile documents, and what each of them costs: the tables in docs/reliability.md.

    DOCFLEET_CORPUS=<folder> python benchmarks/hostile.py            print the tables: <folder>/files/hostile, and bombs
    DOCFLEET_CORPUS=<folder> python benchmarks/hostile.py --write    put them into docs/reliability.md
    DOCFLEET_CORPUS=<folder> python benchmarks/hostile.py --check    exit 1 if an outcome there is not so, or memory or
                                                                     CPU time are over what is promised; no bombs

Each document is read by an interpreter of its own with the default limits, every page of it. Memory is the peak of
resident memory, as the kernel tells at the end, of the reader and of the decoder process.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypedDict

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
MAX_MEGABYTES = 1000
MAX_SECONDS = 10.5
"""Of CPU time, for a page: the limit, and starting."""


class Row(TypedDict):
    outcome: str
    pages: int
    reader: int
    decoder: int
    seconds: float


def measure(path: str) -> Row:
    """Read a document in this process, which must be a fresh one."""
    from docfleet.documents.pages import PageCount
    from docfleet.documents.reader import Reader
    from docfleet.documents.sources import Source
    from docfleet.errors import InputError

    sizes: Counter[str] = Counter()
    problems: list[str] = []
    source, count = Source(path), 1
    with Reader() as reader:
        try:
            found = reader.read(source)
            several = isinstance(found, PageCount)
            count = found.count if isinstance(found, PageCount) else 1
            for index in range(count):
                try:
                    page = reader.read(source, index) if several else found
                    height, width, _ = page.image.shape  # type: ignore[union-attr]
                    sizes[f"{width} x {height}"] += 1
                except InputError as error:
                    problems.append(str(error))
        except InputError as error:
            problems.append(str(error))
        decoders = [
            peak_of(int(child)) for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        ]
    parts = [f"{number} page{'s' if number > 1 else ''} of {size}" for size, number in sizes.items()]
    parts += [f"`input`: {problem.removeprefix(f'{source.name}: ')}" for problem in problems]
    dead = resource.getrusage(resource.RUSAGE_CHILDREN)
    reader = peak_of("self")
    # The dead count with what they had before they became another program, so that this is the reader's at least.
    if dead.ru_maxrss // 1024 > reader:
        decoders.append(dead.ru_maxrss // 1024)
    return {
        "outcome": "; ".join(parts),
        "pages": count,
        "reader": reader,
        "decoder": max(decoders, default=0),
        "seconds": sum(os.times()[:4]),
    }


def peak_of(process: int | str) -> int:
    """Megabytes that have been resident at once since it became the program that it is."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{process}/status").read_text())
    return int(found[1]) // 1024 if found else 0


def measured(path: Path) -> Row:
    """What `measure` says of a document, in a fresh interpreter."""
    command = [sys.executable, __file__, "--one", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    row: Row = json.loads(done.stdout)
    return row


def corpus() -> dict[str, Row]:
    """The corpus's hostile documents, by name."""
    folder = Path(os.environ["DOCFLEET_CORPUS"], "files", "hostile")
    return {path.name: measured(path) for path in sorted(folder.iterdir(), key=lambda path: path.name.lower())}


def bombs() -> Iterator[tuple[str, bytes]]:
    """Documents that cost as much as we know how to make them."""
    sys.path.insert(0, str(ROOT))
    from PIL import Image
    from tests.documents import makers

    side = 13_377  # The largest square within max_page_pixels.
    lines = makers.deflated(b"0 0 m 9 9 l S\n" * 80_000, 100)
    tags = {256: side, 257: side, 258: [8, 8, 8], 259: 8, 262: 2, 277: 3, 278: side}
    yield "PDF, 900 MB of nothing", makers.content_bomb_pdf(900)
    yield "PDF, 8 million lines", makers.page_pdf(makers.stream(lines, b"/Filter/FlateDecode"))
    yield "PDF, forms in forms, 10 to the 12th", makers.form_bomb_pdf(12)
    yield "PDF, 200 times a picture of 81 Mpixel", makers.image_pdf(9000, 9000, 200)
    yield "PDF, one picture of 900 Mpixel", makers.image_pdf(30_000, 30_000, 1)
    yield "PNG, 179 Mpixel, 1 bit", makers.black_png(side, side)
    yield "PNG, 144 Mpixel, colour", makers.black_png(12_000, 12_000, bits=8, colour=2)
    yield "PNG, 179 Mpixel, 16 bits, transparency", makers.black_png(side, side, bits=16, colour=6)
    yield "JPEG, 36 Mpixel, 4,000 scans", makers.scan_bomb_jpeg(6000, 6000, 4000)
    yield "JPEG, 81 Mpixel, progressive", makers.encoded(Image.new("RGB", (9000, 9000)), "JPEG", progressive=True)
    yield "TIFF, 179 Mpixel, colour", makers.tiff((tags, makers.deflated(bytes(side * 3), side)))
    yield "GIF, 179 Mpixel", makers.encoded(Image.new("P", (side, side)), "GIF")
    yield "JPEG 2000, 64 Mpixel", makers.encoded(Image.new("L", (8000, 8000)), "JPEG2000")


def corpus_table(rows: dict[str, Row]) -> str:
    lines = ["| document | outcome | reader, MB | decoder, MB | CPU s |", "|---|---|---|---|---|"]
    lines += [f"| `{name}` | {row['outcome']} | {costs(row)} |" for name, row in rows.items()]
    return "\n".join(lines) + "\n"


def bomb_table() -> str:
    lines = ["| bomb | bytes | outcome | reader, MB | decoder, MB | CPU s |", "|---|---|---|---|---|---|"]
    for name, data in bombs():
        with tempfile.NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            row = measured(Path(file.name))
        lines.append(f"| {name} | {len(data):,} | {row['outcome']} | {costs(row)} |")
    return "\n".join(lines) + "\n"


def costs(row: Row) -> str:
    return f"{row['reader']} | {row['decoder'] or 'none'} | {row['seconds']:.1f}"


def block(name: str) -> re.Pattern[str]:
    """Of the page, what stands between two markers."""
    return re.compile(rf"(<!-- {name} -->\n)(.*?)(<!-- end of {name} -->)", re.DOTALL)


def problems_of(rows: dict[str, Row]) -> list[str]:
    """Where the page says something else, and which document costs more than it promises."""
    found = block("hostile").search(PAGE.read_text(encoding="utf-8"))
    written = dict(re.findall(r"^\| `(.*)` \| (.*?) \| \d+ \|", found[2] if found else "", re.MULTILINE))
    problems = [f"{name}: not in the table" for name in rows.keys() - written.keys()]
    problems += [f"{name}: not in the corpus" for name in written.keys() - rows.keys()]
    for name, row in rows.items():
        if name in written and written[name] != row["outcome"]:
            problems.append(f"{name}: {row['outcome']}\n    the table says: {written[name]}")
        if max(row["reader"], row["decoder"]) > MAX_MEGABYTES or row["seconds"] > MAX_SECONDS * row["pages"]:
            problems.append(f"{name}: {costs(row)}")
    return problems


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="What becomes of hostile documents.")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/reliability.md")
    parser.add_argument("--check", action="store_true", help="compare outcomes with the table there")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return 0
    rows = corpus()
    if arguments.check:
        problems = problems_of(rows)
        print("\n".join(problems) or f"{len(rows)} documents: as the table says", file=sys.stderr)
        return 1 if problems else 0
    tables = {"hostile": corpus_table(rows), "bombs": bomb_table()}
    text = PAGE.read_text(encoding="utf-8")
    for name, table in tables.items():
        text = block(name).sub(lambda found, table=table: found[1] + table + found[3], text)  # type: ignore[misc]
    if arguments.write:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print("\n".join(tables.values()), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
