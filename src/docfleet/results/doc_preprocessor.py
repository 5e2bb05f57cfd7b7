"""The result of preprocessing one page: turned upright and made flat, with the way back to the page as it came."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from docfleet.errors import UsageError
from docfleet.results.base import Artefact
from docfleet.results.drawings import panels
from docfleet.results.drawn import DrawnResult
from docfleet.results.fonts import Fonts
from docfleet.results.geometry import as_points, turned_back, unsampled

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


class DocPreprocessorResult(DrawnResult):
    """One page before and after preprocessing, with the reference's keys.

    - `input_img`, `rot_img`, `output_img`: the page as it came, turned upright, and made flat; (h, w, 3) uint8, BGR.
      A step that did not run passes on the same array
    - `angle`: by how many degrees the page was turned counter-clockwise (0, 90, 180, 270), -1 when not looked for
    - `model_settings`: `use_doc_orientation_classify`, `use_doc_unwarping`
    """

    json_keys: ClassVar[tuple[str, ...]] = ("input_path", "page_index", "model_settings", "angle")
    kinds: ClassVar[tuple[str, ...]] = ("json", "img", "page")

    sampling_grid: NDArray[np.float32] | None = None
    """(rows, columns, 2): where on `rot_img` points of `output_img` come from, see `docfleet.results.geometry`. None
    where the page was not made flat, or by a network that does not tell."""

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Self:
        """Rebuild the result from a worker's record, which leaves out the images that a step did not change."""
        turned = record.get("rot_img", record["input_img"])
        result = cls(
            # In the reference's order.
            input_path=record.get("input_path"),
            page_index=record.get("page_index"),
            input_img=record["input_img"],
            model_settings=record["model_settings"],
            angle=record["angle"],
            rot_img=turned,
            output_img=record.get("output_img", turned),
        )
        result.sampling_grid = record.get("sampling_grid")
        return result

    @property
    def page(self) -> NDArray[np.uint8]:
        """The page upright and flat: `output_img`."""
        return self["output_img"]  # type: ignore[no-any-return]

    @property
    def angle(self) -> int:
        """By how many degrees the page was turned counter-clockwise; -1 when not looked for."""
        return self["angle"]  # type: ignore[no-any-return]

    def to_original(self, points: Any) -> NDArray[np.float32]:
        """Where points of `output_img` are on `input_img`: arrays of shape (..., 2), x and y in pixels.

        Raises UsageError where the page was made flat by a network that does not tell where points come from, as the
        official export of UVDoc.
        """
        found = as_points(points)
        if self["model_settings"]["use_doc_unwarping"]:
            if self.sampling_grid is None:
                raise UsageError(
                    "this page was made flat by a network that gives the finished page and not where its points come "
                    "from: the default network of doc_unwarping does, and so does use_doc_unwarping=False"
                )
            found = unsampled(found, self.sampling_grid, self["output_img"].shape[:2])
        found = turned_back(found, max(self.angle, 0), self["input_img"].shape[:2])
        return found.reshape(np.shape(points))

    def drawings(self, fonts: Fonts) -> dict[str, Picture]:
        """Original, turned and flattened page side by side."""
        settings = self["model_settings"]
        turned = f"Rotated Image ({settings['use_doc_orientation_classify']}, {self.angle})"
        flat = f"Unwarping Image ({settings['use_doc_unwarping']})"
        pages = [(self["input_img"], "Original Image"), (self["rot_img"], turned), (self["output_img"], flat)]
        return {"preprocessed_img": panels(pages, fonts)}

    def artefacts(self, kind: str) -> Iterator[Artefact]:
        """See `BaseResult.artefacts`; `page` is the corrected page."""
        if kind == "page":
            yield from self.image_files({"output_img": self.page})
        else:
            yield from super().artefacts(kind)

    def savers(self) -> tuple[Callable[[str | os.PathLike[str]], None], ...]:
        """The reference's, and the corrected page, which it does not write."""
        return (*super().savers(), self.save_to_page)

    def save_to_page(self, save_path: str | os.PathLike[str]) -> None:
        """Write the corrected page by itself: to `save_path` if it is named like an image file, else into that folder.

        In a folder the file is `<stem>[_<page_index>]_output_img<suffix>`. Raises UsageError for a type of file that is
        not written.
        """
        self.save_images(save_path, {"output_img": self.page})
