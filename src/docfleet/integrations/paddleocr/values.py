"""What of a package's result travels, and what it is on the other side.

      worker                                          caller
      dict, list, numbers, arrays    ---as they are-->  the same
      a result inside a result       ------------------>  a dict
      an image of Pillow's           ---its pixels----->  an image of Pillow's
      an object, as a LayoutBlock    ---attributes----->  an object with these attributes
      fonts, functions, ...                               nothing

Nothing is pickled: what arrives is made of these kinds and no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any

import numpy as np

_MARK = "\0"
"""Key of a dict that stands for something else; no name of the package's holds it."""
_SKIPPED = frozenset(["vis_fonts"])
"""Keys whose values draw and say nothing."""


def to_plain_values(value: Any) -> Any:
    """`value` in terms of what travels (`docfleet.fleet.wire`). Never raises for a value of whatever kind."""
    return _packed(value, ())


def _packed(value: Any, inside: tuple[int, ...]) -> Any:
    if value is None or isinstance(value, Enum):
        return None if value is None else _packed(value.value, inside)
    if isinstance(value, bool | int | float | str | bytes | np.generic):
        return value
    if isinstance(value, np.ndarray):
        # Arrays of objects hold what arrays of numbers cannot: rows of different lengths.
        return np.asarray(value) if value.dtype.kind != "O" else _packed(value.tolist(), inside)
    if isinstance(value, PurePath):
        return str(value)
    # An object that refers to itself would never end; further down it is left out.
    if id(value) in inside:
        return None
    return _packed_container(value, (*inside, id(value)))


def _packed_container(value: Any, inside: tuple[int, ...]) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _packed(member, inside) for key, member in value.items() if key not in _SKIPPED}
    if isinstance(value, list | tuple | set | frozenset):
        return [_packed(member, inside) for member in value]
    origin = type(value).__module__.partition(".")[0]
    if origin == "PIL" and hasattr(value, "getbands"):
        return {_MARK: "image", "mode": value.mode, "pixels": np.asarray(value)}
    if origin == "pandas" and hasattr(value, "to_dict"):
        return _packed(value.to_dict(orient="records"), inside)
    if isinstance(value, Iterable) and not hasattr(value, "__dict__"):
        return [_packed(member, inside) for member in value]
    if callable(value) or not hasattr(value, "__dict__"):
        return None
    attributes = {name: member for name, member in vars(value).items() if not name.startswith("_")}
    return {_MARK: "object", "attributes": _packed(attributes, inside)}


def from_plain_values(value: Any) -> Any:
    """The inverse, as far as the table above goes."""
    if isinstance(value, list):
        return [from_plain_values(member) for member in value]
    if not isinstance(value, dict):
        return value
    kind = value.get(_MARK)
    if kind == "image":
        from PIL import Image

        image = Image.fromarray(np.ascontiguousarray(value["pixels"]))
        return image if image.mode == value["mode"] else image.convert(value["mode"])
    if kind == "object":
        return SimpleNamespace(**from_plain_values(value["attributes"]))
    return {key: from_plain_values(member) for key, member in value.items()}
