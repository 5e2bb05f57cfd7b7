"""Words of a line and where they stand, from the columns of the recogniser's output.

      text     T  o     北  京  v  1  .  5
      column   2  4  6  9  12  15 17 18 20        of 24 that the crop itself covers; the rest is padding
      runs     [To] [ ]  [北京]   [v1.5]
      words    To   " "  北   京   v1.5            a run of Chinese is split into characters

Runs are of three kinds: Chinese characters (`cn`), ASCII letters and digits (`en&num`), all else (`symbol`). A hyphen
after a letter or digit, and a point between one and a digit, belong to the run. That is the reference's rule, so an
accented letter is a symbol.

A column's place on the page is linear along the line's quad. A run of letters spans from its first to its last column.
A Chinese character is centred on its column and as wide as the characters of its line are on average.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

Region = tuple[tuple[int, int], ...]
"""Four corners (x, y)."""

_VERTICAL = 1.5


class Kind(StrEnum):
    """What a run consists of; the reference's words."""

    CHINESE = "cn"
    LETTERS = "en&num"
    SYMBOL = "symbol"


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring characters of one kind."""

    kind: Kind
    text: str
    columns: tuple[int, ...]
    """The column at which each character begins."""


@dataclass(frozen=True, slots=True)
class Words:
    """The runs of one line."""

    span: float
    """How many columns the crop itself covers, without its padding."""
    runs: tuple[Run, ...]


def group(text: str, columns: Sequence[int]) -> Iterator[Run]:
    """Split a line into runs; `columns` has one entry per character."""
    start, kinds = 0, list(_kinds(text))
    for end in range(1, len(text) + 1):
        if end == len(text) or kinds[end] != kinds[start]:
            yield Run(kinds[start], text[start:end], tuple(columns[start:end]))
            start = end


def word_regions(words: Words, quad: NDArray[Any]) -> tuple[list[str], list[Region]]:
    """The words of a line and the region of each, in the order of the text.

    `quad` (4, 2) is the line's polygon in pixels of the page; regions are upright rectangles between its corners,
    running down instead of right where it is over 1.5 times as high as wide.
    """
    (left, top), (right, _), (_, bottom) = np.asarray(quad)[:3].tolist()
    extent = np.ptp(quad, axis=0)
    vertical = bool(extent[1] > _VERTICAL * extent[0])
    start, length = (top, bottom - top) if vertical else (left, right - left)
    cell = length / words.span
    wide = _character_width(words, cell, length)
    texts: list[str] = []
    regions: list[Region] = []
    for run in words.runs:
        if run.kind is Kind.CHINESE:
            centres = [(column + 0.5) * cell for column in run.columns]
            spans = [(max(int(at - wide / 2), 0), min(int(at + wide / 2), length)) for at in centres]
            texts += run.text
        else:
            spans = [(int(run.columns[0] * cell), int((run.columns[-1] + 1) * cell))]
            texts.append(run.text)
        for low, high in spans:
            a, b = start + low, start + high
            if vertical:
                regions.append(((left, a), (left, b), (right, b), (right, a)))
            else:
                regions.append(((a, top), (b, top), (b, bottom), (a, bottom)))
    return texts, regions


def _kinds(text: str) -> Iterator[Kind]:
    previous: Kind | None = None
    for index, char in enumerate(text):
        following = text[index + 1 : index + 2]
        joins = char == "-" or (char == "." and following.isascii() and following.isdigit())
        if "\u4e00" <= char <= "\u9fff":
            previous = Kind.CHINESE
        elif (char.isascii() and char.isalnum()) or (previous is Kind.LETTERS and joins):
            previous = Kind.LETTERS
        else:
            previous = Kind.SYMBOL
        yield previous


def _character_width(words: Words, cell: float, length: float) -> float:
    """Mean advance of the Chinese runs with more than one character; the line shared out evenly where there is none."""
    runs = [run.columns for run in words.runs if run.kind is Kind.CHINESE and len(run.columns) > 1]
    if runs:
        return float(np.mean([(columns[-1] - columns[0] + 1) * cell / (len(columns) - 1) for columns in runs]))
    return length / max(1, sum(len(run.text) for run in words.runs))
