"""The corpus: every document is what its manifest expects, and hostile ones are what docs/reliability.md says."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docfleet.documents.pages import PageCount
from docfleet.documents.reader import Reader
from docfleet.documents.sources import Source
from docfleet.errors import InputError

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif("DOCFLEET_CORPUS" not in os.environ, reason="DOCFLEET_CORPUS names no corpus"),
]

ROOT = Path(__file__).parents[2]


def test_hostile_documents_are_what_the_table_says():
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "hostile.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def test_every_document_is_what_its_manifest_expects():
    root = Path(os.environ["DOCFLEET_CORPUS"])
    with (root / "manifest.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100
    wrong = []
    with Reader(pdf_dpi=20) as reader:  # Small pages: the pixels are for other tests.
        for row in rows:
            source = Source(str(root / row["file"]))
            try:
                found = reader.read(source)
                pages = 1
                if isinstance(found, PageCount):
                    pages = found.count
                    for index in range(pages):
                        reader.read(source, index)
                outcome = "ok"
            except InputError as error:
                assert str(error).startswith(f"{source.name}: ")
                pages, outcome = 0, "error"
            expected = {"clean-error": ["error"], "ok-or-clean-error": ["ok", "error"]}.get(
                row["expect"], [row["expect"]]
            )
            if outcome not in expected or (row["expect"] == "ok" and pages != int(row["pages"])):
                wrong.append((row["file"], row["expect"], row["pages"], outcome, pages))

    assert wrong == []
