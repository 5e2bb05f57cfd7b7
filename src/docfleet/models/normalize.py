"""From 8-bit pixels to a network's floats, through a table.

A pixel has 256 values per channel, so each float is computed once: the table holds exactly what a pass over the image
in float32 would give (multiply, round, add, round), and applying it is one look-up per value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, slots=True, eq=False)
class Normalization:
    """What each value of each channel becomes."""

    table: NDArray[np.float32]
    """(3, 256): channel, pixel value."""

    @classmethod
    def affine(cls, scale: float, mean: Sequence[float], std: Sequence[float]) -> Self:
        """`x * (scale / std) - mean / std` in float32, per channel in the image's own order."""
        values = np.arange(256, dtype=np.float32)
        rows = [
            values * np.float32(scale / deviation) + np.float32(-average / deviation)
            for average, deviation in zip(mean, std, strict=True)
        ]
        return cls(np.stack(rows))

    @classmethod
    def from_op(cls, parameters: Mapping[str, Any]) -> Self:
        """As a `NormalizeImage` step says; ImageNet's figures where it is silent.

        Raises ValueError if a figure is not a number.
        """
        return cls.affine(
            _number(parameters.get("scale") or 1 / 255),
            parameters.get("mean") or IMAGENET_MEAN,
            parameters.get("std") or IMAGENET_STD,
        )

    @classmethod
    def centred(cls) -> Self:
        """`(x / 255 - 0.5) / 0.5`: -1 to 1, in the order of operations of the recognisers."""
        row = (np.arange(256, dtype=np.float32) / np.float32(255) - np.float32(0.5)) / np.float32(0.5)
        return cls(np.stack([row] * 3))

    def into(self, target: NDArray[np.float32], image: NDArray[np.uint8]) -> None:
        """Write `image` (h, w, 3) uint8 into `target` (3, h, w) float32, which may be a part of a larger array."""
        import cv2

        for row, plane, channel in zip(self.table, target, cv2.split(image), strict=True):
            plane[...] = cv2.LUT(channel, row)


def _number(value: float | str) -> float:
    """A number, or a quotient as older files write it: `1./255.`."""
    if isinstance(value, str):
        quotient = re.fullmatch(r"\s*([0-9.eE+-]+)\s*(?:/\s*([0-9.eE+-]+)\s*)?", value)
        if quotient is None:
            raise ValueError(f"{value!r} is not a number")
        return float(quotient[1]) / float(quotient[2] or 1)
    return float(value)
