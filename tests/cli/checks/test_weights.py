"""Networks and their cache: in a cache of one's own, without any index."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from docfleet.cli.checks.check import Check, Level, Question
from docfleet.cli.checks.weights import cache_folder, networks
from docfleet.pipelines.base import Network
from docfleet.pipelines.ocr.options import OCROptions
from docfleet.pipelines.ocr.pipeline import PaddleOCR
from docfleet.weights import builtin_registry

QUESTION = Question(pipeline="PaddleOCR", device="cpu", instances_per_device=1)


def _checks(examination, question: Question = QUESTION) -> list[Check]:
    return [finding for finding in examination(question) if isinstance(finding, Check)]


def test_networks_that_are_not_there_have_to_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path / "cache"))
    found = _checks(networks)
    assert [check.level for check in found] == [Level.ATTENTION] * 5
    assert found[2].text.startswith("PP-OCRv6_small_det is not there and has to be fetched (")
    assert found[2].advice.startswith("`docfleet models pull PP-OCRv6_small_det` does it now")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_network_has_to_be_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path))
    (tmp_path / "models" / "PP-OCRv6_small_det").mkdir(parents=True)
    assert _checks(networks)[2].text.startswith("PP-OCRv6_small_det is damaged and has to be fetched (")


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_networks_that_cannot_be_stored_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", "/proc/self/cache")
    found = _checks(networks)
    assert [check.level for check in found] == [Level.PROBLEM] * 5
    assert "; but /proc/self cannot be written: " in found[0].text
    (check,) = _checks(cache_folder)
    assert check.level is Level.ATTENTION
    assert "DOCFLEET_CACHE_HOME" in check.advice


def test_a_home_that_is_not_known_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", "~nobody-of-that-name/cache")
    for examination in (networks, cache_folder):
        (check,) = _checks(examination)
        assert check.level is Level.PROBLEM


def test_the_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path / "cache"))
    (check,) = _checks(cache_folder)
    assert check.text.startswith(f"{tmp_path / 'cache'}: ")
    assert list(tmp_path.iterdir()) == []


def test_a_pipeline_of_ones_own_may_not_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCFLEET_CACHE_HOME", str(tmp_path))
    (check,) = _checks(networks, Question(pipeline="tests.batch.pipelines:Echo"))
    assert (check.level, check.text) == (Level.OK, "tests.batch.pipelines:Echo does not say which it needs")


@pytest.mark.weights
def test_networks_that_are_there() -> None:
    with PaddleOCR(device="cpu"):
        pass
    (check,) = _checks(networks)
    assert check.level is Level.OK
    assert "PP-OCRv6_small_det, PP-OCRv6_small_rec, PP-OCR_mobile_v2.0_textline_cls: intact, in " in check.text


def test_the_networks_that_options_ask_for() -> None:
    usual = PaddleOCR.networks(OCROptions())
    assert all(network.folder is None and network.name in builtin_registry() for network in usual)
    assert len(PaddleOCR.networks(OCROptions(use_textline_orientation=False))) == len(usual) - 1
    named = PaddleOCR.networks(OCROptions(text_detection_model_dir="mine"))
    assert Network("PP-OCRv6_small_det", "mine") in named
