"""The journal against a model of it, through runs that end well and badly; and on disks that do not take it."""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from docfleet.batch import journal as journal_module
from docfleet.batch.journal import FORMAT, Entry, Journal, Line, Shard
from docfleet.batch.listing import Document
from docfleet.batch.names import OutputName
from docfleet.batch.selection import pages_to_do
from docfleet.errors import OutputError
from docfleet.fleet.tasks import Category, Failure
from tests.batch.disks import fill, make_read_only, small_disk

FAILURE = Failure(Category.PIPELINE, "ValueError: bad", "Traceback ...", attempts=2, slot="cpu#0", signal=11)


def stem_of(name: str) -> str:
    return name.rpartition(".")[0].replace("\udcff", "_")


def document(name: str, *, version: int = 1, known: bool = True) -> Document:
    stem = stem_of(name)
    size = version if known else 0
    return Document(
        path=f"in/{name}", relative=name, size=size, mtime_ns=size, name=lambda: OutputName(stem, f"{stem}~pages")
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite"


@pytest.fixture
def journal(place: Path) -> Iterator[Journal]:
    journal = Journal(place)
    yield journal
    journal.close()


# The model.


@dataclass
class Known:
    """What should be known of one document."""

    version: int
    state: str = "open"
    done: set[int | None] = field(default_factory=set)
    failed: set[int | None] = field(default_factory=set)
    beyond: int = 0


@dataclass
class Books:
    """What should be in a journal."""

    documents: dict[str, Known] = field(default_factory=dict)
    shards: dict[str, int] = field(default_factory=dict)
    stale: dict[str, int] = field(default_factory=dict)

    def copy(self) -> Books:
        documents = {
            path: dataclasses.replace(known, done=set(known.done), failed=set(known.failed))
            for path, known in self.documents.items()
        }
        return Books(documents, dict(self.shards), dict(self.stale))


@dataclass
class HandedOut:
    """A document that a run is at."""

    entry: Entry
    todo: list[int | None]
    """Pages that have not ended; None alone for a plain image."""
    expanded: bool


PAGES = {"plain.png": None, "one.pdf": 1, "two.pdf": 2, "many.pdf": 5, "bad\udcff.tif": 3}
paths = st.sampled_from(list(PAGES))


class JournalMachine(RuleBasedStateMachine):
    """Runs of a job, each of which may end at any moment without a commit."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.versions = dict.fromkeys(PAGES, 1)
        self.committed = Books()
        self.run = 0

    @initialize(may_repeat=st.booleans(), retry=st.booleans())
    def begin(self, may_repeat: bool, retry: bool) -> None:
        self.journal = Journal(self.folder / "journal.sqlite", folder="in")
        self.may_repeat, self.retry = may_repeat, retry
        self.run += 1
        assert self.journal.run == self.run
        self.books = self.committed.copy()
        self.met: set[str] = set()
        self.under_way: dict[str, HandedOut] = {}

    @rule(path=paths, known=st.sampled_from([True, True, True, False]))
    def admit(self, path: str, known: bool) -> None:
        if path in self.met and not self.may_repeat:
            return
        version = self.versions[path]
        entry = self.journal.admit(document(path, version=version, known=known), may_repeat=self.may_repeat)
        if path in self.met:
            assert entry.state == "repeated"
            return
        self.met.add(path)
        before = self.books.documents.get(path)
        if before is None or (known and before.version != version):
            assert entry.state == "new"
            assert entry.stale_pages == (None if before is None else before.beyond)
            if before is not None:
                self.books.stale[path] = self.run
            # What could not be asked looks like nothing, and has changed as soon as it can be.
            now = self.books.documents[path] = Known(version if known else 0)
        else:
            now = before
            assert (entry.state, entry.stale_pages) == (now.state, None)
            assert (entry.done_pages, entry.failed_pages) == (len(now.done), len(now.failed))
            if now.failed and self.retry:
                entry = self.journal.forget_failures(document(path, version=version), entry)
                now.failed, now.state = set(), "open"
                assert (entry.state, entry.failed_pages) == ("open", 0)
            if now.state != "open":
                return
        ended = {page for first, end in entry.done for page in range(first, end or 0)}
        assert ended == {page for page in now.done | now.failed if page is not None}
        count = PAGES[path]
        todo: list[int | None] = [None] if count in (None, 1) else list(pages_to_do(count, None, entry.done))
        self.under_way[path] = HandedOut(entry, todo, expanded=count in (None, 1))

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), fails=st.sampled_from([False, False, True]), shard=st.sampled_from(["", "part-1", "part-2"]))
    def advance(self, data: st.DataObject, fails: bool, shard: str) -> None:
        path = data.draw(st.sampled_from(sorted(self.under_way)))
        one, known = self.under_way[path], self.books.documents[path]
        if not one.expanded and fails:
            self._end(path, one, known, None, fails=True, shard="")
        elif not one.expanded:
            one.expanded = True
            ended = len(known.done) + len(known.failed)
            beyond = max((page + 1 for page in one.todo if page is not None), default=0)
            self.journal.expanded(one.entry.id, ended + len(one.todo), beyond=beyond)
            known.beyond = max(known.beyond, beyond)
            self._close_if_over(path, one, known)
        else:
            self._end(path, one, known, data.draw(st.sampled_from(one.todo)), fails=fails, shard=shard)

    def _end(
        self, path: str, one: HandedOut, known: Known, page: int | None, *, fails: bool, shard: str
    ) -> None:  # fmt: skip
        if fails:
            self.journal.page_failed(one.entry.id, page, FAILURE)
            known.failed.add(page)
        else:
            end = self.books.shards.get(shard, 0) + 10
            self.journal.page_done(one.entry.id, page, line=Line(shard, end) if shard else None)
            known.done.add(page)
            if shard:
                self.books.shards[shard] = end
        if page is None:
            one.todo.clear()
        else:
            one.todo.remove(page)
        self._close_if_over(path, one, known)

    def _close_if_over(self, path: str, one: HandedOut, known: Known) -> None:
        if not one.todo:
            known.state = "failed" if known.failed else "done"
            known.beyond = max(known.beyond, 1)
            del self.under_way[path]

    @rule()
    def commit(self) -> None:
        self.journal.commit()
        self.committed = self.books.copy()

    @rule(may_repeat=st.booleans(), retry=st.booleans())
    def end_suddenly(self, may_repeat: bool, retry: bool) -> None:
        self.journal.close()
        self.begin(may_repeat, retry)

    @rule(path=paths)
    def change(self, path: str) -> None:
        if path not in self.met:
            self.versions[path] += 1

    @rule()
    def drop_stale_lines(self) -> None:
        self.journal.stale_dropped()
        self.books.stale.clear()

    @invariant()
    def the_books_are_right(self) -> None:
        if not hasattr(self, "journal"):
            return
        failures = {
            (f"in/{path}".replace("\udcff", "\\udcff"), page)
            for path, known in self.books.documents.items()
            for page in known.failed
        }  # fmt: skip
        found = [(row.input, row.page_index) for row in self.journal.failures()]
        assert len(found) == len(failures)
        assert set(found) == failures
        met = [(row.input, row.page_index) for row in self.journal.failures(met=True)]
        assert met == [
            (name, page) for name, page in found if name.removeprefix("in/").replace("\\udcff", "\udcff") in self.met
        ]
        assert self.journal.stale() == self.books.stale
        beyond = {name.single: pages for name, pages in self.journal.outputs()}
        assert beyond == {stem_of(path): known.beyond for path, known in self.books.documents.items()}

    def teardown(self) -> None:
        if not hasattr(self, "journal"):
            return
        self.journal.close()
        try:
            self._finish()
        finally:
            self.journal.close()
            shutil.rmtree(self.folder)

    def _finish(self) -> None:
        """One run after which everything is done, and one that finds so."""
        self.begin(may_repeat=False, retry=True)
        assert {name: shard.size for name, shard in self.journal.shards().items()} == self.committed.shards
        for path in PAGES:
            self.admit(path, known=True)
            while path in self.under_way:
                one, known = self.under_way[path], self.books.documents[path]
                if one.expanded:
                    self._end(path, one, known, one.todo[0], fails=False, shard="")
                else:
                    one.expanded = True
                    ended = len(known.done) + len(known.failed)
                    self.journal.expanded(one.entry.id, ended + len(one.todo), beyond=PAGES[path] or 0)
                    self._close_if_over(path, one, known)
        self.commit()
        self.journal.close()
        self.begin(may_repeat=True, retry=True)
        for path, count in PAGES.items():
            entry = self.journal.admit(document(path, version=self.versions[path]))
            assert (entry.state, entry.done_pages, entry.failed_pages) == ("done", count or 1, 0)
        assert list(self.journal.failures()) == []


TestJournal = JournalMachine.TestCase
TestJournal.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# Names and lines.


@pytest.mark.parametrize(
    "name",
    [OutputName("scans/a", "scans/a"), OutputName("scans/a", "scans/a~jpg"), OutputName("scans/a~jpg", "scans/a"),
     OutputName("x~0123456789abcdef/a", "x~0123456789abcdef/a~jpg"), OutputName("q", "q~fedcba9876543210"),
     OutputName("scans/日", "scans/日"), OutputName("~0123456789abcdef", "~0123456789abcdef")],
)  # fmt: skip
@pytest.mark.parametrize("relative", ["scans/a.jpg", "scans/a", "q", "a.b/c", "bad\udcff.tif"])
def test_a_name_is_kept_as_it_was_given(name: OutputName, relative: str, place: Path) -> None:
    given = Document(path=f"in/{relative}", relative=relative, size=1, mtime_ns=1, name=lambda: name)
    for _ in range(2):
        journal = Journal(place)
        assert journal.admit(given).name == name
        journal.commit()
        assert [kept for kept, _ in journal.outputs()] == [name]
        journal.close()


def test_a_shard_counts_as_far_as_it_was_committed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.parent)
    journal = Journal(place, folder="in\udcff")
    for number, end in enumerate((70, 50)):
        entry = journal.admit(document(f"{number}.png"))
        journal.page_done(entry.id, None, line=Line("part-00001.jsonl", end))
    journal.commit()
    entry = journal.admit(document("lost.png"))
    journal.page_done(entry.id, None, line=Line("part-00001.jsonl", 90))
    journal.close()
    journal = Journal(place)
    assert journal.shards() == {
        "part-00001.jsonl": Shard(run=1, folder="in\udcff", working=str(place.parent), size=70)
    }  # fmt: skip
    journal.close()


def test_content_tells_a_change_where_it_is_known(place: Path) -> None:
    journal = Journal(place)
    entry = journal.admit(document("a.png"), digest=b"one")
    journal.page_done(entry.id, None)
    journal.commit()
    for digest, version, state in ((b"one", 2, "done"), (None, 1, "done"), (b"two", 1, "new")):
        journal.close()
        journal = Journal(place)
        assert journal.admit(document("a.png", version=version), digest=digest).state == state
    journal.close()


def test_the_identity_is_kept(journal: Journal) -> None:
    assert journal.identity() is None
    journal.set_identity({"plan": {"engine": "openvino"}, "pages": None})
    assert journal.identity() == {"plan": {"engine": "openvino"}, "pages": None}


def test_an_undecodable_name_is_shown_escaped_and_found_again(place: Path) -> None:
    journal = Journal(place)
    entry = journal.admit(document("bad\udcff.tif"))
    journal.page_failed(entry.id, None, dataclasses.replace(FAILURE, message="bad\udcff: no", detail="\udcff"))
    journal.commit()
    [row] = journal.failures()
    assert (row.input, row.message, row.detail) == ("in/bad\\udcff.tif", "bad\\udcff: no", "\\udcff")
    assert row.to_plain()["page_index"] is None
    journal.close()
    journal = Journal(place)
    assert journal.admit(document("bad\udcff.tif")).state == "failed"
    journal.close()


# What a large journal costs.


def test_no_statement_of_a_run_looks_through_a_whole_table(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At ten million documents each such statement takes seconds: none may be there but those that read it all."""
    statements: set[str] = set()
    connect = sqlite3.connect

    def traced(*args: Any, **more: Any) -> sqlite3.Connection:
        connection = connect(*args, **more)
        connection.set_trace_callback(statements.add)
        return connection

    monkeypatch.setattr(sqlite3, "connect", traced)
    for run in range(2):
        journal = Journal(place)
        for name, version in (("a.png", 1), ("b.pdf", 1), ("c.png", 1 + run), ("d.pdf", 1)):
            one = document(name, version=version)
            entry = journal.admit(one)
            if entry.failed_pages:
                entry = journal.forget_failures(one, entry)
            if entry.state == "done":
                continue
            if name.endswith(".png"):
                journal.page_done(entry.id, None, line=Line("part-00001.jsonl", 10))
                continue
            journal.expanded(entry.id, 2, beyond=2)
            for page in pages_to_do(2, None, entry.done):
                if page == 1 and name == "d.pdf":
                    journal.page_failed(entry.id, page, FAILURE)
                else:
                    journal.page_done(entry.id, page)
        journal.commit()
        journal.close()
    looked_up = [text for text in statements if text.split()[0] in ("SELECT", "UPDATE", "DELETE")]
    assert len(looked_up) > 20
    with contextlib.closing(connect(place)) as db:
        for text in looked_up:
            plan = [row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {text}")]
            assert all(step.startswith("SEARCH") for step in plan), (text, plan)


# Files and disks that do not take it.


def open_and_fill(place: Path) -> None:
    journal = Journal(place)
    try:
        for number in range(10_000):
            entry = journal.admit(document(f"{number}{'x' * 100}.png"))
            journal.page_done(entry.id, None)
            journal.commit()
    finally:
        journal.close()


def done_in(place: Path) -> int:
    """Documents that count as done, in a file that is whole."""
    db = sqlite3.connect(place)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    number: int = db.execute("SELECT count(*) FROM documents WHERE state = 1").fetchone()[0]
    db.close()
    return number


def test_a_file_that_is_no_journal_is_refused_and_left_alone(place: Path) -> None:
    place.write_bytes(b"this is no journal" * 100)
    with pytest.raises(OutputError, match=r"cannot be opened: file is not a database.*--fresh"):
        Journal(place)
    assert place.read_bytes() == b"this is no journal" * 100


def test_a_damaged_journal_is_said_to_be_one(place: Path) -> None:
    journal = Journal(place)
    for number in range(500):
        journal.admit(document(f"{number}.png"))
    journal.commit()
    journal.close()
    data = bytearray(place.read_bytes())
    data[8192:-4096] = b"\xff" * (len(data) - 8192 - 4096)
    place.write_bytes(data)
    with pytest.raises(OutputError, match="malformed"):
        open_and_fill(place)


def test_a_journal_of_another_format_is_not_touched(place: Path) -> None:
    db = sqlite3.connect(place)
    db.executescript(f"""
        CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        INSERT INTO meta VALUES ('format', '{FORMAT + 1}'), ('run', '7');
        CREATE TABLE documents (something_else TEXT);
    """)
    db.close()
    before = place.read_bytes()
    with pytest.raises(OutputError, match=f"format {FORMAT + 1}, this version of docfleet knows {FORMAT}.*--fresh"):
        Journal(place)
    assert place.read_bytes() == before


def test_a_journal_that_somebody_else_writes_to_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_module, "_BUSY_S", 0.05)
    journal = Journal(place)
    journal.admit(document("a.png"))
    with pytest.raises(OutputError, match="database is locked"):
        Journal(place)
    journal.close()


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="unable to open database file"):
        Journal(tmp_path / "nowhere" / "journal.sqlite")


def test_a_read_only_disk_is_said(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 1024) as disk:
        Journal(disk / "journal.sqlite").close()
        make_read_only(disk)
        with pytest.raises(OutputError, match="cannot be opened: attempt to write a readonly database"):
            Journal(disk / "journal.sqlite")


def test_a_full_disk_is_said_and_what_was_committed_counts(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 512) as disk:
        place = disk / "journal.sqlite"
        with pytest.raises(OutputError, match="cannot be written: database or disk is full"):
            open_and_fill(place)
        first = done_in(place)
        assert first > 10
        ballast = fill(disk)
        with pytest.raises(OutputError, match="disk"):
            open_and_fill(place)
        ballast.unlink()
        assert done_in(place) >= first


WRITER = """
import sys
from pathlib import Path
from tests.batch.test_journal import Journal, document
journal = Journal(Path(sys.argv[1]))
for number in range(1_000_000):
    entry = journal.admit(document(f"{number}.png"))
    if entry.state == "new":
        journal.page_done(entry.id, None)
        journal.commit()
        print(number, flush=True)
"""


@pytest.mark.kills
def test_a_writer_that_is_killed_leaves_all_that_it_has_committed(place: Path) -> None:
    told = 0
    for _ in range(4):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, place], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        for _ in range(15):
            told = int(writer.stdout.readline()) + 1
        writer.send_signal(signal.SIGKILL)
        rest = writer.communicate()[0].split("\n")
        told = max([told, *(int(line) + 1 for line in rest[:-1] if line)])
        # One more may have been committed before it could be told.
        assert done_in(place) in (told, told + 1)
