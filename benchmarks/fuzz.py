"""Mutate small valid documents of every kind, for as long as you like, and see what the decoders make of them.

    python benchmarks/fuzz.py --minutes 10 [--seed 1] [--keep FOLDER] [KIND ...]

Documents are decoded in the process that is fuzzed, without a decoder process, so that a crash is seen as one: that
process is then replaced, and the document that did it kept. What may come of a document is pages, InputError or
MemoryError. Everything else is a finding: another exception, a signal, more than a minute, or more memory than a page
of a million pixels can need where it is decoded in place.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import random
import resource
import signal
import struct
import subprocess
import sys
import time
import traceback
import warnings
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from tests.documents.seeds import SEEDS  # noqa: E402 - found only now

CASES = 500
"""Of one process."""
CASE_S = 60.0
MAX_MEGABYTES = 400
INTERESTING = [0, 1, 2, 3, 127, 128, 255, 256, 32767, 32768, 65535, 2**24, 2**31 - 1, 2**31, 2**32 - 1]


def mutate(data: bytes, other: bytes, rng: random.Random) -> bytes:
    """`data` after some changes; `other` is a document to take pieces from."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 5, 8, 20))):
        at, size = rng.randrange(len(out) + 1), rng.choice((1, 2, 4, 8, 30))
        change = rng.randrange(9)
        if change == 0 and at < len(out):
            out[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            out[at : at + size] = rng.randbytes(size)
        elif change == 2:
            form = rng.choice(("<H", ">H", "<I", ">I", "B"))
            value = rng.choice(INTERESTING) % (1 << 8 * struct.calcsize(form))
            out[at : at + struct.calcsize(form)] = struct.pack(form, value)
        elif change == 3:
            del out[at : at + size]
        elif change == 4:
            out[at:at] = out[at : at + 8 * size]
        elif change == 5:
            out[at:at] = rng.randbytes(size)
        elif change == 6:
            begin = rng.randrange(len(other))
            out[at : at + 4 * size] = other[begin : begin + 4 * size]
        elif change == 7 and at < len(out):
            # A digit, as in the numbers of a PDF.
            out[at] = rng.choice(b"0123456789 /<>[]()")
        elif change == 8 and rng.random() < 0.3:
            del out[at:]
    return bytes(out)


def limit_memory(data: bytes) -> None:
    """Have the kernel limit it where it would in use: for what is not decoded in place."""
    from docfleet.documents.headers import image_size
    from docfleet.documents.images import is_light
    from docfleet.documents.kinds import PLAIN, kind_of

    kind = kind_of(data[:1024])
    size = image_size(kind, data) if kind in PLAIN else None
    light = kind in PLAIN and (size is None or is_light(data, kind, size))
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard if light else MAX_MEGABYTES << 20, hard))


def work(kind: str, seed: int, case_file: str) -> None:
    """One process: mutate and read, and say what came of it. The case under way is in `case_file`."""
    from docfleet.documents.pages import Limits, PageCount
    from docfleet.documents.reader import Reader
    from docfleet.documents.sources import Source
    from docfleet.errors import InputError

    warnings.simplefilter("error")
    rng = random.Random(f"{kind} {seed}")
    limits = Limits(max_page_pixels=1_000_000, max_document_pages=20)
    outcomes: collections.Counter[str] = collections.Counter()
    with Reader(limits, isolated=False) as reader:
        for _ in range(CASES):
            data = mutate(SEEDS[kind], SEEDS[rng.choice(list(SEEDS))], rng)
            Path(case_file).write_bytes(data)
            print(f"case {len(data)}", flush=True)
            source = Source("a", data=data)
            limit_memory(data)
            try:
                found = reader.read(source)
                for index in range(found.count if isinstance(found, PageCount) else 0):
                    try:
                        reader.read(source, index)
                    except InputError:
                        outcomes["pages refused"] += 1
                outcomes["read"] += 1
            except InputError as error:
                assert str(error).startswith("a: "), error
                assert "\n" not in str(error), error
                outcomes["refused"] += 1
            except MemoryError:
                outcomes["no memory"] += 1
            except BaseException:
                print(f"bug {traceback.format_exc()!r}", flush=True)
                raise
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
            if peak > MAX_MEGABYTES:
                print(f"bug {f'{peak} MB'!r}", flush=True)
                return
    print(f"outcomes {dict(outcomes)!r}", flush=True)


def run(kind: str, seed: int, keep: Path) -> tuple[collections.Counter[str], str | None]:
    """One process from outside: what came of its cases, and what it has found, if anything."""
    case_file = keep / f"{kind}-{seed}"
    command = [sys.executable, "-X", "faulthandler", __file__, "--work", kind, str(seed), str(case_file)]
    outcomes: collections.Counter[str] = collections.Counter()
    finding = None
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace"
    ) as process:
        try:
            out, err = process.communicate(timeout=CASE_S * 5)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            finding = "does not end"
    for line in out.splitlines():
        if line.startswith("case "):
            outcomes["cases"] += 1
        elif line.startswith("outcomes "):
            outcomes.update(eval(line[9:]))  # noqa: S307 - our own words
        elif line.startswith("bug "):
            finding = eval(line[4:])  # noqa: S307
    if finding is None and process.returncode != 0:
        finding = f"status {process.returncode}\n{err[-2000:]}"
    if finding is None:
        case_file.unlink(missing_ok=True)
    return outcomes, finding


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Mutate documents and read them.")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(SEEDS)}")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("/tmp/fuzz"), help="folder for the documents of findings")
    parser.add_argument("--work", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.work:
        kind, seed, case_file = arguments.work
        work(kind, int(seed), case_file)
        return 0
    arguments.keep.mkdir(parents=True, exist_ok=True)
    totals: dict[str, collections.Counter[str]] = {kind: collections.Counter() for kind in arguments.kinds or SEEDS}
    findings = 0
    end = time.monotonic() + 60 * arguments.minutes
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):  # Ended early, it tells what it has found so far.
        for kind, seed in ((kind, seed) for seed in itertools.count(arguments.seed) for kind in totals):
            outcomes, finding = run(kind, seed, arguments.keep)
            totals[kind].update(outcomes)
            if finding is not None:
                findings += 1
                print(f"== {kind}, seed {seed}: {arguments.keep / f'{kind}-{seed}'}\n{finding}", file=sys.stderr)
            if time.monotonic() > end:
                break
    print("| document | cases | read | refused | pages refused | no memory |\n|---|---|---|---|---|---|")
    for kind, counts in totals.items():
        columns = [f"{counts[name]:,}" for name in ("cases", "read", "refused", "pages refused", "no memory")]
        print(f"| {kind} | {' | '.join(columns)} |")
    times = os.times()
    cases = sum(counts["cases"] for counts in totals.values())
    print(f"\n{cases:,} cases, {findings} findings, {times.children_user + times.children_system:.0f} s of CPU time")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
