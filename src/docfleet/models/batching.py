"""Running a network over items of one shape, in batches that no result depends on.

7 items, batch size 3, engine batch-invariant    [a b c] [d e f] [g]
                       engine not                [a b c] [d e f] [g 0 0]     the size is fixed, 0 is a row of zeros
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from docfleet.engines.base import Array, Session

Item = TypeVar("Item")


def run_batches(
    session: Session,
    items: Sequence[Item],
    *,
    shape: tuple[int, ...],
    fill: Callable[[Item, NDArray[np.float32]], None],
    size: int,
) -> Iterator[tuple[Sequence[Item], Array]]:
    """Yield each batch's items with the first output of the network for them, one row per item.

    `fill(item, row)` writes an item into a row of zeros, float32 of shape `shape`. `size` must not depend on how many
    items there are: on an engine that is not batch-invariant it decides the low digits.
    """
    for start in range(0, len(items), size):
        chunk = items[start : start + size]
        batch = np.zeros((len(chunk) if session.batch_invariant else size, *shape), np.float32)
        for item, row in zip(chunk, batch, strict=False):
            fill(item, row)
        yield chunk, session.run([batch])[0][: len(chunk)]
