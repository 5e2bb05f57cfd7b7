"""Which networks read which language."""

from __future__ import annotations

import pytest

from docfleet.errors import UsageError
from docfleet.pipelines.ocr.languages import ocr_models
from docfleet.pipelines.ocr.plan import TEXTLINE_ORIENTATION
from docfleet.weights import builtin_registry


@pytest.mark.parametrize(
    ("lang", "version", "detection", "recognition"),
    [
        (None, None, "PP-OCRv6_small_det", "PP-OCRv6_small_rec"),
        ("ch", None, "PP-OCRv6_small_det", "PP-OCRv6_small_rec"),
        ("french", "PP-OCRv6", "PP-OCRv6_small_det", "PP-OCRv6_small_rec"),
        ("korean", None, "PP-OCRv5_server_det", "korean_PP-OCRv5_mobile_rec"),
        ("ru", None, "PP-OCRv5_server_det", "eslav_PP-OCRv5_mobile_rec"),
        ("bg", None, "PP-OCRv5_server_det", "cyrillic_PP-OCRv5_mobile_rec"),
        ("pi", None, "PP-OCRv5_server_det", "latin_PP-OCRv5_mobile_rec"),
        ("en", "PP-OCRv5", "PP-OCRv5_server_det", "en_PP-OCRv5_mobile_rec"),
        ("de", "PP-OCRv5", "PP-OCRv5_server_det", "latin_PP-OCRv5_mobile_rec"),
        (None, "PP-OCRv5", "PP-OCRv5_server_det", "PP-OCRv5_server_rec"),
        ("en", "PP-OCRv4", "PP-OCRv4_mobile_det", "en_PP-OCRv4_mobile_rec"),
        ("ka", None, "PP-OCRv3_mobile_det", "ka_PP-OCRv3_mobile_rec"),
        ("ch", "PP-OCRv3", "PP-OCRv3_mobile_det", "PP-OCRv3_mobile_rec"),
        ("ru", "PP-OCRv3", "PP-OCRv3_mobile_det", "cyrillic_PP-OCRv3_mobile_rec"),
    ],
)
def test_the_choice_is_the_references(lang: str | None, version: str | None, detection: str, recognition: str) -> None:
    assert ocr_models(lang, version) == (detection, recognition)


def test_the_defaults_are_the_registrys() -> None:
    defaults = {task: model.name for task, model in builtin_registry().defaults().items()}
    names = defaults["text_detection"], defaults["text_recognition"], defaults["textline_orientation"]
    assert (*ocr_models(None, None), TEXTLINE_ORIENTATION) == names


@pytest.mark.parametrize(("lang", "version"), [("klingon", None), ("korean", "PP-OCRv6"), ("de", "PP-OCRv4")])
def test_a_language_without_networks_is_refused(lang: str, version: str | None) -> None:
    with pytest.raises(UsageError, match="No models are available"):
        ocr_models(lang, version)
