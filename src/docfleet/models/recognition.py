"""Text recognition: what a crop says.

      crops of all pages --padded_width--> groups of equal width --batches--> network (n, columns, classes) --ctc-->
      lines, in the order of the crops

Padding decides digits: the network sees the grey beyond the end of a line. So a crop is padded to a width that depends
on that crop alone, and a line's result does not depend on its neighbours. (The reference pads to the widest of the six
that happen to share a batch.) Widths come in steps, because an engine builds kernels for each shape that it meets.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docfleet.engines.base import Session
from docfleet.errors import UsageError
from docfleet.models.batching import run_batches
from docfleet.models.ctc import Decoded, best_path, charset, decode, display_order
from docfleet.models.files import ModelFiles, malformed, post_or_pre_process, transform_op
from docfleet.models.normalize import Normalization
from docfleet.models.words import Words, group

Image = NDArray[np.uint8]

MAX_WIDTH = 3200
"""Wider crops are squeezed."""
_STEPS = ((1280, 64), (MAX_WIDTH, 128))
"""Up to a width, the multiple that widths are rounded up to: 31 widths in all.

Measured on 935 lines of 10 real pages: 907 texts equal the reference's with no rounding at all, 907 with steps of 32,
908 with these. What differs is the reference's own padding, not the steps. They add 2% of columns.
"""
_COLUMN = 8
"""Pixels of width that make one column of the output; less is too narrow for the kernels of some networks."""
_BATCH_PIXELS = 8 * 640
"""Widths in one batch add up to at most this (or it has one crop): the output has 18,000 floats for every column."""


@dataclass(frozen=True, slots=True)
class Recognition:
    """What one crop says."""

    text: str
    score: float
    """Mean probability of its characters, 0..1; 0.0 for an empty text."""
    words: Words | None = None
    """Where its words stand, if asked for."""


class TextRecognizer:
    """A recognition network with its preparation and interpretation."""

    def __init__(
        self,
        session: Session,
        files: ModelFiles,
        *,
        batch_size: int | None = None,
        input_shape: tuple[int, int, int] | None = None,
    ) -> None:
        """At most `batch_size` crops go through the network at once; None leaves it to the engine.

        `input_shape` is a (channels, height, width) that every crop is stretched to; None keeps its proportions. Most
        networks take one height only.

        Raises WeightsError if `inference.yml` is not that of a recogniser, UsageError for a bad shape or batch size.
        """
        if batch_size is not None and batch_size < 1:
            raise UsageError(f"text recognition batch_size is {batch_size}: give at least 1")
        if input_shape is not None:
            _check_input_shape(input_shape, session)
        post = post_or_pre_process(files, "PostProcess")
        characters = post.get("character_dict")
        resize = transform_op(files, "RecResizeImg")
        if post.get("name") != "CTCLabelDecode" or not isinstance(characters, list) or resize is None:
            raise malformed(files, "not a recogniser of text lines (RecResizeImg, CTCLabelDecode, character_dict)")
        _, self._height, self._least_width = (int(side) for side in resize.get("image_shape", (3, 48, 320)))
        self._characters = charset([str(character) for character in characters])
        self._display = display_order(files.name)
        self._fixed = input_shape
        self._normalization = Normalization.centred()
        self._batch_size = batch_size or session.preferred_batch
        self._session = session
        self._files = files

    def recognize(self, crops: Sequence[Image], *, return_word_box: bool = False) -> list[Recognition]:
        """What each crop says, in the order of the crops; they are (h, w, 3) uint8, BGR, and may come from many pages.

        Raises WeightsError if network and dictionary do not belong together.
        """
        groups: dict[int, list[int]] = defaultdict(list)
        for index, crop in enumerate(crops):
            groups[self._width_of(crop)].append(index)
        found: dict[int, Recognition] = {}
        for width, members in sorted(groups.items()):
            batches = run_batches(
                self._session,
                members,
                shape=(3, self._fixed[1] if self._fixed else self._height, width),
                fill=partial(self._fill, crops),
                size=max(1, min(self._batch_size, _BATCH_PIXELS // width)),
            )
            for indices, output in batches:
                self._check(output)
                for index, classes, probabilities in zip(indices, *best_path(output), strict=True):
                    line = decode(classes, probabilities, self._characters)
                    words = self._words(line, crops[index], width, len(classes)) if return_word_box else None
                    found[index] = Recognition(self._display(line.text), line.score, words)
        return [found[index] for index in range(len(crops))]

    def _width_of(self, crop: Image) -> int:
        if self._fixed:
            return self._fixed[2]
        return padded_width(crop.shape[0], crop.shape[1], height=self._height, least=self._least_width)

    def _fill(self, crops: Sequence[Image], index: int, row: NDArray[np.float32]) -> None:
        import cv2

        crop = crops[index]
        if self._fixed:
            width = self._fixed[2]
        else:
            natural = natural_width(crop.shape[0], crop.shape[1], height=self._height, least=self._least_width)
            width = min(math.ceil(self._height * (crop.shape[1] / crop.shape[0])), natural)
        self._normalization.into(row[:, :, :width], np.asarray(cv2.resize(crop, (width, row.shape[1])), np.uint8))

    def _words(self, line: Decoded, crop: Image, width: int, columns: int) -> Words:
        height, own = crop.shape[:2]
        share = 1.0 if self._fixed else min(1.0, self._height * own / height / width)
        return Words(columns * share, tuple(group(line.text, line.columns)))

    def _check(self, output: NDArray[Any]) -> None:
        if output.shape[-1] != len(self._characters):
            raise malformed(
                self._files,
                f"character_dict has {len(self._characters) - 2} characters where the network knows "
                f"{output.shape[-1] - 2}: take both from the same release",
            )


def _check_input_shape(wanted: tuple[int, ...], session: Session) -> None:
    """Raise UsageError for what the network cannot take: engines say so once per page, at length."""
    takes = session.input_shapes[0][-2:]
    if (
        len(wanted) == 3
        and wanted[0] == 3
        and wanted[1] >= 1
        and wanted[2] >= _COLUMN
        and all(size in (None, side) for side, size in zip(wanted[1:], takes, strict=True))
    ):
        return
    height, width = takes
    raise UsageError(
        f"text recognition input_shape is {wanted}: give 3, {'a height' if height is None else height} and "
        f"{f'a width of at least {_COLUMN}' if width is None else width}, which is what the network takes"
    )


def natural_width(crop_height: int, crop_width: int, *, height: int = 48, least: int = 320) -> int:
    """Width in pixels to which the reference pads a crop that is alone in its batch: 320 to 3200."""
    return min(int(height * max(least / height, crop_width / crop_height)), MAX_WIDTH)


def padded_width(crop_height: int, crop_width: int, *, height: int = 48, least: int = 320) -> int:
    """`natural_width` rounded up to one of the widths that the network is run at."""
    natural = natural_width(crop_height, crop_width, height=height, least=least)
    step = next(step for limit, step in _STEPS if natural <= limit)
    return min(math.ceil(natural / step) * step, MAX_WIDTH)
