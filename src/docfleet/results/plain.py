"""Values as JSON knows them: NumPy in, lists and numbers out."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import numpy as np


def to_plain(value: Any) -> Any:
    """`value` in terms of dict, list, str, int, float, bool and None.

    NumPy scalars and arrays of every dtype become numbers and nested lists. A float that is not finite becomes None:
    JSON has no word for it, and the bare `NaN` that the reference writes breaks strict readers.

    Raises TypeError for a type that has no plain form.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, np.generic | np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a result holds a {type(value).__name__}, which JSON cannot express")
