"""What a batch job is asked to do, beside the pipeline and its options."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from docfleet.batch.selection import PageSelection
from docfleet.documents.sources import printable
from docfleet.errors import UsageError


@dataclass(frozen=True, slots=True)
class MaxFailures:
    """How many failed pages are too many: a number, or a share of the finished ones."""

    count: int | None = None
    percent: float | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`100` or `5%`. Raises UsageError."""
        try:
            if text.strip().endswith("%"):
                percent = float(text.strip()[:-1])
                if 0 <= percent < 100:
                    return cls(percent=percent)
            elif int(text) >= 1:
                return cls(count=int(text))
        except ValueError:
            pass
        raise UsageError(f"max_failures is {text!r}: a number of pages from 1, or a percentage below 100 like 5%")

    def reached(self, *, failed: int, finished: int) -> bool:
        """Whether to give up. A share is taken seriously only once a hundred pages are finished."""
        if self.count is not None:
            return failed >= self.count
        return self.percent is not None and finished >= _ENOUGH and failed * 100 > self.percent * finished


_ENOUGH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """One batch job."""

    input_dir: str | None
    """Folder below which documents are looked for, and to which the entries of a list are relative."""
    output_dir: Path
    """Where results go; the job's own files are in its `_docfleet`."""
    pattern: str = "*"
    input_list: Iterable[str] | None = None
    """Paths to do instead of what the pattern matches, read lazily."""
    saves: tuple[str, ...] = ("json",)
    pages: PageSelection | None = None
    fresh: bool = False
    """Forget what was done before, and its outputs."""
    moved: bool = False
    """The input folder is the one of the earlier runs, under another name."""
    retry_failed: bool = False
    max_failures: MaxFailures | None = None
    limit: int | None = None
    """Most documents to look at."""
    by_content: bool = False
    """Whether a document counts as changed by its content and not by size and time of change."""
    fsync: bool = False
    """Whether a page's files are on the disk, past all caches, before it counts as done."""
    verify: int = 0
    """How many of the pages done in this run to do again on one fresh instance, and compare."""

    def to_plain(self) -> dict[str, Any]:
        """For `summary.json`: plain values; of a list only whether there was one."""
        plain = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return plain | {
            "output_dir": printable(str(self.output_dir)),
            "input_list": self.input_list is not None,
            "pages": None if self.pages is None else self.pages.to_plain(),
            "max_failures": None if self.max_failures is None else dataclasses.asdict(self.max_failures),
        }
