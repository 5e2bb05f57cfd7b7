"""Flattening a photographed page.

      page (h, w, 3) --resize--> (712, 488) --network--> grid (45, 31): where each point of the flat page comes from
      grid --enlarged to (h, w), a tile at a time--> page sampled there --> flat page (h, w, 3)

The network looks at a small copy; what is sampled is the page at its full size. Two kinds of network:

    grid     gives the grid, as the section `docfleet` of its `inference.yml` says. The flat page's points can be traced
             back to the photo (`docfleet.results.geometry`).
    image    gives the flat page itself, as the reference's export of UVDoc does. It needs memory for the page in
             floats, several times over, and says nothing about where points come from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from docfleet.engines.base import Session
from docfleet.models.files import ModelFiles, malformed
from docfleet.models.rotate import moved_as_in_reference

Image = NDArray[np.uint8]

_TILE = 512, 2048
"""Rows and columns of the flat page that are sampled together: 12 MB of coordinates, whatever the size of the page."""
_MARGIN = 2
"""Pixels of the page that are kept around the part that a tile is sampled from: bilinear sampling looks at the next."""
_REMAP_LIMIT = 32_766
"""Longest side of images that OpenCV samples from."""


@dataclass(frozen=True, slots=True, eq=False)
class Unwarped:
    """A page made flat."""

    image: Image
    """As large as the page was."""
    grid: NDArray[np.float32] | None
    """(rows, columns, 2): for points spread evenly over the flat page, corner to corner, the x and y that they have on
    the page as it was, in pixels. None if the network does not tell."""


class Unwarper:
    """The network that flattens pages."""

    def __init__(self, session: Session, files: ModelFiles) -> None:
        """Raises WeightsError if `inference.yml` is for another kind of network."""
        self._session = session
        self._files = files
        ours = files.config.get("docfleet")
        self._input_size: tuple[int, int] | None = None
        if ours is not None:
            if not isinstance(ours, Mapping) or ours.get("output") != "grid":
                raise malformed(files, "docfleet.output is not 'grid': not a network that flattens pages")
            self._input_size, self._grid_size = (_size(files, ours, key) for key in ("input_size", "grid_size"))

    def unwarp(self, page: Image, *, turned_by: int = 0) -> Unwarped:
        """Make a page (h, w, 3) uint8 BGR flat that was turned upright by so many degrees.

        The network sees turned pages as the reference turns them, which decides where it finds the sheet's edge; what
        is sampled is the page as it is given. Raises WeightsError if the network is not what its files say.
        """
        seen, moved = moved_as_in_reference(page, turned_by)
        if self._input_size is None:
            return Unwarped(self._through_image_network(seen), None)
        grid = self._grid(seen, self._input_size) - np.array(moved, np.float32)
        return Unwarped(sample(page, grid), grid)

    def _grid(self, page: Image, size: tuple[int, int]) -> NDArray[np.float32]:
        # Red first, in 0..1; half precision, as the network was exported.
        small = _shrunk(page, size)[:, :, ::-1].transpose(2, 0, 1) / np.float32(255)
        found = self._session.run([np.ascontiguousarray(small[None], np.float16)])[0]
        if found.shape != (1, 2, *self._grid_size):
            raise malformed(self._files, f"the network gives {found.shape}, not a grid of {self._grid_size}")
        last = np.array([page.shape[1] - 1, page.shape[0] - 1], np.float32)
        return np.asarray((found[0].transpose(1, 2, 0).astype(np.float32) + 1) / 2 * last, np.float32)

    def _through_image_network(self, page: Image) -> Image:
        batch = np.ascontiguousarray(page.transpose(2, 0, 1)[None]).astype(np.float32) / 255
        found = self._session.run([batch])[0]
        if found.ndim != 4 or found.shape[:2] != (1, 3):
            raise malformed(self._files, f"the network gives {found.shape}, not one image of three channels")
        flat = np.rint(found[0].transpose(1, 2, 0) * 255).clip(0, 255)
        return np.ascontiguousarray(flat.astype(np.uint8))


def _shrunk(page: Image, size: tuple[int, int]) -> NDArray[np.float32]:
    """`page` resized bilinearly to `size` (height, width), in floats.

    The network notices if the values are rounded: from a copy in whole numbers, as `cv2.resize` makes it, points move
    by a pixel on average. Only the pixels that count are converted; a whole page in floats could take gigabytes.
    """
    (above, below, down), (left, right, across) = (
        _neighbours(length, wanted) for length, wanted in zip(page.shape[:2], size, strict=True)
    )
    upper, lower = (
        page[np.ix_(rows, left)] * (1 - across[:, None]) + page[np.ix_(rows, right)] * across[:, None]
        for rows in (above, below)
    )
    return np.asarray(upper * (1 - down[:, None, None]) + lower * down[:, None, None], np.float32)


def _neighbours(length: int, wanted: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For `wanted` places spread over `length` pixels: the pixels before and after each, the share of the latter."""
    place = ((np.arange(wanted) + 0.5) * (length / wanted) - 0.5).clip(0, length - 1)
    before = place.astype(np.intp)
    return before, np.minimum(before + 1, length - 1), (place - before).astype(np.float32)


def sample(page: Image, grid: NDArray[np.float32]) -> Image:
    """The flat page, as large as `page`: its pixels are looked up where `grid` says (see `Unwarped.grid`), bilinearly.

    What lies outside the page is black. Every coordinate is computed by itself, so that the result has the same bits
    whatever the tiles and the threads.
    """
    import cv2

    height, width = page.shape[:2]
    flat = np.empty_like(page)
    for left in range(0, width, _TILE[1]):
        right = min(left + _TILE[1], width)
        wide = [_stretched(np.ascontiguousarray(grid[:, :, axis].T), width, left, right).T for axis in (0, 1)]
        for top in range(0, height, _TILE[0]):
            bottom = min(top + _TILE[0], height)
            x, y = (_stretched(np.ascontiguousarray(plane), height, top, bottom) for plane in wide)
            part, x, y = _part(page, x, y)
            flat[top:bottom, left:right] = (
                cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT) if part.size else 0
            )
    return flat


def _stretched(values: NDArray[np.float32], length: int, start: int, stop: int) -> NDArray[np.float32]:
    """Rows `start` to `stop` of values that are stretched to `length` rows, the first and the last staying the same."""
    place = np.arange(start, stop, dtype=np.float64) * ((len(values) - 1) / max(length - 1, 1))
    above = np.minimum(place.astype(np.intp), len(values) - 2)
    share = (place - above).astype(np.float32)[:, None]
    return np.asarray(values[above] * (1 - share) + values[above + 1] * share, np.float32)


def _part(
    page: Image, x: NDArray[np.float32], y: NDArray[np.float32]
) -> tuple[Image, NDArray[np.float32], NDArray[np.float32]]:
    """The part of a page that a tile is sampled from, and the tile's coordinates in it.

    A part, because OpenCV does not sample from images of more than 32,766 pixels.
    """
    left, right = _bounds(x, page.shape[1])
    top, bottom = _bounds(y, page.shape[0])
    # Whole numbers are taken away: the fractions, which decide the pixels, stay as they are.
    return page[top:bottom, left:right], x - np.float32(left), y - np.float32(top)


def _bounds(along: NDArray[np.float32], length: int) -> tuple[int, int]:
    low = max(int(np.floor(along.min())) - _MARGIN, 0)
    high = min(int(np.ceil(along.max())) + _MARGIN + 1, length)
    return low, min(high, low + _REMAP_LIMIT)


def _size(files: ModelFiles, ours: Mapping[str, object], key: str) -> tuple[int, int]:
    """(height, width) under a key of the section `docfleet`."""
    size = ours.get(key)
    if not isinstance(size, list) or len(size) != 2 or not all(isinstance(side, int) and side > 1 for side in size):
        raise malformed(files, f"docfleet.{key} is {size!r}, not a height and a width")
    return size[0], size[1]
