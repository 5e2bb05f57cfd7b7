"""From documents to tasks, past what earlier runs have done; with a real journal and real files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from docfleet.batch import intake as intake_module
from docfleet.batch.intake import Intake, digest_of
from docfleet.batch.journal import Journal
from docfleet.batch.ledger import Ledger
from docfleet.batch.listing import Document, Listing
from docfleet.batch.names import OutputName
from docfleet.batch.selection import PageSelection
from docfleet.documents.sources import Source
from docfleet.fleet.tasks import Category, Failure, Task

FAILURE = Failure(Category.INPUT, "bad")


class Job:
    """Runs over the files of a folder; what is done of a task is said by the test."""

    def __init__(self, root: Path) -> None:
        self.input = root / "in"
        self.input.mkdir()
        self.place = root / "journal.sqlite"
        self.removed: list[tuple[str, int]] = []

    def begin(self, *lines: str, **options: Any) -> Intake:
        self.journal = Journal(self.place)
        self.ledger = Ledger()
        documents = Listing(str(self.input)).listed(lines) if lines else Listing(str(self.input)).matches("*")
        given: dict[str, Any] = {"settings": {"lang": "en"}, "pages": None, "retry_failed": False, "by_content": False}
        return Intake(
            documents, journal=self.journal, ledger=self.ledger, remove_outputs=self._remove, **{**given, **options}
        )  # fmt: skip

    def _remove(self, name: OutputName, pages: int) -> None:
        self.removed.append((name.single, pages))

    def end(self) -> None:
        self.journal.commit()
        self.journal.close()

    def write(self, name: str, content: bytes = b"x") -> Path:
        path = self.input / name
        path.write_bytes(content)
        return path

    def do(self, task: Task, *, failed: bool = False) -> None:
        """The task was one page, and this became of it."""
        document = self.ledger.end_page(task.key[0], failed=failed)
        if failed:
            self.journal.page_failed(document.id, None, FAILURE)
        else:
            self.journal.page_done(document.id, None)

    def begin_document(self, task: Task, parts: list[int], *, done: list[int], failed: list[int]) -> None:
        """The task was a document; these of its pages ended."""
        document = self.ledger.expand(task.key[0], len(parts))
        self.journal.expanded(document.id, document.known, beyond=parts[-1] + 1)
        for page in done + failed:
            self.ledger.end_page(task.key[0], failed=page in failed)
        for page in done:
            self.journal.page_done(document.id, page)
        for page in failed:
            self.journal.page_failed(document.id, page, FAILURE)


@pytest.fixture
def job(tmp_path: Path) -> Iterator[Job]:
    job = Job(tmp_path)
    yield job
    job.journal.close()


def tasks_of(intake: Intake) -> dict[str, Task]:
    """By name; keys ascend from 0."""
    found = [task for task in intake if task is not None]
    assert [task.key for task in found] == [(number,) for number in range(len(found))]
    assert intake.exhausted
    return {Path(Source.from_payload(task.payload["source"]).input_path or "").name: task for task in found}


def test_a_new_document_is_a_task_that_says_all_its_worker_needs(job: Job) -> None:
    path = job.write("a.png", b"content")
    intake = job.begin(pages=PageSelection.parse("2-3"))
    assert not intake.exhausted
    [task] = tasks_of(intake).values()
    assert task.payload == {
        "source": {"path": str(path)},
        "settings": {"lang": "en"},
        "single": "a",
        "paged": "a~png",
        "pages": [[1, 3]],
        "done": [],
        "stat": [7, path.stat().st_mtime_ns],
    }
    assert (job.ledger.found, job.ledger.pages_found) == (1, 1)


def test_what_earlier_runs_ended_is_counted_and_not_handed_out(job: Job) -> None:
    for name in ("a.png", "b.png", "c.png"):
        job.write(name)
    tasks = tasks_of(job.begin())
    job.do(tasks["a.png"])
    job.do(tasks["b.png"], failed=True)
    job.end()
    assert tasks_of(job.begin()).keys() == {"c.png"}
    pages = job.ledger.page_tally()
    assert (pages.found, pages.done, pages.failed, pages.remaining) == (3, 1, 1, 1)
    job.end()
    assert tasks_of(job.begin(retry_failed=True)).keys() == {"b.png", "c.png"}
    assert job.ledger.documents.done_earlier == 1


def test_a_document_goes_on_where_it_was(job: Job) -> None:
    job.write("a.pdf")
    task = tasks_of(job.begin())["a.pdf"]
    job.begin_document(task, [0, 1, 2, 3, 4], done=[0, 1], failed=[3])
    job.end()
    assert tasks_of(job.begin())["a.pdf"].payload["done"] == [[0, 2], [3, 4]]
    assert job.ledger.page_tally().done == 2
    assert job.ledger.page_tally().failed == 1
    job.end()
    assert tasks_of(job.begin(retry_failed=True))["a.pdf"].payload["done"] == [[0, 2]]
    assert job.ledger.page_tally().failed == 0


def test_a_changed_document_is_new_and_its_outputs_are_removed(job: Job) -> None:
    job.write("a.pdf")
    job.write("b.png")
    tasks = tasks_of(job.begin())
    job.begin_document(tasks["a.pdf"], [0, 1, 2], done=[0, 1, 2], failed=[])
    job.do(tasks["b.png"])
    job.end()
    job.write("a.pdf", b"something else")
    [task] = tasks_of(job.begin()).values()
    assert task.payload["done"] == []
    assert job.removed == [("a", 3)]
    assert job.ledger.page_tally().done == 1


def test_a_document_that_is_gone_keeps_what_was_made_of_it(job: Job) -> None:
    job.write("a.png")
    job.do(tasks_of(job.begin("a.png"))["a.png"])
    job.end()
    (job.input / "a.png").unlink()
    assert tasks_of(job.begin("a.png")) == {}
    assert job.removed == []
    assert job.ledger.page_tally().done == 1


def test_by_content_a_touched_document_is_the_same(job: Job) -> None:
    same, other = job.write("same.png", b"1"), job.write("other.png", b"1")
    for task in tasks_of(job.begin(by_content=True)).values():
        job.do(task)
    job.end()
    info = other.stat()
    other.write_bytes(b"2")
    os.utime(other, ns=(info.st_atime_ns, info.st_mtime_ns))
    os.utime(same, ns=(1, 1))
    assert tasks_of(job.begin(by_content=True)).keys() == {"other.png"}


def test_what_is_named_twice_is_done_once(job: Job) -> None:
    job.write("a.png")
    job.write("b.png")
    assert tasks_of(job.begin("a.png", "b.png", "./a.png", ".")).keys() == {"a.png", "b.png"}
    assert job.ledger.found == 2


def test_a_problem_travels_to_the_worker_that_will_say_it(job: Job, tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    [task] = tasks_of(job.begin(str(tmp_path / "far"))).values()
    assert "is a folder outside" in task.payload["source"]["error"]
    assert task.payload["stat"] is None


def test_control_comes_back_while_nothing_is_to_be_done(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        job.write(f"{number}.png")
    for task in tasks_of(job.begin()).values():
        job.do(task)
    job.end()
    monkeypatch.setattr(intake_module, "_PAUSE_S", -1.0)
    assert list(job.begin()) == [None] * 5
    job.end()
    job.journal, job.ledger = Journal(job.place), Ledger()
    waiting: list[Document | None] = [None, None]
    intake = Intake(
        waiting, journal=job.journal, ledger=job.ledger, settings={}, pages=None, retry_failed=False, by_content=False
    )  # fmt: skip
    assert list(intake) == [None, None]


def test_a_digest_is_of_the_content(tmp_path: Path) -> None:
    for name, content in (("a", b"x" * 3_000_000), ("b", b"x" * 3_000_000), ("c", b"y")):
        (tmp_path / name).write_bytes(content)
    one, same, other = (digest_of(str(tmp_path / name)) for name in "abc")
    assert one == same != other
    assert len(one or b"") == 16
    assert digest_of(str(tmp_path / "missing")) is None
    assert digest_of("null\0byte") is None
    assert digest_of(str(tmp_path)) is None
