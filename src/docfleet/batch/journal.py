"""What is done: one SQLite file, one writer, a row for each document.

      admit(document) ---> new | open, pages 0-1999 done | done | failed        before it is handed out
      page_done, page_failed, expanded --> one transaction --> commit()         the row is what makes a page count

Tables:

      documents   path (relative to the input folder), what it looked like, what its files are called, what became of it
      names       what the names of documents take, also of those that are not there any more
      pages       pages that are done of documents that are not; a document that has ended is one row again
      failures    a row for each failed page, and for each document that could not be opened
      shards      how far each file of aggregated lines counts; what follows is of pages that do not
      stale       documents that were done again after a change: their earlier lines are to be dropped

The file works on network file systems: a rollback journal, no shared memory. Names are kept short, and what takes room
for each document is looked for by its key alone. Everything that SQLite has to say about a disk ends as OutputError.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote

from docfleet.batch.listing import Document
from docfleet.batch.names import Claims, OutputName, hashed_name
from docfleet.batch.selection import Interval, merged
from docfleet.batch.siblings import split_suffix
from docfleet.documents.sources import printable
from docfleet.errors import OutputError
from docfleet.fleet.tasks import Failure

FORMAT = 1
_BUSY_S = 5.0
_OPEN, _DONE, _FAILED = range(3)
_WHOLE = -1
"""Instead of a page: the document itself."""

State = Literal["new", "open", "done", "failed", "repeated"]

_META = "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    path BLOB PRIMARY KEY, id INTEGER NOT NULL, run INTEGER NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    digest BLOB, single TEXT, paged TEXT,
    state INTEGER NOT NULL, pages INTEGER, beyond INTEGER NOT NULL, done INTEGER NOT NULL, failed INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (key INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS pages (document INTEGER, page INTEGER, PRIMARY KEY (document, page)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failures (
    document INTEGER, page INTEGER, run INTEGER NOT NULL, input TEXT NOT NULL, category TEXT NOT NULL,
    message TEXT NOT NULL, detail TEXT NOT NULL, attempts INTEGER NOT NULL, slot TEXT, signal INTEGER,
    PRIMARY KEY (document, page)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shards (
    name TEXT PRIMARY KEY, run INTEGER NOT NULL, folder BLOB NOT NULL, working BLOB NOT NULL, size INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS stale (path BLOB PRIMARY KEY, run INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Line:
    """Where a page's line of aggregated output ends."""

    shard: str
    """Name of the file."""
    end: int
    """Bytes of it up to and with the line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What the journal knows of a document when it is met."""

    id: int
    state: State
    """`repeated`: it was met before in this run."""
    name: OutputName
    done: tuple[Interval, ...] = ()
    """Pages that have ended, done or failed, and are not to be done again."""
    done_pages: int = 0
    failed_pages: int = 0
    stale_pages: int | None = None
    """The document has changed: of what it was there may be outputs of so many pages, counted from the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """One failure as it stands in the journal."""

    input: str
    page_index: int | None
    """0-based; None where the document could not be opened, or is a plain image."""
    category: str
    message: str
    detail: str
    attempts: int
    slot: str | None
    signal: int | None

    @classmethod
    def of(cls, path: str, page: int | None, failure: Failure) -> Self:
        """A failure that has just happened, as the journal will tell of it."""
        return cls(
            input=_text(path), page_index=page, category=str(failure.category), message=_text(failure.message),
            detail=_text(failure.detail), attempts=failure.attempts, slot=failure.slot, signal=failure.signal,
        )  # fmt: skip

    def to_plain(self) -> dict[str, Any]:
        """As in `failures.jsonl`."""
        return {
            "input": self.input,
            "page_index": self.page_index,
            "category": self.category,
            "message": self.message,
            "attempts": self.attempts,
            "slot": self.slot,
            "signal": self.signal,
            "detail": self.detail,
        }


@dataclass(slots=True)
class _Open:
    """A document that has been handed out."""

    path: bytes
    name: str
    """For people, and for `failures`."""
    pages: int | None
    done: int
    failed: int


class Journal:
    """The journal of one job. Open it under the job's lock only: it has one writer."""

    def __init__(self, path: Path, *, folder: str = "", fsync: bool = False) -> None:
        """Open or make the file, and begin a run.

        Args:
            folder: the input folder as it was given: what the paths in aggregated lines begin with.
            fsync: a commit returns only when it is on the disk for good.

        Raises OutputError where that cannot be, or the file is none of ours.
        """
        self._path = path
        self._places = os.fsencode(folder), os.fsencode(_working_directory())
        self._open: dict[int, _Open] = {}
        self._shards: dict[str, int] = {}
        self._claimed_pages = ""
        """Taken last by a name that is called like a page."""
        self._writing = False
        with self._errors("opened"):
            self._db = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None, cached_statements=64)
            try:
                self.run = self._begin_run(fsync)
            except BaseException:
                self.close()
                raise
        # Not the highest number there is and one more: that would have to be looked for among all documents.
        self._next_id = self.run << 32

    def _begin_run(self, fsync: bool) -> int:
        self._db.execute("PRAGMA journal_mode=TRUNCATE")
        self._db.execute(f"PRAGMA synchronous={'FULL' if fsync else 'NORMAL'}")
        self._db.execute("PRAGMA cache_size=-16384")
        self._begin()
        self._db.execute(_META)
        version = self._meta("format")
        if version not in (None, FORMAT):
            raise OutputError(
                f"{self._name}: format {version}, this version of docfleet knows {FORMAT}; go on with the version that "
                "made it, or start over with --fresh"
            )
        for statement in _SCHEMA.split(";"):
            self._db.execute(statement)
        self._set_meta("format", FORMAT)
        run = int(self._meta("run") or 0) + 1
        self._set_meta("run", run)
        self.commit()
        return run

    @property
    def _name(self) -> str:
        return printable(str(self._path))

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            damaged = getattr(error, "sqlite_errorname", "") in ("SQLITE_CORRUPT", "SQLITE_NOTADB", "")
            hint = "start over with --fresh" if damaged else "see that its disk has room and can be written to"
            raise OutputError(f"{self._name} cannot be {what}: {error}; {hint}") from error

    def _meta(self, key: str) -> Any:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else json.loads(row[0])

    def _set_meta(self, key: str, value: Any) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def _begin(self) -> None:
        if not self._writing:
            self._db.execute("BEGIN IMMEDIATE")
            self._writing = True

    # The job as a whole.

    def identity(self) -> dict[str, Any] | None:
        """What the outputs depend on, as it was set; None in a new journal."""
        with self._errors("read"):
            return self._meta("identity")  # type: ignore[no-any-return]

    def set_identity(self, identity: Mapping[str, Any]) -> None:
        """Keep what the outputs depend on; committed with the rest."""
        with self._errors("written"):
            self._begin()
            self._set_meta("identity", identity)

    def mark(self, name: str, value: Any) -> None:
        """Keep a word for runs to come; None forgets it. Committed with the rest."""
        with self._errors("written"):
            self._begin()
            if value is None:
                self._db.execute("DELETE FROM meta WHERE key = ?", (name,))
            else:
                self._set_meta(name, value)

    def marked(self, name: str) -> Any:
        """What was kept under a name; None if nothing was."""
        with self._errors("read"):
            return self._meta(name)

    def nothing_done(self) -> bool:
        """Whether no page is done, of no document that any run has met."""
        with self._errors("read"):
            query = "SELECT EXISTS (SELECT 1 FROM documents WHERE done > 0) OR EXISTS (SELECT 1 FROM pages)"
            return not self._db.execute(query).fetchone()[0]

    def forget_all(self) -> None:
        """Know nothing of any document; committed with the rest."""
        with self._errors("written"):
            self._begin()
            for table in ("documents", "names", "pages", "failures", "shards", "stale"):
                self._db.execute(f"DELETE FROM {table}")

    def commit(self) -> None:
        """Make everything since the last commit count. Raises OutputError, and then none of it does."""
        if not self._writing:
            return
        with self._errors("written"):
            self._db.executemany(
                "INSERT INTO shards VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET size = max(size, ?5)",
                [(name, self.run, *self._places, size) for name, size in self._shards.items()],
            )
            self._db.execute("COMMIT")
            self._writing = False
            self._shards.clear()

    def close(self) -> None:
        """Drop what is not committed and close the file. Idempotent."""
        try:
            if self._writing:
                self._db.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # What cannot be rolled back here is by whoever opens the file next.
        self._writing = False
        self._db.close()

    # Documents.

    def admit(self, document: Document, *, digest: bytes | None = None, may_repeat: bool = True) -> Entry:
        """Look a document up, or take it in; it is then expected to end.

        One that is `done` or `failed` is not; one that has changed (by `digest` where there are two to compare, else by
        size and time of change) is `new` again. One that cannot be asked any more has not changed: what was made of it
        may be all that is left. With `may_repeat` it is noted that it was met, which costs a write.
        """
        path = os.fsencode(document.relative)
        with self._errors("written"):
            # Also to read: outside of a transaction each look-up would lock the file and check it for changes.
            self._begin()
            row = self._db.execute(
                "SELECT id, run, size, mtime_ns, digest, single, paged, state, beyond, done, failed FROM documents"
                " WHERE path = ?",
                (path,),
            ).fetchone()
            if row is None:
                return self._insert(document, path, digest)
            identity, run, size, mtime_ns, kept, single, paged, state, beyond, done, failed = row
            name = _name_of(document.relative, single, paged)
            if run == self.run:
                return Entry(id=identity, state="repeated", name=name)
            if digest is not None and kept is not None:
                changed = digest != kept
            else:
                changed = document.is_known and (size, mtime_ns) != (document.size, document.mtime_ns)
            if changed:
                self._forget(identity)
                # Its lines that are already in shards of earlier runs do not count any more.
                self._db.execute("INSERT OR REPLACE INTO stale VALUES (?, ?)", (path, self.run))
                self._db.execute(
                    "UPDATE documents SET run = ?, size = ?, mtime_ns = ?, digest = ?, state = ?, pages = NULL,"
                    " beyond = 0, done = 0, failed = 0 WHERE path = ?",
                    (self.run, document.size, document.mtime_ns, digest, _OPEN, path),
                )
                self._open[identity] = _Open(path, document.path, None, 0, 0)
                return Entry(id=identity, state="new", name=name, stale_pages=beyond)
            if digest is not None and kept is None:
                self._db.execute("UPDATE documents SET digest = ? WHERE path = ?", (digest, path))
            if may_repeat or state == _OPEN:
                self._db.execute("UPDATE documents SET run = ? WHERE path = ?", (self.run, path))
            return self._known(document, path, identity, name, state, done, failed)

    def _known(
        self, document: Document, path: bytes, identity: int, name: OutputName, state: int, done: int, failed: int
    ) -> Entry:
        if state != _DONE:
            self._db.execute("UPDATE failures SET run = ? WHERE document = ?", (self.run, identity))
        if state != _OPEN:
            word: State = "done" if state == _DONE else "failed"
            return Entry(id=identity, state=word, name=name, done_pages=done, failed_pages=failed)
        return self._reopen(document, path, identity, name)

    def forget_failures(self, document: Document, entry: Entry) -> Entry:
        """Expect the failed pages of a document once more; its other pages stay done."""
        path = os.fsencode(document.relative)
        with self._errors("written"):
            self._begin()
            self._db.execute("DELETE FROM failures WHERE document = ?", (entry.id,))
            self._db.execute("UPDATE documents SET state = ?, failed = 0 WHERE path = ?", (_OPEN, path))
            return self._reopen(document, path, entry.id, entry.name)

    def _reopen(self, document: Document, path: bytes, identity: int, name: OutputName) -> Entry:
        """A document some of whose pages may have ended."""
        done = [page for (page,) in self._db.execute("SELECT page FROM pages WHERE document = ?", (identity,))]
        failed = [
            page
            for (page,) in self._db.execute(
                "SELECT page FROM failures WHERE document = ? AND page >= 0", (identity,)
            )
        ]  # fmt: skip
        self._open[identity] = _Open(path, document.path, None, len(done), len(failed))
        return Entry(
            id=identity,
            state="open",
            name=name,
            done=merged([(page, page + 1) for page in (*done, *failed)]),
            done_pages=len(done),
            failed_pages=len(failed),
        )

    def _insert(self, document: Document, path: bytes, digest: bytes | None) -> Entry:
        """Take a document in under a name that no other has, whichever documents there were in earlier runs."""
        name = document.name()
        if not self._claim(name):
            name = hashed_name(name, document.relative)
        identity = self._next_id
        self._next_id += 1
        single, paged = _kept(name, document.relative)
        self._db.execute(
            "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, 0, 0, 0)",
            (path, identity, self.run, document.size, document.mtime_ns, digest, single, paged, _OPEN),
        )
        self._open[identity] = _Open(path, document.path, None, 0, 0)
        return Entry(id=identity, state="new", name=name)

    def _claim(self, name: OutputName) -> bool:
        """Take what a name takes; False if some of it is another document's. A hashed name takes nothing."""
        claims = Claims.of(name)
        for word in claims.against:
            if self._db.execute("SELECT 1 FROM names WHERE key = ?", (_key_of(word),)).fetchone() is not None:
                return False
        try:
            self._db.executemany("INSERT INTO names VALUES (?)", [(_key_of(word),) for word in claims.own])
        except sqlite3.IntegrityError:
            # What was inserted before the one that is taken stays: a word that nobody has does no harm.
            return False
        for word in claims.pages:
            # The files of a scanner differ in their numbers alone.
            if word != self._claimed_pages:
                self._db.execute("INSERT OR IGNORE INTO names VALUES (?)", (_key_of(word),))
                self._claimed_pages = word
        return True

    def _forget(self, identity: int) -> None:
        self._db.execute("DELETE FROM pages WHERE document = ?", (identity,))
        self._db.execute("DELETE FROM failures WHERE document = ?", (identity,))

    # What becomes of documents.

    def expanded(self, identity: int, pages: int, *, beyond: int) -> None:
        """A document has so many pages in all that are to be done, those of earlier runs included.

        `beyond`: index after the last of them (0-based).
        """
        state = self._open[identity]
        state.pages = pages
        with self._errors("written"):
            self._begin()
            self._db.execute(
                "UPDATE documents SET pages = ?, beyond = max(beyond, ?) WHERE path = ?", (pages, beyond, state.path)
            )
            self._close_if_over(identity, state)

    def page_done(self, identity: int, page: int | None, *, line: Line | None = None) -> None:
        """The files of a page are in place; `page` is None for the only one of a document."""
        state = self._open[identity]
        with self._errors("written"):
            self._begin()
            if line is not None:
                self._shards[line.shard] = max(line.end, self._shards.get(line.shard, 0))
            state.done += 1
            if page is None:
                state.pages = state.done + state.failed
            else:
                self._db.execute("INSERT OR REPLACE INTO pages VALUES (?, ?)", (identity, page))
            self._close_if_over(identity, state)

    def page_failed(self, identity: int, page: int | None, failure: Failure) -> None:
        """A page has failed for good, or the document if `page` is None."""
        state = self._open[identity]
        with self._errors("written"):
            self._begin()
            row = FailureRow.of(state.name, page, failure)
            self._db.execute(
                "INSERT OR REPLACE INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (identity, _WHOLE if page is None else page, self.run, row.input, row.category, row.message, row.detail,
                 row.attempts, row.slot, row.signal),
            )  # fmt: skip
            state.failed += 1
            if page is None:
                state.pages = state.done + state.failed
            self._close_if_over(identity, state)

    def _close_if_over(self, identity: int, state: _Open) -> None:
        if state.pages is None or state.done + state.failed < state.pages:
            return
        self._db.execute(
            "UPDATE documents SET state = ?, pages = ?, beyond = max(beyond, 1), done = ?, failed = ? WHERE path = ?",
            (_FAILED if state.failed else _DONE, state.pages, state.done, state.failed, state.path),
        )
        if not state.failed:
            self._db.execute("DELETE FROM pages WHERE document = ?", (identity,))
        del self._open[identity]

    # Aggregated lines.

    def shards(self) -> dict[str, Shard]:
        """How far each file of lines counts, by name."""
        with self._errors("read"):
            rows = self._db.execute("SELECT name, run, folder, working, size FROM shards ORDER BY name").fetchall()
        return {
            name: Shard(run=run, folder=os.fsdecode(folder), working=os.fsdecode(working), size=size)
            for name, run, folder, working, size in rows
        }

    def stale(self) -> dict[str, int]:
        """Documents whose lines from before a run do not count any more: relative path and that run."""
        with self._errors("read"):
            return {os.fsdecode(path): run for path, run in self._db.execute("SELECT path, run FROM stale")}

    def replace_shard(self, name: str, by: str, size: int) -> None:
        """Another file holds the lines of this one that count."""
        with self._errors("written"):
            self._begin()
            self._db.execute("UPDATE shards SET name = ?, size = ? WHERE name = ?", (by, size, name))

    def stale_dropped(self) -> None:
        """No shard holds lines of stale documents any more."""
        with self._errors("written"):
            self._begin()
            self._db.execute("DELETE FROM stale")

    # Reading.

    def failures(self, *, met: bool = False) -> Iterator[FailureRow]:
        """All failures, in the order of documents as they were first met, pages ascending.

        `met`: of documents that were met in this run, and not of those that are not there any more.
        """
        with self._errors("read"):
            rows = self._db.execute(
                "SELECT input, page, category, message, detail, attempts, slot, signal FROM failures"
                " WHERE run >= ? ORDER BY document, page",
                (self.run if met else 0,),
            )
            for name, page, category, message, detail, attempts, slot, number in rows:
                yield FailureRow(
                    input=name, page_index=None if page == _WHOLE else page, category=category, message=message,
                    detail=detail, attempts=attempts, slot=slot, signal=number,
                )  # fmt: skip

    def outputs(self) -> Iterator[tuple[OutputName, int]]:
        """Each document's name, and of how many pages, counted from the first, there may be files."""
        with self._errors("read"):
            for path, single, paged, beyond in self._db.execute("SELECT path, single, paged, beyond FROM documents"):
                yield _name_of(os.fsdecode(path), single, paged), beyond


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A file of aggregated lines."""

    run: int
    """In which it was written."""
    folder: str
    """The input folder as it was given then: what the paths in its lines begin with."""
    working: str
    """The working directory, to which those paths are relative if they are."""
    size: int
    """Bytes that count."""


def _plain(relative: str) -> str:
    """What most documents' files are called."""
    return split_suffix(relative)[0].replace(os.sep, "/")


def _kept(name: OutputName, relative: str) -> tuple[str | None, str | None]:
    """A name as the journal keeps it: nothing but what cannot be told from the path. No output begins with `/`."""
    single = None if name.single == _plain(relative) else name.single
    if name.paged == name.single:
        return single, None
    if name.paged.startswith(f"{name.single}~"):
        return single, name.paged.removeprefix(name.single)
    return single, f"/{name.paged}"


def _name_of(relative: str, single: str | None, paged: str | None) -> OutputName:
    """The inverse of `_kept`."""
    single = _plain(relative) if single is None else single
    if paged is None:
        return OutputName(single=single, paged=single)
    return OutputName(single=single, paged=paged[1:] if paged.startswith("/") else single + paged)


def _key_of(word: str) -> int:
    """Sixty-four bits that stand for a word. Two words with the same make a name longer than it need be, no more."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big", signed=True)


def _working_directory() -> str:
    try:
        return os.getcwd()  # noqa: PTH109
    except OSError:
        return ""


def _text(text: str) -> str:
    """As SQLite can hold it: undecodable bytes of a file name are lone surrogates, which UTF-8 has not."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


@contextmanager
def known_names(path: Path) -> Iterator[Callable[[str], OutputName | None]]:
    """While entered, tells what the outputs of a document are called, by its relative path; None if nobody named it.

    Reads without writing; of a journal that is not there or cannot be read so it knows no names.
    """
    query = "SELECT single, paged FROM documents WHERE path = ?"
    try:
        db = sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True, check_same_thread=False)
    except sqlite3.Error:
        yield lambda _: None
        return

    def name_of(relative: str) -> OutputName | None:
        try:
            row = db.execute(query, (os.fsencode(relative),)).fetchone()
        except sqlite3.Error:
            return None
        return None if row is None else _name_of(relative, *row)

    try:
        yield name_of
    finally:
        db.close()
