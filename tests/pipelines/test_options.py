"""Options as a person gives them: names, old names, values, and the signatures that derive from them."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docfleet import PaddleOCR
from docfleet.errors import UsageError
from docfleet.pipelines.ocr.options import OCRCall, OCROptions
from docfleet.pipelines.options import accepts, option, option_fields, parse


def test_signatures_are_the_options_own() -> None:
    constructor = inspect.signature(PaddleOCR.__init__).parameters
    assert list(constructor)[1:] == list(inspect.signature(OCROptions).parameters)
    assert all(one.kind is inspect.Parameter.KEYWORD_ONLY for one in list(constructor.values())[1:])
    predict = list(inspect.signature(PaddleOCR.predict).parameters.values())
    assert predict[1].name == "input"
    assert predict[1].kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    assert [one.name for one in predict[1:]] == list(inspect.signature(OCRCall).parameters)


REFERENCE_CONSTRUCTOR = """
doc_orientation_classify_model_name doc_orientation_classify_model_dir doc_unwarping_model_name doc_unwarping_model_dir
text_detection_model_name text_detection_model_dir textline_orientation_model_name textline_orientation_model_dir
textline_orientation_batch_size text_recognition_model_name text_recognition_model_dir text_recognition_batch_size
use_doc_orientation_classify use_doc_unwarping use_textline_orientation text_det_limit_side_len text_det_limit_type
text_det_thresh text_det_box_thresh text_det_unclip_ratio text_det_input_shape text_rec_score_thresh return_word_box
text_rec_input_shape lang ocr_version
device engine enable_hpi use_tensorrt precision enable_mkldnn mkldnn_cache_capacity cpu_threads enable_cinn
paddlex_config
""".split()
REFERENCE_FORMER = """
det_model_dir det_limit_side_len det_limit_type det_db_thresh det_db_box_thresh det_db_unclip_ratio rec_model_dir
rec_batch_num use_angle_cls cls_model_dir cls_batch_num
""".split()


def test_every_option_of_the_reference_is_there() -> None:
    names = {field.name for field in option_fields(OCROptions)}
    assert set(REFERENCE_CONSTRUCTOR) <= names
    assert {field.info.formerly for field in option_fields(OCROptions)} - {None} == set(REFERENCE_FORMER)


def test_an_unknown_option_is_refused_with_a_suggestion() -> None:
    with pytest.raises(ValueError, match=r"Unknown argument: text_det_tresh; did you mean 'text_det_thresh'\?"):
        parse(OCROptions, {"text_det_tresh": 0.3})
    with pytest.raises(UsageError, match="Unknown argument: show_log"):
        parse(OCROptions, {"show_log": True})


def test_an_old_name_is_translated_with_a_warning() -> None:
    with pytest.warns(DeprecationWarning, match="det_db_thresh is now called text_det_thresh"):
        assert parse(OCROptions, {"det_db_thresh": 0.5}).text_det_thresh == 0.5


def test_an_old_name_beside_its_new_one_is_refused() -> None:
    with pytest.raises(UsageError, match="both given"):
        parse(OCROptions, {"text_det_thresh": 0.5, "det_db_thresh": 0.4})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("text_det_thresh", "0.3", "takes a number, not '0.3'"),
        ("text_det_thresh", 1.5, "at most 1"),
        ("text_det_thresh", float("nan"), "takes a number"),
        ("text_det_unclip_ratio", float("inf"), "takes a number"),
        ("text_det_limit_side_len", 0, "at least 1"),
        ("text_det_limit_side_len", 96.0, "takes a whole number"),
        ("text_det_limit_side_len", True, "takes a whole number, not True"),
        ("use_textline_orientation", "False", "takes a True or False"),
        ("use_textline_orientation", 1, "takes a True or False"),
        ("text_det_limit_type", "middle", "one of min, max"),
        ("text_det_input_shape", (3, 960), "takes 3 values"),
        ("text_det_input_shape", (3, 960, "x"), "takes a whole number"),
        ("ocr_version", "PP-OCRv7", "one of PP-OCRv3"),
        ("lang", 7, "takes a text"),
    ],
)
def test_a_wrong_value_is_named_where_it_enters(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse(OCROptions, {name: value})


def test_values_arrive_in_their_types() -> None:
    options = parse(
        OCROptions, {"text_det_thresh": 0, "text_det_input_shape": [3, 960, 960], "text_detection_model_dir": Path("m")}
    )
    assert options.text_det_thresh == 0.0
    assert isinstance(options.text_det_thresh, float)
    assert options.text_det_input_shape == (3, 960, 960)
    assert options.text_detection_model_dir == "m"
    assert options.lang is None


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("text_det_thresh", np.float32(0.5), 0.5),
        ("text_det_limit_side_len", np.int64(640), 640),
        ("return_word_box", np.True_, True),
    ],
)
def test_numpy_scalars_are_numbers(name: str, value: Any, kept: Any) -> None:
    found = getattr(parse(OCROptions, {name: value}), name)
    assert found == kept
    assert type(found) is type(kept)


def test_paddlex_config_says_what_to_use_in_every_form() -> None:
    with pytest.raises(UsageError, match="pass its settings as options"):
        parse(OCROptions, {"paddlex_config": {"a": 1}}).check()


@dataclass(frozen=True, kw_only=True)
class Small:
    size: int | None = option(help="how large", minimum=1)


class Taker:
    @accepts(Small)
    def take(self, options: Small) -> int | None:
        """What was given."""
        return options.size


def test_a_method_takes_the_options_by_name_only() -> None:
    assert Taker().take(size=3) == 3
    assert Taker().take() is None
    with pytest.raises(TypeError, match=r"Taker\.take takes its options by name"):
        Taker().take(3)  # type: ignore[call-arg]
    assert Taker.take.__doc__ == "What was given."


def test_an_argument_given_twice_is_refused() -> None:
    with pytest.raises(TypeError, match="got 'input' twice"):
        PaddleOCR.predict(object(), "a.png", input="b.png")  # type: ignore[arg-type, misc]


def test_secrets_are_not_printed() -> None:
    options = parse(OCROptions, {"pdf_password": "geheim", "pdf_dpi": 100})
    assert "geheim" not in repr(options)
    assert "pdf_dpi=100" in repr(options)
    assert options.pdf_password == "geheim"
