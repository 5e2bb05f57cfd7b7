"""The steps of preprocessing over a batch of pages.

      page --PageOrientation--> angle --turn_upright--> turned page --Unwarper--> flat page

One page after the other: a page of 712 x 488 fills the unwarping network's cores, and the classifier is cheap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.images import check_array
from docfleet.documents.pages import Page
from docfleet.fleet.devices import Slot
from docfleet.models.page_orientation import PageOrientation
from docfleet.models.rotate import turn_upright
from docfleet.models.unwarping import Unwarper
from docfleet.pipelines.doc_preprocessor.plan import DocPreprocessorPlan, PreprocessingPlan, Steps
from docfleet.pipelines.networks import Networks

Image = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Preprocessed:
    """A page on its way; a step that did not run, or changed nothing, passes on the same array."""

    steps: Steps
    original: Image
    angle: int
    """-1 where nobody looked."""
    turned: Image
    flat: Image
    grid: NDArray[np.float32] | None

    def record(self) -> dict[str, Any]:
        """For `DocPreprocessorResult.from_record`: images that are the same do not travel twice."""
        record: dict[str, Any] = {
            "page_index": None,
            "input_img": self.original,
            "model_settings": {
                "use_doc_orientation_classify": self.steps.use_doc_orientation_classify,
                "use_doc_unwarping": self.steps.use_doc_unwarping,
            },
            "angle": self.angle,
        }
        if self.turned is not self.original:
            record["rot_img"] = self.turned
        if self.flat is not self.turned:
            record["output_img"] = self.flat
        if self.grid is not None:
            record["sampling_grid"] = self.grid
        return record


class Preprocessor:
    """The networks of both steps, as far as the plan has them."""

    def __init__(self, plan: PreprocessingPlan, networks: Networks) -> None:
        """Load them. Raises EngineError, WeightsError."""
        self._orientation: PageOrientation | None = None
        self._unwarper: Unwarper | None = None
        if plan.orientation is not None:
            self._orientation = PageOrientation(*networks.load(plan.orientation))
        if plan.unwarping is not None:
            self._unwarper = Unwarper(*networks.load(plan.unwarping))

    def run(self, image: Image, steps: Steps) -> Preprocessed:
        """Preprocess one page (h, w, 3) uint8 BGR. Raises InputError for an array that is not such a page."""
        turned = original = check_array(image)
        angle, grid = -1, None
        if self._orientation is not None and steps.use_doc_orientation_classify:
            [angle] = self._orientation.angles([original])
            turned = turn_upright(original, angle)
        flat = turned
        if self._unwarper is not None and steps.use_doc_unwarping:
            unwarped = self._unwarper.unwarp(turned, turned_by=max(angle, 0))
            flat, grid = unwarped.image, unwarped.grid
        return Preprocessed(steps, original, angle, turned, flat, grid)


class DocPreprocessorStages:
    """The stages of `DocPreprocessor`, loaded for one slot."""

    def __init__(self, plan: Mapping[str, Any], slot: Slot) -> None:
        """Load what `plan` (a `DocPreprocessorPlan` as plain values) names. Raises EngineError, WeightsError."""
        resolved = DocPreprocessorPlan.from_plain(plan)
        self._networks = Networks(resolved.engine, resolved.precision, slot)
        self._preprocessor = Preprocessor(resolved.preprocessing, self._networks)

    def run(self, pages: Sequence[Page], settings: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One record per page; `settings` is `Steps` as plain values."""
        steps = Steps(**settings)
        return [{**self._preprocessor.run(page.image, steps).record(), "page_index": page.page_index} for page in pages]

    def close(self) -> None:
        """Release the networks."""
        self._networks.close()
