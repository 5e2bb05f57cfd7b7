"""A program with processes of its own, each with a pipeline of its own, and one queue of paths for all.

    python -m tests.pipelines.parallel_script INPUT_FOLDER OUTPUT_FOLDER DEVICE PER_DEVICE BATCH_SIZE START_METHOD

The shape that the reference's page on parallel inference shows. docfleet does all of it with `instances_per_device`;
people who have such a program may keep it.
"""

from __future__ import annotations

import itertools
import multiprocessing
import sys
from pathlib import Path
from typing import Any

import docfleet
from docfleet import constr_device, parse_device
from tests.pipelines.programs import TINY


def work(device: str, batch_size: int, paths: Any, output: str) -> None:
    """Read pages until the queue says None."""
    pipeline = docfleet.PaddleOCR(**{**TINY, "device": device})
    left = iter(paths.get, None)
    while batch := list(itertools.islice(left, batch_size)):
        try:
            results = pipeline.predict(batch)
        except docfleet.PartialFailure as error:
            print(error)
            results = error.results
        for result in results:
            result.save_to_json(f"{output}/{result.stem()}.json")


def main() -> int:
    given, output, devices, per_device, batch_size, method = sys.argv[1:]
    context = multiprocessing.get_context(method)
    paths = context.Queue()
    kind, ids = parse_device(devices)
    processes = [
        context.Process(target=work, args=(constr_device(kind, [number]), int(batch_size), paths, output))
        for number in ids
        for _ in range(int(per_device))
    ]
    for process in processes:
        process.start()
    for path in sorted(Path(given).iterdir()):
        paths.put(str(path))
    for _ in processes:
        paths.put(None)
    for process in processes:
        process.join()
    return max(abs(process.exitcode) for process in processes)


if __name__ == "__main__":
    sys.exit(main())
