"""The books of a job balance at every moment, whatever happens, also when what happened is taken back."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from docfleet.batch.ledger import Ledger, OpenDocument
from docfleet.report.view import Tally


class LedgerMachine(RuleBasedStateMachine):
    """A run as the ledger sees it, beside books that are kept by listing every page."""

    def __init__(self) -> None:
        super().__init__()
        self.begin()

    def begin(self) -> None:
        self.ledger = Ledger()
        self.next_key = 0
        self.left: dict[int, int | None] = {}
        """By key, pages that have not ended; None until it is known."""
        self.earlier: dict[int, tuple[int, int]] = {}
        self.ended: list[tuple[int, bool]] = []
        """Pages that ended in this run: key, and whether it failed."""
        self.ended_earlier = [0, 0]
        self.committed = 0
        """How many of `ended` stay so."""
        self.before: dict[int, int | None] = {}
        """`left`, as it was when that was committed."""

    @rule(done=st.integers(0, 5), failed=st.integers(0, 2))
    def find_one_that_ended(self, done: int, failed: int) -> None:
        self.ledger.ended_earlier(done=done, failed=failed)
        self.ended_earlier[failed > 0] += 1
        self.earlier[-len(self.earlier) - 1] = done, failed

    @rule(done=st.integers(0, 3), failed=st.integers(0, 2))
    def hand_out(self, done: int, failed: int) -> None:
        self.ledger.hand_out(self.next_key, OpenDocument(id=self.next_key, path="x"), done=done, failed=failed)
        self.earlier[self.next_key] = done, failed
        self.left[self.next_key] = self.before[self.next_key] = None
        self.next_key += 1

    @precondition(lambda self: None in self.left.values())
    @rule(data=st.data(), pages=st.integers(0, 3))
    def expand(self, data: st.DataObject, pages: int) -> None:
        key = data.draw(st.sampled_from([key for key, left in self.left.items() if left is None]))
        document = self.ledger.expand(key, pages)
        assert document.known == sum(self.earlier[key]) + pages
        self.left[key] = pages

    @precondition(lambda self: any(left != 0 for left in self.left.values()))
    @rule(data=st.data(), failed=st.booleans())
    def end_page(self, data: st.DataObject, failed: bool) -> None:
        key = data.draw(st.sampled_from([key for key, left in self.left.items() if left != 0]))
        self.ledger.end_page(key, failed=failed)
        self.ended.append((key, failed))
        self.left[key] = (self.left[key] or 1) - 1

    @rule()
    def commit(self) -> None:
        closed = {key for key, left in self.left.items() if left == 0}
        told = {document.id for document in self.ledger.commit()}
        assert told == {key for key in closed if self.before.get(key, 0) != 0}
        self.committed = len(self.ended)
        self.before = dict(self.left)

    @rule()
    def take_back(self) -> None:
        """The last thing that a job does with its books."""
        lost = self.ended[self.committed :]
        self.ledger.roll_back()
        del self.ended[self.committed :]
        reopened = {key for key, left in self.left.items() if left == 0 and self.before[key] != 0}
        assert reopened <= self.ledger.open.keys()
        self.the_books_balance()
        assert self.ledger.page_tally().remaining >= len(lost)
        self.begin()

    @invariant()
    def the_books_balance(self) -> None:
        pages, documents = self.ledger.page_tally(), self.ledger.document_tally(skipped=3)
        assert pages.balanced
        assert documents.balanced
        done_earlier = sum(done for done, _ in self.earlier.values())
        failed_earlier = sum(failed for _, failed in self.earlier.values())
        assert pages.done == done_earlier + sum(not failed for _, failed in self.ended)
        assert pages.failed == failed_earlier + sum(failed for _, failed in self.ended)
        assert pages.remaining >= 0
        assert documents.found == self.next_key + sum(self.ended_earlier) + 3
        counted = self.ledger.pages
        assert (counted.done_earlier, counted.failed_earlier) == (done_earlier, failed_earlier)

    @invariant()
    def documents_end_with_their_last_page(self) -> None:
        ended = {key for key, left in self.left.items() if left == 0}
        assert self.ledger.open.keys() == self.left.keys() - ended
        failed = {key for key, failed in self.ended if failed} | {key for key, (_, bad) in self.earlier.items() if bad}
        tally = self.ledger.document_tally(skipped=0)
        assert tally.remaining == len(self.left) - len(ended)
        assert tally.failed == len(ended & failed) + self.ended_earlier[True]
        assert tally.done == len(ended - failed) + self.ended_earlier[False]


TestLedger = LedgerMachine.TestCase
TestLedger.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)


@given(pages=st.integers(1, 6), failed=st.sets(st.integers(0, 5)))
def test_at_the_end_nothing_remains(pages: int, failed: set[int]) -> None:
    ledger = Ledger()
    ledger.hand_out(0, OpenDocument(id=7, path="x"), done=0, failed=0)
    ledger.expand(0, pages)
    for page in range(pages):
        assert ledger.page_tally().remaining == pages - page
        ledger.end_page(0, failed=page in failed)
    bad = len(failed & set(range(pages)))
    assert ledger.page_tally() == Tally(found=pages, done=pages - bad, failed=bad, skipped=0, remaining=0)
    assert ledger.document_tally(skipped=0) == Tally(found=1, done=not bad, failed=bool(bad), skipped=0, remaining=0)
    assert [document.id for document in ledger.commit()] == [7]


def test_a_document_that_cannot_be_opened_again_is_one_more_page_that_failed() -> None:
    ledger = Ledger()
    ledger.hand_out(0, OpenDocument(id=1, path="x"), done=4, failed=0)
    ledger.end_page(0, failed=True)
    assert ledger.page_tally() == Tally(found=5, done=4, failed=1, skipped=0, remaining=0)
    assert ledger.document_tally(skipped=0).failed == 1
