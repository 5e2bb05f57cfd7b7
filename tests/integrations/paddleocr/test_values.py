from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from docfleet.fleet.wire import check_plain
from docfleet.integrations.paddleocr.values import from_plain_values, to_plain_values


def there_and_back(value: Any) -> Any:
    """As it arrives: JSON-like containers, and arrays as they are."""
    plain = to_plain_values(value)
    check_plain(plain)
    return from_plain_values(plain)


class Result(dict[str, Any]):
    """As the package's results are: a dict with methods, and attributes of its own."""

    def __init__(self, data: dict[str, Any]) -> None:
        super().__init__(data)
        self._save_funcs = [self.save]

    def save(self) -> None: ...


class Block:
    def __init__(self, **attributes: Any) -> None:
        vars(self).update(attributes)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("text", "text"),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        ((1, 2.5, True), [1, 2.5, True]),
        ({3}, [3]),
        (Result({"a": Result({"b": (1, 2)})}), {"a": {"b": [1, 2]}}),
        ({1: "number as a key"}, {"1": "number as a key"}),
        ({"vis_fonts": [object()], "text": "x"}, {"text": "x"}),
        ({"a function": len, "nothing inside": object()}, {"a function": None, "nothing inside": None}),
        (np.array([[1, 2], [3]], dtype=object), [[1, 2], [3]]),
        ((number for number in (1, 2)), [1, 2]),
    ],
)  # fmt: skip
def test_values_arrive(value: Any, expected: Any) -> None:
    assert there_and_back(value) == expected


def test_arrays_and_numbers_of_numpy_stay_what_they_are() -> None:
    found = there_and_back({"polys": [np.array([[1, 2]], np.int16)], "score": np.float32(0.1)})
    assert found["polys"][0].dtype == np.int16
    assert type(found["score"]) is np.float32


def test_images_arrive_as_images() -> None:
    for mode in ("RGB", "L", "RGBA", "1"):
        image = Image.new(mode, (3, 2), 1)
        found = there_and_back({"img": image})["img"]
        assert found.mode == mode
        assert found.tobytes() == image.tobytes()


def test_objects_arrive_as_objects_with_their_attributes() -> None:
    found = there_and_back([Block(label="text", bbox=(1, 2), _hidden=1, child_blocks=[Block(label="title")])])[0]
    assert found.label == "text"
    assert found.bbox == [1, 2]
    assert found.child_blocks[0].label == "title"
    assert not hasattr(found, "_hidden")


def test_what_refers_to_itself_ends() -> None:
    block = Block(label="text")
    block.self = block
    block.friend = Block(back=block)
    found = there_and_back(block)
    assert found.self is None
    assert found.friend.back is None


def test_the_same_object_twice_arrives_twice() -> None:
    shared = {"a": [1]}
    assert there_and_back([shared, shared]) == [{"a": [1]}, {"a": [1]}]


def test_tables_of_pandas_arrive_as_rows() -> None:
    class Frame:
        __module__ = "pandas.core.frame"

        def to_dict(self, orient: str) -> list[dict[str, int]]:
            assert orient == "records"
            return [{"a": 1}]

    assert there_and_back(Frame()) == [{"a": 1}]


def test_plain_values_are_not_changed() -> None:
    value = {"a": [1, {"b": None}], "c": "d"}
    assert json.dumps(to_plain_values(value)) == json.dumps(value)
