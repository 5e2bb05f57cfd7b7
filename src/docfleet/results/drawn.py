"""Results that can be looked at: their drawings, and how pictures of them become files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from docfleet.results.base import Artefact, BaseResult, write_atomically
from docfleet.results.fonts import Fonts, fonts_for
from docfleet.results.images import encode, names_an_image, pixels_of, suffix_for

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class DrawnResult(BaseResult):
    """A result with drawings: `.img` makes them, `save_to_img` writes them."""

    kinds: ClassVar[tuple[str, ...]] = ("json", "img")

    def drawings(self, fonts: Fonts) -> dict[str, Picture]:
        """The drawings by name, the most telling one first."""
        raise NotImplementedError

    @property
    def img(self) -> dict[str, Picture]:
        """The drawings by name, as PIL images; drawn anew each time."""
        return self.drawings(fonts_for())

    def save_to_img(self, save_path: str | os.PathLike[str], *, font: str | os.PathLike[str] | None = None) -> None:
        """Write the drawings: the first one to `save_path` if that is named like an image file, else all into a folder.

        In a folder the files are `<stem>[_<page_index>]_<name><suffix>`, of the input's type where that can be written
        and `.png` else. `font` is a font file to draw with; without it DOCFLEET_FONT and what the machine has are used.
        Raises UsageError for a font that cannot be used and for a type of file that is not written.
        """
        pictures = self.drawings(fonts_for(font))
        self.save_images(save_path, {name: pixels_of(picture) for name, picture in pictures.items()})

    def artefacts(self, kind: str) -> Iterator[Artefact]:
        """See `BaseResult.artefacts`; `img` are the drawings."""
        if kind == "img":
            yield from self.image_files({name: pixels_of(picture) for name, picture in self.img.items()})
        else:
            yield from super().artefacts(kind)

    def savers(self) -> tuple[Callable[[str | os.PathLike[str]], None], ...]:
        """JSON first and drawings second, as the reference."""
        return (*super().savers(), self.save_to_img)

    def save_images(self, save_path: str | os.PathLike[str], images: Mapping[str, NDArray[np.uint8]]) -> None:
        """Write images (BGR) by name, as `save_to_img` does."""
        if names_an_image(save_path):
            write_atomically(Path(save_path), encode(next(iter(images.values())), Path(save_path).suffix))
            return
        for file in self.image_files(images):
            write_atomically(Path(save_path) / f"{self.save_as}{file.tail}", file.data)

    def image_files(self, images: Mapping[str, NDArray[np.uint8]]) -> Iterator[Artefact]:
        """Images (BGR) by name as files of this page."""
        for name, image in images.items():
            suffix = suffix_for(self.input_path, (image.shape[0], image.shape[1]))
            yield Artefact(name, suffix, encode(image, suffix))
