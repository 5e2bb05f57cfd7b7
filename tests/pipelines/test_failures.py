"""Failures as a caller gets them."""

from __future__ import annotations

import pickle

import pytest

from docfleet.fleet.tasks import Category, Failed, Failure, Task
from docfleet.pipelines.base import Pipeline
from docfleet.pipelines.failures import REMEMBERED, PageFailure, PartialFailure
from docfleet.results.base import BaseResult


def failure(message: str, path: str | None = "a.pdf", page: int | None = None, index: int = 0) -> PageFailure:
    return PageFailure(index=index, input_path=path, page_index=page, failure=Failure(Category.INPUT, message))


@pytest.mark.parametrize(
    ("one", "text"),
    [
        (failure("a.pdf: no such file"), "a.pdf: no such file"),
        (failure("page 3 of 5 is corrupt", page=2), "a.pdf (page 3): page 3 of 5 is corrupt"),
        (failure("boom"), "a.pdf: boom"),
        (failure("text detection failed", path="t"), "t: text detection failed"),
        (failure("shape (3, 3)", path=None, index=3), "input 4: shape (3, 3)"),
        (failure("boom", path="new\nline.png"), "new\\nline.png: boom"),
    ],
)
def test_a_failure_names_its_page_once(one: PageFailure, text: str) -> None:
    assert str(one) == text


def test_a_partial_failure_survives_pickling() -> None:
    error = PartialFailure([failure("boom")], 7, [BaseResult(input_path="b.png")])
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.failures, copy.failed, copy.results, str(copy)) == (error.failures, 7, error.results, str(error))


def test_only_the_first_failures_are_remembered() -> None:
    class Failing(Pipeline[object, object, BaseResult]):  # type: ignore[type-var]
        result_type = BaseResult

        def __init__(self) -> None:
            self._on_error, self._ordered, self._executor = "raise", True, self  # type: ignore[assignment]

        @classmethod
        def resolve(cls, *_: object, **__: object) -> object:
            raise AssertionError

        def run(self, tasks, *, ordered):
            return ((task, Failed(Failure(Category.INPUT, "boom"))) for task in tasks)

    tasks = (Task((number,), {"source": {"path": f"{number}.png"}}) for number in range(REMEMBERED + 5))
    with pytest.raises(PartialFailure) as caught:
        list(Failing()._deliver(tasks))
    assert caught.value.failed == REMEMBERED + 5
    assert [one.index for one in caught.value.failures] == list(range(REMEMBERED))
