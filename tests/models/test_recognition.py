import cv2
import numpy as np
import pytest

from docfleet.errors import UsageError, WeightsError
from docfleet.models.normalize import Normalization
from docfleet.models.recognition import TextRecognizer, natural_width, padded_width
from docfleet.models.words import Run

from .fakes import FakeSession, folder

OPS = [{"RecResizeImg": {"image_shape": [3, 48, 320]}}]
CHARACTERS = list("abcdefgh")
POST = {"name": "CTCLabelDecode", "character_dict": CHARACTERS}


def spell(batch: np.ndarray) -> np.ndarray:
    """One column per 8 pixels; class n where the column's left edge has grey value n * 20."""
    grey = (batch[:, 0, batch.shape[2] // 2, ::8] * 0.5 + 0.5) * 255
    classes = np.minimum(np.rint(grey / 20).astype(int), len(CHARACTERS))
    classes[batch[:, 0, batch.shape[2] // 2, ::8] == 0] = 0
    return np.eye(len(CHARACTERS) + 2, dtype=np.float32)[classes] * np.float32(0.75)


def crop_saying(text: str, *, height: int = 48, advance: int = 24) -> np.ndarray:
    crop = np.zeros((height, advance * len(text), 3), np.uint8)
    for place, char in enumerate(text):
        crop[:, place * advance : place * advance + advance // 2] = 20 * (CHARACTERS.index(char) + 1)
    return crop


def recognizer(session=None, **options) -> TextRecognizer:
    return TextRecognizer(session or FakeSession(spell), folder(OPS, POST), **options)


@pytest.mark.parametrize(
    ("height", "width", "natural", "padded"),
    [
        (48, 500, 500, 512),
        (31, 1001, 1549, 1664),
        (40, 9000, 3200, 3200),
        (48, 10, 320, 320),
        (48, 320, 320, 320),
        (48, 321, 321, 384),
        (48, 1280, 1280, 1280),
        (48, 1281, 1281, 1408),
        (1, 3000, 3200, 3200),
        (3000, 1, 320, 320),
    ],
)
def test_widths(height, width, natural, padded):
    assert natural_width(height, width) == natural
    assert padded_width(height, width) == padded


def test_the_set_of_widths_is_small_and_padding_bounded():
    widths = {width: padded_width(48, width) for width in range(320, 3201)}
    assert len(set(widths.values())) == 31
    assert all(1 <= padded / width <= 1.2 for width, padded in widths.items())


def test_results_are_in_the_order_of_the_crops():
    texts = ["abc", "abcdefghabcdefghabcdef", "h", "gfedcba", "abcdefghabcdefghabcdefgh", "b"]
    found = recognizer().recognize([crop_saying(text) for text in texts])
    assert [line.text for line in found] == texts
    assert {line.score for line in found} == {0.75}
    assert all(line.words is None for line in found)


def test_crops_of_equal_padded_width_share_a_batch():
    session = FakeSession(spell)
    crops = [crop_saying(text) for text in ("abc", "abcdefghabcdefghabcdef", "h", "g", "b")]
    recognizer(session, batch_size=3).recognize(crops)
    assert session.shapes == [(3, 3, 48, 320), (1, 3, 48, 320), (1, 3, 48, 576)]


def test_wide_crops_come_in_small_batches():
    session = FakeSession(spell)
    recognizer(session, batch_size=8).recognize([np.zeros((48, 1500, 3), np.uint8)] * 4)
    assert [shape[0] for shape in session.shapes] == [3, 1]


def test_the_batch_size_is_fixed_where_the_engine_needs_it():
    session = FakeSession(spell, batch_invariant=False)
    found = recognizer(session, batch_size=4).recognize([crop_saying("abc")] * 5)
    assert [line.text for line in found] == ["abc"] * 5
    assert [shape[0] for shape in session.shapes] == [4, 4]


def test_what_the_network_sees():
    seen = []
    session = FakeSession(lambda batch: seen.append(batch.copy()) or spell(batch))
    crop = np.random.default_rng(0).integers(0, 256, (31, 205, 3), dtype=np.uint8)
    recognizer(session).recognize([crop])
    expected = np.zeros((1, 3, 48, 320), np.float32)
    Normalization.centred().into(expected[0, :, :, :318], cv2.resize(crop, (318, 48)))
    np.testing.assert_array_equal(seen[0], expected)


def test_input_shape_stretches():
    seen = []
    session = FakeSession(lambda batch: seen.append(batch.copy()) or spell(batch))
    crop = np.random.default_rng(0).integers(0, 256, (31, 205, 3), dtype=np.uint8)
    recognizer(session, input_shape=(3, 32, 100)).recognize([crop])
    expected = np.zeros((1, 3, 32, 100), np.float32)
    Normalization.centred().into(expected[0], cv2.resize(crop, (100, 32)))
    np.testing.assert_array_equal(seen[0], expected)


def test_words_know_where_the_crop_ends():
    (line,) = recognizer().recognize([crop_saying("abc")], return_word_box=True)
    assert line.words.runs == (Run("en&num", "abc", (0, 3, 6)),)
    assert line.words.span == pytest.approx(72 / 8)


def test_words_of_a_squeezed_line_span_all_columns():
    (line,) = recognizer().recognize([np.zeros((10, 4000, 3), np.uint8)], return_word_box=True)
    assert line.words.span == 3200 / 8


def test_no_crops():
    assert recognizer().recognize([]) == []


def test_network_and_dictionary_must_fit():
    short = folder(OPS, {**POST, "character_dict": CHARACTERS[:5]})
    with pytest.raises(WeightsError, match="5 characters where the network knows 8"):
        TextRecognizer(FakeSession(spell), short).recognize([crop_saying("a")])


@pytest.mark.parametrize(
    ("ops", "post"),
    [(OPS, {"name": "DBPostProcess"}), (OPS, {"name": "CTCLabelDecode"}), ([], POST)],
)
def test_other_models_are_refused(ops, post):
    with pytest.raises(WeightsError, match="not a recogniser"):
        TextRecognizer(FakeSession(spell), folder(ops, post))


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch_size": 0},
        {"input_shape": (1, 48, 320)},
        {"input_shape": (3, 48)},
        {"input_shape": (3, 0, 320)},
        {"input_shape": (3, 48, 7)},
    ],
)
def test_options_are_checked(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        recognizer(**wrong)


@pytest.mark.parametrize(
    ("takes", "wrong", "message"),
    [
        ((None, 3, 48, None), (3, 33, 33), "give 3, 48 and a width of at least 8,"),
        ((1, 3, 48, 320), (3, 48, 100), "give 3, 48 and 320,"),
        ((None, 3, None, None), (3, 32, 4), "give 3, a height and a width of at least 8,"),
    ],
)
def test_an_input_shape_that_the_network_cannot_take_is_refused_at_once(takes, wrong, message):
    with pytest.raises(UsageError, match=message):
        recognizer(FakeSession(spell, input_shapes=(takes,)), input_shape=wrong)


def test_an_input_shape_that_the_network_takes():
    session = FakeSession(spell, input_shapes=((None, 3, 48, None),))
    recognizer(session, input_shape=(3, 48, 8)).recognize([crop_saying("a")])
    assert session.shapes == [(1, 3, 48, 8)]
