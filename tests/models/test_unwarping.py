"""Making pages flat: the sampling by itself, and what is asked of networks. The network is a function here."""

from typing import Any

import cv2
import numpy as np
import pytest

import docfleet.models.unwarping as unwarping
from docfleet.errors import WeightsError
from docfleet.models.unwarping import Unwarper, sample

from .fakes import FakeFolder

OURS = {"docfleet": {"output": "grid", "input_size": [712, 488], "grid_size": [45, 31]}}


class Network:
    """Gives the same grid for every page, and remembers what it saw."""

    input_names = ("input",)
    input_shapes = ((None, 3, 712, 488),)
    batch_invariant = True
    preferred_batch = 1

    def __init__(self, output: np.ndarray) -> None:
        self.output = output
        self.seen: list[np.ndarray] = []

    def run(self, inputs: Any) -> list[np.ndarray]:
        self.seen.append(inputs[0])
        return [self.output]

    def close(self) -> None: ...


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def even_grid(height: int, width: int, rows: int = 45, columns: int = 31) -> np.ndarray:
    """The grid that leaves a page as it is."""
    xs, ys = np.linspace(0, width - 1, columns), np.linspace(0, height - 1, rows)
    return np.stack(np.meshgrid(xs, ys), axis=-1).astype(np.float32)


def normalised(rows: int = 45, columns: int = 31) -> np.ndarray:
    """The same as the network says it: -1 to 1, x before y."""
    found = np.stack(np.meshgrid(np.linspace(-1, 1, columns), np.linspace(-1, 1, rows)))
    return found[None].astype(np.float16)


@pytest.mark.parametrize("size", [(400, 300), (1, 1), (1, 77), (513, 2049), (33_000, 20), (20, 33_000)])
def test_an_even_grid_changes_nothing(size: tuple[int, int]) -> None:
    page = noise(*size)
    assert np.array_equal(sample(page, even_grid(*size)), page)


def test_points_come_from_where_the_grid_says() -> None:
    page = noise(300, 200)
    mirrored = even_grid(300, 200)[:, ::-1]
    assert np.array_equal(sample(page, np.ascontiguousarray(mirrored)), page[:, ::-1])
    moved = even_grid(300, 200) + np.float32([7, -5])
    expected = np.zeros_like(page)
    expected[5:, :-7] = page[:-5, 7:]
    assert np.array_equal(sample(page, moved), expected)


def test_what_lies_outside_is_black() -> None:
    assert not sample(noise(50, 40), even_grid(50, 40) + np.float32(1000)).any()
    assert not sample(noise(50, 40), even_grid(50, 40) - np.float32(1000)).any()


def test_between_the_grids_points_it_is_bilinear() -> None:
    """Against OpenCV's own arithmetic over coordinates that were worked out one by one."""
    page, grid = noise(240, 180), even_grid(240, 180)
    grid += np.random.default_rng(1).normal(0, 4, grid.shape).astype(np.float32)
    y, x = np.mgrid[0:240, 0:180]
    place_y, place_x = y * (44 / 239), x * (30 / 179)
    top, left = np.minimum(place_y.astype(int), 43), np.minimum(place_x.astype(int), 29)
    down, across = (place_y - top)[..., None], (place_x - left)[..., None]
    upper = grid[top, left] * (1 - across) + grid[top, left + 1] * across
    lower = grid[top + 1, left] * (1 - across) + grid[top + 1, left + 1] * across
    where = (upper * (1 - down) + lower * down).astype(np.float32)
    expected = cv2.remap(page, where[..., 0], where[..., 1], cv2.INTER_LINEAR)
    # A coordinate on the edge between two of OpenCV's 32nds of a pixel may fall on either side.
    assert np.abs(sample(page, grid).astype(int) - expected).max() <= 255 / 32 + 1
    assert (sample(page, grid) == expected).mean() > 0.99


def test_tiles_and_threads_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    page, grid = noise(600, 500), even_grid(600, 500)
    grid += np.random.default_rng(2).normal(0, 20, grid.shape).astype(np.float32)
    whole = sample(page, grid)
    monkeypatch.setattr(unwarping, "_TILE", (97, 131))
    threads = cv2.getNumThreads()
    try:
        cv2.setNumThreads(1)
        assert sample(page, grid).tobytes() == whole.tobytes()
    finally:
        cv2.setNumThreads(threads)


def test_the_network_sees_a_small_copy_in_red_green_blue() -> None:
    network = Network(normalised())
    page = np.zeros((1000, 800, 3), np.uint8)
    page[:] = (10, 100, 200)
    found = Unwarper(network, FakeFolder(OURS)).unwarp(page)
    [seen] = network.seen
    assert (seen.shape, seen.dtype) == ((1, 3, 712, 488), np.float16)
    assert [float(plane.mean()) for plane in seen[0].astype(np.float32)] == pytest.approx(
        [200 / 255, 100 / 255, 10 / 255], abs=1e-3
    )
    assert found.image.shape == page.shape
    assert found.grid is not None
    assert np.abs(found.grid - even_grid(1000, 800)).max() < 0.5  # half precision of the network


@pytest.mark.parametrize(("angle", "moved"), [(0, (0, 0)), (90, (0, 1)), (180, (1, 1)), (270, (1, 0))])
def test_a_turned_page_is_seen_as_the_reference_turns_it(angle: int, moved: tuple[int, int]) -> None:
    """The network answers for the moved page, and the page itself is sampled: one pixel before."""
    network = Network(normalised())
    page = noise(712, 488)
    found = Unwarper(network, FakeFolder(OURS)).unwarp(page, turned_by=angle)
    right, down = moved
    seen = np.rint(network.seen[0][0].astype(np.float32) * 255).transpose(1, 2, 0)[:, :, ::-1]
    assert not seen[:down].any()
    assert not seen[:, :right].any()
    assert np.array_equal(seen[down:, right:], page[: 712 - down, : 488 - right])
    assert found.grid is not None
    assert np.abs(found.grid - even_grid(712, 488) + np.float32(moved)).max() < 0.5


@pytest.mark.parametrize("size", [(1424, 976), (300, 200), (712, 488), (1, 1)])
def test_the_small_copy_is_bilinear_in_floats(size: tuple[int, int]) -> None:
    network = Network(normalised())
    page = noise(*size)
    Unwarper(network, FakeFolder(OURS)).unwarp(page)
    expected = cv2.resize(page.astype(np.float32), (488, 712))[:, :, ::-1].transpose(2, 0, 1) / 255
    assert np.abs(network.seen[0][0].astype(np.float32) - expected).max() < 1e-3


def test_an_image_network_gives_the_page_itself() -> None:
    page = noise(90, 70)
    network = Network((page[::-1] / np.float32(255)).transpose(2, 0, 1)[None])
    found = Unwarper(network, FakeFolder({"Global": {"model_name": "UVDoc"}})).unwarp(page)
    assert np.array_equal(found.image, page[::-1])
    assert found.image.flags.c_contiguous
    assert found.grid is None
    assert np.array_equal(network.seen[0][0], page.transpose(2, 0, 1).astype(np.float32) / 255)


@pytest.mark.parametrize(
    "ours",
    [
        {"output": "picodet"},
        {"output": "grid"},
        {"output": "grid", "input_size": [712, 488], "grid_size": "45x31"},
        {"output": "grid", "input_size": [712], "grid_size": [45, 31]},
        {"output": "grid", "input_size": [712, 488], "grid_size": [1, 31]},
        "grid",
    ],
)
def test_other_models_are_refused(ours: Any) -> None:
    with pytest.raises(WeightsError, match="some_model"):
        Unwarper(Network(normalised()), FakeFolder({"docfleet": ours}))


def test_a_network_that_gives_something_else_is_named() -> None:
    with pytest.raises(WeightsError, match=r"some_model.*\(1, 2, 9, 9\), not a grid of \(45, 31\)"):
        Unwarper(Network(normalised(9, 9)), FakeFolder(OURS)).unwarp(noise(30, 30))
    with pytest.raises(WeightsError, match=r"some_model.*not one image"):
        Unwarper(Network(normalised()), FakeFolder({})).unwarp(noise(30, 30))
