import numpy as np
import pytest

from docfleet.models.ctc import best_path, charset, decode, display_order

CHARS = charset(["H", "i", "!", "é"])


def output(*columns: tuple[int, float]) -> np.ndarray:
    """Probabilities (columns, classes) with the given best class and its probability per column."""
    table = np.full((len(columns), len(CHARS)), 0.01, np.float32)
    for row, (index, probability) in zip(table, columns, strict=True):
        row[index] = probability
    return table


def read(*columns: tuple[int, float]):
    classes, probabilities = best_path(output(*columns)[None])
    return decode(classes[0], probabilities[0], CHARS)


def test_charset_is_blank_characters_space():
    assert CHARS == ["", "H", "i", "!", "é", " "]


def test_repeats_collapse_and_blanks_go():
    line = read((0, 0.9), (1, 0.8), (1, 0.5), (0, 0.9), (2, 0.6), (0, 0.9), (3, 0.7))
    assert line.text == "Hi!"
    assert line.columns == (1, 4, 6)
    assert line.score == pytest.approx((0.8 + 0.6 + 0.7) / 3)
    assert type(line.score) is float


def test_a_blank_separates_equal_characters():
    assert read((2, 0.9), (2, 0.9)).text == "i"
    assert read((2, 0.9), (0, 0.9), (2, 0.9)).text == "ii"


def test_first_column_counts():
    assert read((1, 0.9), (5, 0.8), (2, 0.7)).text == "H i"


def test_nothing_but_blanks():
    line = read((0, 0.9), (0, 0.9))
    assert (line.text, line.score, line.columns) == ("", 0.0, ())


def test_a_character_of_two_code_points_has_one_column_for_both():
    chars = charset(["e\u0301", "x"])
    line = decode(np.array([0, 1, 2]), np.full(3, 0.5, np.float32), chars)
    assert line.text == "e\u0301x"
    assert line.columns == (1, 1, 2)


def test_best_path_takes_the_first_of_equals():
    classes, probabilities = best_path(np.array([[[0.2, 0.4, 0.4]]], np.float32))
    assert classes.tolist() == [[1]]
    assert probabilities[0, 0] == np.float32(0.4)


def test_only_arabic_models_are_reordered():
    assert display_order("PP-OCRv6_small_rec")("abc") == "abc"


def test_arabic_models_need_bidi():
    bidi = pytest.importorskip("bidi", reason="python-bidi is not installed")
    text = "\u0645\u0631\u062d\u0628\u0627 12"
    assert display_order("arabic_PP-OCRv5_mobile_rec")(text) == bidi.get_display(text) != text
