"""What the books of a batch job cost: many tiny files through a pipeline that does nothing.

    python benchmarks/bookkeeping.py --files 200000 --work DIR [--save json] [--flat]

Prints files per second, the main process's memory while it runs, the size of the journal, and how long the same command
takes when everything is done already. `--flat` puts all files into one folder.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from docfleet.documents.pages import Page
from docfleet.fleet.devices import Slot
from docfleet.pipelines.base import Pipeline
from docfleet.pipelines.common import CommonOptions
from docfleet.results.base import BaseResult
from docfleet.weights import Progress

_IMAGE = b"P4\n1 1\n\x00"
_SAMPLE_S = 0.5


@dataclass(frozen=True, kw_only=True)
class NoPlan:
    """Nothing to decide."""

    def to_plain(self) -> dict[str, Any]:
        return {}

    def default_settings(self) -> dict[str, Any]:
        return {}


class NoStages:
    """Looks at a page and says nothing of it."""

    def __init__(self, plan: Mapping[str, Any], slot: Slot) -> None:
        pass

    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [{} for _ in pages]

    def close(self) -> None:
        pass


class NoResult(BaseResult):
    """The path alone."""

    json_keys: ClassVar[tuple[str, ...]] = ("input_path",)


class NoOp(Pipeline[CommonOptions, NoPlan, NoResult]):
    """A pipeline without networks."""

    options_type = CommonOptions
    result_type = NoResult
    stages = "bookkeeping:NoStages"

    @classmethod
    def resolve(cls, options: CommonOptions, *, device_type: str, progress: Progress) -> NoPlan:
        return NoPlan()


def make_files(folder: Path, count: int, *, flat: bool) -> None:
    """`count` images of one pixel, a thousand to a folder unless `flat`."""
    if folder.exists():
        return
    for number in range(count):
        place = folder if flat else folder / f"{number // 1000:05}"
        if number % 1000 == 0:
            place.mkdir(parents=True, exist_ok=True)
        with open(place / f"image-{number:08}.pbm", "wb") as file:  # noqa: PTH123 - a third of the time
            file.write(_IMAGE)


def resident(pid: int) -> int:
    """Megabytes of a process; 0 once it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20
    except (OSError, IndexError):
        return 0


def run(work: Path, save: str, batch: int) -> tuple[float, list[int], dict[str, Any]]:
    """One job: seconds, memory of its main process over time, and its summary."""
    command = [
        sys.executable, "-m", "docfleet", "run", "--pipeline", "bookkeeping:NoOp", "--input_dir", str(work / "in"),
        "--output_dir", str(work / "out"), "--device", "cpu", "--instances_per_device", "2", "--batch_size", str(batch),
        "--save", save, "--progress", "none", "--quiet",
    ]  # fmt: skip
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    began = time.monotonic()
    job = subprocess.Popen(command, env=environment)
    memory = []
    while job.poll() is None:
        memory.append(resident(job.pid))
        time.sleep(_SAMPLE_S)
    seconds = time.monotonic() - began
    if job.returncode:
        raise SystemExit(f"the job ended with {job.returncode}")
    return seconds, memory, json.loads((work / "out" / "_docfleet" / "summary.json").read_bytes())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--work", type=Path, required=True, help="an empty folder to work in")
    parser.add_argument("--save", default="json")
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--flat", action="store_true")
    arguments = parser.parse_args()
    began = time.monotonic()
    make_files(arguments.work / "in", arguments.files, flat=arguments.flat)
    print(f"{arguments.files:,} files made in {time.monotonic() - began:.0f} s", flush=True)
    shutil.rmtree(arguments.work / "out", ignore_errors=True)
    seconds, memory, summary = run(arguments.work, arguments.save, arguments.batch_size)
    assert summary["pages"]["done"] == arguments.files
    journal = (arguments.work / "out" / "_docfleet" / "journal.sqlite").stat().st_size
    tenth = len(memory) // 10
    print("| what | figure |\n|---|---|")
    print(f"| files/s, start-up included | {arguments.files / seconds:,.0f} |")
    print(f"| memory of the main process, MB: after a tenth, half way, at the end | "
          f"{memory[tenth]}, {memory[len(memory) // 2]}, {max(memory[-3:])} |")  # fmt: skip
    print(f"| journal, bytes for each file | {journal / arguments.files:.0f} |")
    print(f"| main process: {summary['bottleneck']} | |")
    seconds, memory, summary = run(arguments.work, arguments.save, arguments.batch_size)
    assert summary["done_earlier_documents"] == arguments.files
    print(f"| the same command again, all done, s | {seconds:.1f} |")
    print(f"| memory of the main process then, MB | {max(memory)} |")


if __name__ == "__main__":
    main()
