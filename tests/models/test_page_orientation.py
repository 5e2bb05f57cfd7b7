"""Which way up a page is: when the first look counts, and what the second one sees. The network is a function here."""

from collections.abc import Callable

import numpy as np
import pytest

from docfleet.errors import WeightsError
from docfleet.models.page_orientation import SURE, PageOrientation

from .fakes import FakeSession, folder

OPS = [{"ResizeImage": {"resize_short": 256}}, {"CropImage": {"size": 224}}, {"NormalizeImage": {}}]
PAGES = {"Topk": {"topk": 1, "label_list": ["0", "90", "180", "270"]}}


def classifier(answer: Callable[[float], list[float]]) -> tuple[PageOrientation, FakeSession]:
    """A network that answers by how bright what it sees is."""

    def network(batch: np.ndarray) -> np.ndarray:
        return np.array([answer(float(image.mean())) for image in batch], np.float32)

    session = FakeSession(network)
    return PageOrientation(session, folder(OPS, PAGES)), session


def page(height: int = 1000, width: int = 700, shade: int = 255) -> np.ndarray:
    return np.full((height, width, 3), shade, np.uint8)


@pytest.mark.parametrize("place", range(4))
def test_a_sure_answer_is_taken_at_its_word(place: int) -> None:
    probabilities = [(1 - SURE) / 3] * 4
    probabilities[place] = SURE
    orientation, session = classifier(lambda _: probabilities)
    assert orientation.angles([page()]) == [(0, 90, 180, 270)[place]]
    assert session.shapes == [(1, 3, 224, 224)]


def test_of_an_unsure_page_all_of_it_is_looked_at() -> None:
    """The middle is blank and says nothing; dark ground says 270 degrees, and there is some at the bottom only."""
    orientation, session = classifier(lambda shade: [0.26, 0.25, 0.25, 0.24] if shade > 0 else [0.0, 0.1, 0.0, 0.9])
    sheet = page()
    sheet[-100:] = 0
    assert orientation.angles([sheet]) == [0]
    sheet[-400:] = 0
    assert orientation.angles([sheet]) == [270]
    assert len(session.shapes) > 2 * 4


@pytest.mark.parametrize("rows", [slice(0, 60), slice(-60, None)])
@pytest.mark.parametrize("columns", [slice(0, 60), slice(-60, None)])
@pytest.mark.parametrize("size", [(1000, 700), (640, 903), (500, 500)])
def test_the_second_look_reaches_every_corner(rows: slice, columns: slice, size: tuple[int, int]) -> None:
    orientation, _ = classifier(lambda shade: [0.25] * 4 if shade > 2.42 else [0.0, 0.0, 1.0, 0.0])
    sheet = page(*size)
    assert orientation.angles([sheet]) == [0]
    sheet[rows, columns] = 0
    assert orientation.angles([sheet]) == [180]


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (3, 500), (40_000, 60)])
def test_strips_cost_a_bounded_number_of_looks(size: tuple[int, int]) -> None:
    orientation, session = classifier(lambda _: [0.25, 0.25, 0.25, 0.25])
    assert orientation.angles([page(*size)]) == [0]
    assert len(session.shapes) <= 1 + 8 * 8
    assert set(session.shapes) == {(1, 3, 224, 224)}


def test_a_page_does_not_depend_on_its_neighbours() -> None:
    orientation, _ = classifier(lambda shade: [0.3, 0.1, 0.6, 0.0] if shade > 0 else [0.0, 0.9, 0.1, 0.0])
    light, dark = page(), page(shade=0)
    assert orientation.angles([light, dark, light]) == [180, 90, 180]
    assert [orientation.angles([one])[0] for one in (light, dark, light)] == [180, 90, 180]


def test_a_classifier_of_lines_is_refused() -> None:
    with pytest.raises(WeightsError, match="of 0, 90, 180, 270 degrees is needed"):
        PageOrientation(FakeSession(np.copy), folder(OPS, {"Topk": {"label_list": ["0_degree", "180_degree"]}}))
