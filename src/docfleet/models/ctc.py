"""Reading a recogniser's output: connectionist temporal classification, best path.

      column     0    1    2    3    4    5    6
      best class -    H    H    -    i    -    !        "-" is the blank, class 0
      kept            H              i         !        not blank, and not the same as the column before
      text "Hi!", score = mean probability of the kept columns, columns (1, 4, 6)

After Graves et al., "Connectionist Temporal Classification" (ICML 2006).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from docfleet.errors import EngineError

_RIGHT_TO_LEFT = ("arabic_PP-OCRv3_mobile_rec", "arabic_PP-OCRv5_mobile_rec")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One line as the network spells it."""

    text: str
    score: float
    """0..1; 0.0 where no character was found."""
    columns: tuple[int, ...]
    """For each character of `text` the 0-based column of the output at which it begins."""


def charset(characters: Sequence[str]) -> list[str]:
    """What each class of a network stands for: the blank, the model's characters, the space."""
    return ["", *characters, " "]


def best_path(output: NDArray[np.floating[Any]]) -> tuple[NDArray[np.intp], NDArray[np.floating[Any]]]:
    """Per column the most probable class and its probability: two (n, columns) arrays of (n, columns, classes)."""
    classes = output.argmax(axis=-1)
    # The maximum is where argmax found it: no second pass over 18,000 classes.
    return classes, np.take_along_axis(output, classes[..., None], axis=-1)[..., 0]


def decode(classes: NDArray[np.intp], probabilities: NDArray[np.floating[Any]], chars: Sequence[str]) -> Decoded:
    """The line that the best path of one crop spells; both arrays are (columns,), `chars` comes from `charset`."""
    kept = classes != 0
    kept[1:] &= classes[1:] != classes[:-1]
    columns = np.flatnonzero(kept)
    if not columns.size:
        return Decoded("", 0.0, ())
    text = [chars[index] for index in classes[columns]]
    # A character of more than one code point (some dictionaries have them) stands in one column.
    places = [column for column, char in zip(columns.tolist(), text, strict=True) for _ in char]
    return Decoded("".join(text), float(np.mean(probabilities[columns])), tuple(places))


def display_order(model: str) -> Callable[[str], str]:
    """From the order in which a model spells to the order in which its lines are delivered: Arabic ones are reordered.

    Raises EngineError where that needs python-bidi and it is not installed.
    """
    if model not in _RIGHT_TO_LEFT:
        return str
    try:
        bidi = importlib.import_module("bidi")
    except ImportError as error:
        raise EngineError(f"the model {model} needs the package python-bidi: pip install python-bidi") from error
    return cast(Callable[[str], str], bidi.get_display)
