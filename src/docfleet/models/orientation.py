"""Orientation: which way up an image is, by a small classifier.

      image --steps of inference.yml--> (3, h, w) --network--> one probability per label --> label

The steps are those of the reference's classifiers (ResizeImage, CropImage, NormalizeImage), or the one step of the
older line classifier (ClsResizeImg: keep the ratio, pad on the right).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docfleet.engines.base import Session
from docfleet.models.batching import run_batches
from docfleet.models.files import ModelFiles, malformed, post_or_pre_process, reads_rgb, transform_ops
from docfleet.models.normalize import Normalization

Image = NDArray[np.uint8]
Step = Callable[[Image], Image]

_LONGEST_STRIP = 16
"""How many times as long as wide the part of an image is that gets resized by its shorter side."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """What the classifier thinks of one image."""

    index: int
    """0-based place of the label in the model's list: for lines 0 is upright and 1 is upside down."""
    label: str
    """As `0_degree`, `180_degree`; for pages `0`, `90`, `180`, `270`."""
    score: float
    """Probability, 0..1, rounded to five decimals as in the reference."""


class OrientationClassifier:
    """A classifier of text lines (0, 180 degrees) or of pages (0, 90, 180, 270), as its `inference.yml` says."""

    def __init__(
        self,
        session: Session,
        files: ModelFiles,
        *,
        degrees: tuple[int, ...] | None = None,
        batch_size: int | None = None,
    ) -> None:
        """`batch_size` images go through the network at once; None leaves it to the engine.

        `degrees` is what the labels must begin with, in their order: (0, 180) for lines, (0, 90, 180, 270) for pages;
        None takes any classifier.

        Raises WeightsError if `inference.yml` is not that of such a classifier.
        """
        topk = post_or_pre_process(files, "PostProcess").get("Topk")
        labels = topk.get("label_list") if isinstance(topk, Mapping) else None
        if not labels:
            raise malformed(files, "PostProcess.Topk.label_list is missing: not a classifier")
        self._labels = tuple(str(label) for label in labels)
        if degrees is not None and tuple(map(_degree, self._labels)) != degrees:
            raise malformed(
                files,
                f"it tells {', '.join(self._labels)} apart, where a classifier of "
                f"{', '.join(map(str, degrees))} degrees is needed",
            )
        self._steps, self._normalization, self._shape = _preparation(files)
        self._rgb = reads_rgb(files, default=True)
        self._session = session
        self._files = files
        self._batch_size = batch_size or session.preferred_batch

    @property
    def labels(self) -> tuple[str, ...]:
        """The model's labels; `Orientation.index` is a place among them."""
        return self._labels

    def classify(self, images: Sequence[Image]) -> list[Orientation]:
        """The orientation of each image; images are (h, w, 3) uint8, BGR.

        Raises WeightsError if network and labels do not belong together.
        """
        return [self.best(row) for row in self.probabilities(images)]

    def best(self, row: NDArray[np.float32]) -> Orientation:
        """The most probable label of a row of `probabilities`."""
        index = int(row.argmax())
        return Orientation(index, self._labels[index], round(float(row[index]), 5))

    def probabilities(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """How probable each label is for each image, (n, labels). Raises as `classify`."""
        rows: list[NDArray[np.float32]] = []
        batches = run_batches(self._session, images, shape=(3, *self._shape), fill=self._fill, size=self._batch_size)
        for _, probabilities in batches:
            if probabilities.shape[-1] != len(self._labels):
                raise malformed(
                    self._files,
                    f"label_list has {len(self._labels)} labels where the network knows {probabilities.shape[-1]}: "
                    "take both from the same release",
                )
            rows.extend(probabilities)
        return np.stack(rows) if rows else np.empty((0, len(self._labels)), np.float32)

    def _fill(self, image: Image, row: NDArray[np.float32]) -> None:
        for step in self._steps:
            image = step(image)
        height, width = image.shape[:2]
        self._normalization.into(row[:, :height, :width], image[:, :, ::-1] if self._rgb else image)


def _degree(label: str) -> int | None:
    """The number that a label such as `180_degree` begins with."""
    number = re.match(r"\d+", label)
    return int(number[0]) if number else None


def _preparation(files: ModelFiles) -> tuple[list[Step], Normalization, tuple[int, int]]:
    """The steps, the floats, and the (height, width) of the network's input."""
    steps: list[Step] = []
    normalization: Normalization | None = None
    shape: tuple[int, int] | None = None
    try:
        for name, parameters in transform_ops(files):
            if name == "ResizeImage":
                step, shape = _resize_image(parameters)
                steps.append(step)
            elif name == "CropImage":
                shape = _pair(parameters.get("size", 224))
                steps.append(_centre_crop(shape))
            elif name in ("ClsResizeImg", "RecResizeImg"):
                _, high, wide = parameters["image_shape"]
                shape = int(high), int(wide)
                steps.append(_keep_ratio(shape))
                normalization = Normalization.centred()
            elif name == "NormalizeImage":
                normalization = Normalization.from_op(parameters)
            elif name not in ("DecodeImage", "ToCHWImage", "KeepKeys"):
                raise malformed(files, f"unknown step {name}")
    except (KeyError, TypeError, ValueError) as error:
        raise malformed(files, f"{type(error).__name__} {error}") from error
    if normalization is None or shape is None:
        raise malformed(files, "no step says how large the network's input is and how it is normalised")
    return steps, normalization, shape


def _resize_image(parameters: Mapping[str, Any]) -> tuple[Step, tuple[int, int] | None]:
    """`size` is a fixed (width, height); `resize_short` keeps the ratio and leaves the size to a crop."""
    import cv2

    if short := parameters.get("resize_short"):

        def shorter(image: Image) -> Image:
            image = _middle(image)
            height, width = image.shape[:2]
            scale = short / min(height, width)
            return np.asarray(cv2.resize(image, (round(width * scale), round(height * scale))), np.uint8)

        return shorter, None
    height, width = _pair(parameters["size"])
    return (lambda image: np.asarray(cv2.resize(image, (width, height)), np.uint8)), (height, width)


def _middle(image: Image) -> Image:
    """A strip cut to its middle: enlarged as a whole, one of 1 x 20,000 pixels would take 4 GB, and a crop follows."""
    height, width = image.shape[:2]
    longest = _LONGEST_STRIP * min(height, width)
    top, left = max(height - longest, 0) // 2, max(width - longest, 0) // 2
    return image[top : top + longest, left : left + longest]


def _centre_crop(shape: tuple[int, int]) -> Step:
    height, width = shape

    def crop(image: Image) -> Image:
        top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
        if top < 0 or left < 0:
            raise ValueError(f"image of {image.shape[1]} x {image.shape[0]} cannot be cropped to {width} x {height}")
        return image[top : top + height, left : left + width]

    return crop


def _keep_ratio(shape: tuple[int, int]) -> Step:
    import cv2

    height, width = shape

    def resize(image: Image) -> Image:
        natural = math.ceil(height * (image.shape[1] / image.shape[0]))
        return np.asarray(cv2.resize(image, (min(natural, width), height)), np.uint8)

    return resize


def _pair(size: int | Sequence[int]) -> tuple[int, int]:
    """(height, width) of a size written as one number or as width and height."""
    if isinstance(size, int):
        return size, size
    width, height = size
    return int(height), int(width)
