"""The output folder of a job, and what in it is the job's own.

output/                      results, under the inputs' relative folders
output/_docfleet/            journal.sqlite   what is done; the truth
                             lock             held by the job that runs; says which process that is
                             tmp/             files being written; emptied when a job begins and ends
                             status.json      the job as it runs, for `docfleet status`
                             summary.json     how the last run ended
                             failures.jsonl   what failed, a line each
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from docfleet.documents.sources import printable
from docfleet.errors import OutputError, UsageError

OWN = "_docfleet"
"""Name of the job's own folder; no output is ever called that."""


@dataclass(frozen=True, slots=True)
class JobFolder:
    """Paths below one output folder."""

    output: Path

    @property
    def own(self) -> Path:
        """The job's own folder."""
        return self.output / OWN

    @property
    def tmp(self) -> Path:
        """Where files are written before they are moved into place: on the same file system."""
        return self.own / "tmp"

    @property
    def journal(self) -> Path:
        return self.own / "journal.sqlite"

    @property
    def failures(self) -> Path:
        return self.own / "failures.jsonl"

    @property
    def summary(self) -> Path:
        return self.own / "summary.json"

    def make(self) -> None:
        """Make the folders. Raises UsageError where a file is in the way, OutputError where they cannot be made."""
        # Not by pathlib, which raises where it may not look, or goes round in circles.
        if os.path.lexists(self.output) and not os.path.isdir(self.output):  # noqa: PTH112
            raise UsageError(f"output_dir {printable(str(self.output))} is not a folder")
        try:
            self.own.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot(self.own, "be made", error) from error

    def sweep(self) -> None:
        """Remove what dead workers were writing, and make the place for new ones. Only under the job's lock."""
        try:
            shutil.rmtree(self.tmp, ignore_errors=True)
            self.tmp.mkdir(exist_ok=True)
            probe = self.tmp / "probe"
            probe.write_bytes(b"docfleet")
            probe.unlink()
        except OSError as error:
            raise _cannot(self.tmp, "be written to", error) from error

    def forget(self) -> None:
        """Remove everything that is known of earlier runs. Only under the job's lock. Raises OutputError."""
        try:
            for path in (self.journal, self.own / f"{self.journal.name}-journal", self.failures, self.summary):
                path.unlink(missing_ok=True)
        except OSError as error:
            raise _cannot(Path(error.filename or self.own), "be removed", error) from error

    def leave(self) -> None:
        """Remove the place for unfinished files; the job is over."""
        shutil.rmtree(self.tmp, ignore_errors=True)

    def identity(self) -> tuple[int, int]:
        """Device and inode of the journal: what tells this folder from another of the same name."""
        info = self.journal.stat()
        return info.st_dev, info.st_ino

    def is_ours(self, identity: tuple[int, int]) -> bool:
        """Whether the journal is where it was, and workers have a place to write."""
        try:
            return self.identity() == identity and self.tmp.is_dir()
        except FileNotFoundError:
            return False


def _cannot(path: Path, what: str, error: OSError) -> OutputError:
    return OutputError(
        f"{printable(str(path))} cannot {what}: {error.strerror or error}; make room or choose another output_dir"
    )
