"""Which pages of documents to do: `1-5,9,20-` as people write it, half-open intervals as the program uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from docfleet.errors import UsageError

Interval = tuple[int, int | None]
"""0-based, the end exclusive; None for no end."""


@dataclass(frozen=True, slots=True)
class PageSelection:
    """Pages of every document; those that a document does not have are no error. A plain image is page 1."""

    intervals: tuple[Interval, ...]
    """Ascending, neither touching nor overlapping."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """`1-5,9,20-`: numbers from 1, ranges with both ends included, an open end for all the rest.

        Raises UsageError.
        """
        found = [_interval(part, text) for part in text.split(",")]
        return cls(merged(found))

    @classmethod
    def from_plain(cls, plain: Sequence[Sequence[int | None]]) -> Self:
        """The inverse of `to_plain`."""
        return cls(tuple((int(first or 0), end) for first, end in plain))

    def to_plain(self) -> list[list[int | None]]:
        """Lists, which travel between processes."""
        return [list(interval) for interval in self.intervals]

    def __contains__(self, page: int) -> bool:
        return any(first <= page and (end is None or page < end) for first, end in self.intervals)


def merged(intervals: Sequence[Interval]) -> tuple[Interval, ...]:
    """The same pages as ascending intervals that neither touch nor overlap."""
    result: list[Interval] = []
    for first, end in sorted(intervals, key=lambda interval: interval[0]):
        if result and (result[-1][1] is None or first <= result[-1][1]):
            before, last = result[-1]
            result[-1] = (before, None if last is None or end is None else max(last, end))
        else:
            result.append((first, end))
    return tuple(result)


def pages_to_do(count: int, selected: Sequence[Interval] | None, done: Sequence[Interval]) -> Sequence[int]:
    """Of `count` pages those that are selected (None: all) and not done; a `range` where they follow each other."""
    if selected is None and not done:
        return range(count)
    chosen = [(first, count if end is None else min(end, count)) for first, end in selected or ((0, None),)]
    skipped = [(first, count if end is None else min(end, count)) for first, end in merged(done)]
    left: list[range] = []
    for first, end in chosen:
        start = first
        for away, back in skipped:
            if away < end and back > start:
                left.append(range(start, away))
                start = max(start, back)
        left.append(range(start, end))
    left = [part for part in left if len(part)]
    if len(left) == 1:
        return left[0]
    return [page for part in left for page in part]


def _interval(part: str, whole: str) -> Interval:
    first, dash, last = (piece.strip() for piece in part.partition("-"))
    if not first.isdecimal() or not (last.isdecimal() or not last):
        raise UsageError(f"pages is {whole!r}: {part.strip()!r} is no page number and no range like 1-5 or 20-")
    start = int(first)
    end = None if dash and not last else int(last or first)
    if start < 1 or (end is not None and end < start):
        raise UsageError(f"pages is {whole!r}: {part.strip()!r} begins below 1, or ends before it begins")
    return start - 1, end
