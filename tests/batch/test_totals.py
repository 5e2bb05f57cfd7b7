"""Totals of a journal, read beside whoever writes it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from docfleet.batch.journal import Journal
from docfleet.batch.listing import Document
from docfleet.batch.names import OutputName
from docfleet.batch.totals import Totals, read_totals
from docfleet.fleet.tasks import Category, Failure

_BAD = Failure(Category.INPUT, "it is encrypted")


def _document(name: str) -> Document:
    return Document(path=name, relative=name, name=lambda: OutputName(single=name, paged=name))


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """One document done, one of three pages failed, one that could not be opened, one begun, one with a page failed."""
    journal = Journal(tmp_path / "journal.sqlite")

    def begin(name: str, pages: int | None) -> int:
        number = journal.admit(_document(name)).id
        if pages is not None:
            journal.expanded(number, pages, beyond=pages)
        return number

    done = begin("done.pdf", 2)
    journal.page_done(done, 0)
    journal.page_done(done, 1)
    failed = begin("failed.pdf", 3)
    journal.page_done(failed, 0)
    journal.page_done(failed, 1)
    journal.page_failed(failed, 2, _BAD)
    journal.page_failed(begin("locked.pdf", None), None, _BAD)
    begun = begin("begun.pdf", 300)
    for page in range(7):
        journal.page_done(begun, page)
    journal.page_failed(begun, 8, _BAD)
    journal.page_done(begin("image.png", None), None)
    journal.commit()
    return journal


EXPECTED = Totals(documents_done=2, documents_failed=2, documents_begun=1, pages_done=2 + 2 + 7 + 1, pages_failed=3)


def test_what_is_done_and_failed(journal: Journal, tmp_path: Path) -> None:
    journal.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert read_totals(tmp_path / "journal.sqlite") == EXPECTED
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_is_not_committed_does_not_count(journal: Journal, tmp_path: Path) -> None:
    journal.page_done(journal.admit(_document("new.png")).id, None)
    assert read_totals(tmp_path / "journal.sqlite") == EXPECTED
    journal.commit()
    journal.close()


def test_a_new_journal_holds_nothing(tmp_path: Path) -> None:
    Journal(tmp_path / "a ?#%.sqlite").close()
    assert read_totals(tmp_path / "a ?#%.sqlite") == Totals(
        documents_done=0, documents_failed=0, documents_begun=0, pages_done=0, pages_failed=0
    )


def test_a_journal_that_takes_too_long_is_let_go(journal: Journal, tmp_path: Path) -> None:
    journal.commit()
    journal.close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as db:
        db.executemany(
            "INSERT INTO documents VALUES (?1, ?2, 1, 0, 0, NULL, NULL, NULL, 1, 1, 1, 1, 0)",
            [(b"%d" % number, number) for number in range(20_000)],
        )
    db.close()
    times = iter([0.0])
    assert read_totals(tmp_path / "journal.sqlite", clock=lambda: next(times, 3.0)) is None
    assert read_totals(tmp_path / "journal.sqlite", clock=lambda: 0.0) is not None


@pytest.mark.parametrize("content", [None, b"", b"no database" * 1000])
def test_what_is_no_journal_has_no_totals(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "journal.sqlite"
    if content is not None:
        path.write_bytes(content)
    assert read_totals(path) is None
    assert path.exists() is (content is not None)
