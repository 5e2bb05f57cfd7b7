"""Runs `docfleet run` as a person does, in a process of its own, and looks at what it left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from PIL import Image

from tests.batch.pipelines import LOG

ROOT = Path(__file__).parents[2]
LIMIT_S = 120


@dataclass
class Bench:
    """A folder with inputs, outputs, and a log of the pages that were computed."""

    folder: Path
    pipeline: str = "tests.batch.pipelines:Echo"
    flags: list[str] = field(default_factory=list)
    limit_s: float = LIMIT_S

    @property
    def input(self) -> Path:
        return self.folder / "in"

    @property
    def output(self) -> Path:
        return self.folder / "out"

    @property
    def own(self) -> Path:
        return self.output / "_docfleet"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def image(self, name: str, *, size: tuple[int, int] = (8, 6), grey: int = 200) -> Path:
        """An image among the inputs; its grey is its mean."""
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", size, grey).save(path)
        return path

    def document(self, name: str, pages: int) -> Path:
        """A TIFF of so many pages, page n of grey n."""
        path = self.input / name
        path.parent.mkdir(parents=True, exist_ok=True)
        frames = [Image.new("L", (8, 6), number % 256) for number in range(pages)]
        frames[0].save(path, save_all=True, append_images=frames[1:])
        return path

    def command(self, *flags: str) -> list[str]:
        return [
            sys.executable, "-m", "docfleet", "run", "--pipeline", self.pipeline, "--input_dir", "in",
            "--output_dir", "out", "--device", "cpu", "--instances_per_device", "2", *self.flags, *flags,
        ]  # fmt: skip

    def start(self, *flags: str, **more: Any) -> subprocess.Popen[str]:
        """Begin a job in a process group of its own."""
        return subprocess.Popen(
            self.command(*flags),
            cwd=self.folder,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
            start_new_session=True,
            **more,
        )

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(ROOT), LOG: str(self.log), "PYTHONFAULTHANDLER": "0"}

    def run(self, *flags: str, status: int | None = 0, **more: Any) -> str:
        """Run a job to its end and check its exit status; what it said on standard error."""
        job = self.start(*flags, **more)
        try:
            out, said = job.communicate(timeout=self.limit_s)
        except subprocess.TimeoutExpired:
            kill_group(job)
            raise AssertionError(job.communicate()[1]) from None
        assert status is None or job.returncode == status, f"{job.returncode}\n{said}"
        self.said = said
        self.printed = out
        return said

    def computed(self) -> list[tuple[str, int | None]]:
        """Path and page of every page that was computed, as often as it was."""
        if not self.log.exists():
            return []
        return [tuple(json.loads(line)) for line in self.log.read_text(encoding="ascii").splitlines()]

    def outputs(self) -> dict[str, bytes]:
        """Content of every result by its path below the output folder; the job's own files left out."""
        return {
            str(path.relative_to(self.output)): path.read_bytes()
            for path in sorted(self.output.rglob("*"))
            if path.is_file() and self.own not in path.parents
        }

    def result(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.output / name).read_bytes())
        return found

    def summary(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.own / "summary.json").read_bytes())
        assert found["balanced"] is True
        return found

    def failures(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.own / "failures.jsonl").read_text(encoding="utf-8").splitlines()]

    def lines(self) -> list[dict[str, Any]]:
        """Every line of the aggregated output; a broken one is an error."""
        folder = self.output / "jsonl"
        return [json.loads(line) for path in sorted(folder.iterdir()) for line in path.read_bytes().splitlines()]

    def temporary(self) -> list[str]:
        """Files that no finished job leaves."""
        return [str(path) for path in self.output.rglob(".docfleet-*")] + [str(p) for p in (self.own / "tmp").glob("*")]


def tally(found: int, done: int, failed: int = 0, skipped: int = 0, remaining: int = 0) -> dict[str, int]:
    return {"found": found, "done": done, "failed": failed, "skipped": skipped, "remaining": remaining}


def kill_group(job: subprocess.Popen[str]) -> None:
    """SIGKILL to the job and all its workers at once."""
    os.killpg(job.pid, signal.SIGKILL)
    job.wait()


def workers_of(job: subprocess.Popen[str]) -> list[psutil.Process]:
    return psutil.Process(job.pid).children(recursive=True)
