"""Batch jobs over real and hostile documents, with real networks: `DOCFLEET_CORPUS=<folder> pytest -m corpus`."""

from __future__ import annotations

import json
import os
import random
import time
from pathlib import Path

import pytest

from tests.batch.jobs import Bench, kill_group
from tests.batch.test_job_kills import CREDITS, SLOTS, computed, wait_for

CORPUS = os.environ.get("DOCFLEET_CORPUS", "")

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.weights,
    pytest.mark.skipif(not CORPUS, reason="DOCFLEET_CORPUS names no corpus"),
    pytest.mark.timeout(3000),
]

SMALL = [
    "--text_detection_model_name", "PP-OCRv6_tiny_det", "--text_recognition_model_name", "PP-OCRv6_tiny_rec",
    "--use_textline_orientation", "False", "--use_doc_unwarping", "False", "--use_doc_orientation_classify", "False",
    "--precision", "fp32", "--progress", "none",
]  # fmt: skip
"""The smallest networks: it is the bookkeeping that is looked at."""


def bench_on_corpus(folder: Path, *flags: str) -> Bench:
    """Works on the corpus itself: nothing is written there."""
    (folder / "in").symlink_to(Path(CORPUS, "files"))
    return Bench(folder, pipeline="tests.batch.pipelines:LoggedOCR", flags=[*SMALL, *flags], limit_s=2500)


@pytest.mark.parametrize("pattern", ["*", "*.jpg", "**/*.jpg"])
def test_every_document_is_found_and_the_books_balance(tmp_path: Path, pattern: str) -> None:
    bench = bench_on_corpus(tmp_path, "--pages", "1")
    files = [path for path in Path(CORPUS, "files").rglob("*") if path.is_file()]
    expected = len(files) if pattern == "*" else len(list(Path(CORPUS, "files").glob(pattern)))
    if not expected:
        assert "matches nothing" in bench.run("--input_glob_pattern", pattern, status=2)
        return
    bench.run("--input_glob_pattern", pattern, status=None)
    summary = bench.summary()
    assert summary["exit_status"] in (0, 1)
    assert summary["documents"]["found"] == expected
    assert summary["pages"]["remaining"] == 0
    results = [json.loads(data) for name, data in bench.outputs().items() if name.endswith(".json")]
    assert len(results) == summary["pages"]["done"] > 0
    assert len(bench.failures()) == summary["pages"]["failed"]


def test_ten_kills_of_everything_change_nothing_in_the_output(tmp_path: Path) -> None:
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()
    flags = ["--pages", "1", "--input_glob_pattern", "[pst]*/*", "--save", "json,txt"]
    undisturbed = bench_on_corpus(tmp_path / "undisturbed", *flags)
    undisturbed.run(status=None)
    killed = bench_on_corpus(tmp_path / "killed", *flags)
    moments = random.Random(4)
    for _ in range(10):
        before = len(killed.computed())
        job = killed.start()
        wait_for(lambda before=before: len(killed.computed()) > before, job)  # type: ignore[misc]
        time.sleep(moments.uniform(0.0, 4.0))
        kill_group(job)
        job.communicate()
    killed.run(status=None)
    pages = computed(killed)
    assert len(pages) == len(undisturbed.computed())
    twice = sum(pages.values()) - len(pages)
    print(f"{len(pages)} pages, 10 kills, {twice} computed again")
    assert twice <= 10 * SLOTS * CREDITS
    assert killed.outputs() == undisturbed.outputs()
    assert killed.summary()["pages"] == undisturbed.summary()["pages"]
    assert killed.temporary() == []
