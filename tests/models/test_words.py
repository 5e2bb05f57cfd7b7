import numpy as np
import pytest

from docfleet.models.words import Kind, Words, group, word_regions


def runs(text: str) -> list[tuple[str, str]]:
    return [(run.kind.value, run.text) for run in group(text, range(len(text)))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("To 北京", [("en&num", "To"), ("symbol", " "), ("cn", "北京")]),
        ("VGG-16", [("en&num", "VGG-16")]),
        ("v1.5", [("en&num", "v1.5")]),
        ("end.", [("en&num", "end"), ("symbol", ".")]),
        ("a.b", [("en&num", "a"), ("symbol", "."), ("en&num", "b")]),
        ("-5", [("symbol", "-"), ("en&num", "5")]),
        ("北-京", [("cn", "北"), ("symbol", "-"), ("cn", "京")]),
        ("né", [("en&num", "n"), ("symbol", "é")]),
        ("), (", [("symbol", "), (")]),
        ("", []),
    ],
)
def test_runs(text, expected):
    assert runs(text) == expected


def test_runs_keep_their_columns():
    assert [run.columns for run in group("ab c", (2, 4, 6, 9))] == [(2, 4), (6,), (9,)]


HORIZONTAL = np.array([[100, 50], [340, 52], [340, 72], [100, 70]], np.int16)


def regions(text: str, columns: tuple[int, ...], quad=HORIZONTAL, span=24.0):
    return word_regions(Words(span, tuple(group(text, columns))), quad)


def test_letters_span_their_columns():
    texts, places = regions("ab c", (2, 4, 6, 9))
    assert texts == ["ab", " ", "c"]
    assert places[0] == ((120, 50), (150, 50), (150, 72), (120, 72))
    assert places[2][0] == (190, 50)
    assert places[2][1] == (200, 50)


def test_chinese_characters_are_centred_on_their_columns():
    texts, places = regions("北京", (4, 8))
    assert texts == ["北", "京"]
    # Mean advance: 5 columns of 10 pixels over one step.
    assert [place[0][0] for place in places] == [120, 160]
    assert [place[1][0] for place in places] == [170, 210]


def test_a_single_chinese_character_gets_its_share_of_the_line():
    _, ((low, high, *_),) = regions("北", (12,))
    assert (low[0], high[0]) == (105, 340)


def test_padding_is_left_out():
    _, whole = regions("a", (5,), span=24.0)
    _, half = regions("a", (5,), span=12.0)
    assert whole[0][0][0] == 150
    assert half[0][0][0] == 200


def test_vertical_lines_run_down():
    quad = np.array([[10, 100], [40, 100], [40, 340], [10, 340]], np.int16)
    _, (place,) = regions("ab", (2, 4), quad)
    assert place == ((10, 120), (10, 150), (40, 150), (40, 120))


@pytest.mark.parametrize(("height", "runs_down"), [(60, False), (61, True)])
def test_over_one_and_a_half_times_as_high_as_wide_is_vertical(height, runs_down):
    quad = np.array([[10, 100], [50, 100], [50, 100 + height], [10, 100 + height]], np.int16)
    _, (first, *_) = regions("a b", (0, 1, 2), quad, span=10.0)
    assert (first[0][1] == first[1][1]) is not runs_down  # right: the first two corners are on one level


def test_a_line_without_width_is_vertical():
    quad = np.array([[10, 100], [10, 100], [10, 340], [10, 340]], np.int16)
    assert regions("a", (0,), quad)[1] == [((10, 100), (10, 110), (10, 110), (10, 100))]


def test_an_empty_line_has_no_words():
    assert regions("", ()) == ([], [])


def test_kinds_are_plain_strings():
    assert Kind.LETTERS == "en&num"
