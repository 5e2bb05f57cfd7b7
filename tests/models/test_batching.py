import numpy as np
import pytest

from docfleet.models.batching import run_batches

from .fakes import FakeSession


def identity(batch: np.ndarray) -> np.ndarray:
    return batch.copy()


def fill(item: float, row: np.ndarray) -> None:
    row += item


@pytest.mark.parametrize(("invariant", "rows"), [(True, [3, 3, 1]), (False, [3, 3, 3])])
def test_every_item_once_in_order(invariant, rows):
    session = FakeSession(identity, batch_invariant=invariant)
    batches = list(run_batches(session, range(1, 8), shape=(2,), fill=fill, size=3))
    assert [list(items) for items, _ in batches] == [[1, 2, 3], [4, 5, 6], [7]]
    assert np.concatenate([output for _, output in batches]).tolist() == [[n, n] for n in range(1, 8)]
    assert [shape[0] for shape in session.shapes] == rows


def test_a_short_batch_is_filled_with_zeros():
    seen = []
    session = FakeSession(lambda batch: seen.append(batch.copy()) or batch, batch_invariant=False)
    list(run_batches(session, [5], shape=(1,), fill=fill, size=3))
    assert seen[0].tolist() == [[5], [0], [0]]


def test_no_items_no_run():
    session = FakeSession(identity)
    assert list(run_batches(session, [], shape=(2,), fill=fill, size=3)) == []
    assert session.shapes == []
