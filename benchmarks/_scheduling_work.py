"""Work to schedule: pages of lognormal time, alone or in documents of Pareto many, with or without hints."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

READ = 0.15
"""Reading a page takes this part of computing it."""
CORRELATION = 0.8
"""Of the logarithms of a page's time and of its hint."""


@dataclass(frozen=True, slots=True)
class Document:
    """One input: a page, or a document of several."""

    times: tuple[float, ...]
    """Seconds to compute each page."""
    hints: tuple[float, ...] | None = None
    """What is known beforehand of each page's time; None where nothing is."""


def pages(count: int, sigma: float, seed: int, *, hints: bool) -> list[Document]:
    """Single pages of lognormal time, median 1 s."""
    return list(_pages(random.Random(seed), count, sigma, hints=hints))


def documents(count: int, sigma: float, seed: int, *, hints: bool) -> list[Document]:
    """Documents of Pareto(1.5) many pages, at least 3, until there are `count` pages."""
    rng = random.Random(seed)
    result = []
    left = count
    while left > 0:
        size = min(left, math.ceil(3 * rng.paretovariate(1.5)))
        left -= size
        parts = list(_pages(rng, size, sigma, hints=hints))
        sizes = tuple(part.hints[0] for part in parts if part.hints is not None)
        result.append(Document(tuple(part.times[0] for part in parts), sizes or None))
    return result


def _pages(rng: random.Random, count: int, sigma: float, *, hints: bool) -> Iterator[Document]:
    for _ in range(count):
        true, noise = rng.gauss(0.0, 1.0), rng.gauss(0.0, 1.0)
        guess = CORRELATION * true + math.sqrt(1 - CORRELATION**2) * noise
        yield Document((math.exp(sigma * true),), (math.exp(sigma * guess),) if hints else None)


def mean_time(inputs: Sequence[Document]) -> float:
    """Of a page; opening a document takes as long as reading such a page."""
    return sum(sum(document.times) for document in inputs) / sum(len(document.times) for document in inputs)
