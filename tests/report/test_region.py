"""The block at the lower end of a terminal: whatever is painted and written above it, a terminal shows just that."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from docfleet.report.region import Region
from tests.report.terminal import Terminal, width_of

WIDTHS = st.integers(8, 40)
_CHARACTERS = st.sampled_from([*"ab .文件é🧾", "e\u0301"])


def _texts(most: int) -> st.SearchStrategy[str]:
    """Text of at most so many cells. No blank at its end: on a terminal that cannot be seen."""

    def fitting(characters: list[str]) -> str:
        return "".join(
            character for end, character in enumerate(characters, 1) if width_of("".join(characters[:end])) <= most
        ).rstrip(" ")

    return st.lists(_CHARACTERS, max_size=most).map(fitting)


class _Shown:
    """A region on a terminal, and what ought to be seen there."""

    def __init__(self, width: int, height: int) -> None:
        self.terminal = Terminal(width, height)
        self.region = Region(self.terminal.write, lambda: self.terminal.width)
        self.notes: list[str] = []
        self.block: list[str] = []

    def paint(self, lines: list[str]) -> None:
        self.region.paint([f"\x1b[1;31m{line}\x1b[0m" for line in lines])
        self.block = lines

    def above(self, note: str) -> None:
        self.region.above(note)
        self.notes.append(note)

    @property
    def expected(self) -> list[str]:
        lines = [*self.notes, *self.block]
        while lines and not lines[-1]:
            lines.pop()
        return lines


@given(st.data())
@settings(deadline=None)
def test_a_terminal_shows_every_note_once_and_the_last_block_below(data: st.DataObject) -> None:
    width = data.draw(WIDTHS)
    shown = _Shown(width, height=6)
    for _ in range(data.draw(st.integers(1, 8))):
        if data.draw(st.booleans()):
            shown.paint(data.draw(st.lists(_texts(width - 1), min_size=1, max_size=5)))
        else:
            shown.above(data.draw(_texts(3 * width)))
        assert shown.terminal.lines == shown.expected


@given(st.data())
@settings(deadline=None)
def test_a_terminal_that_changes_its_width_loses_no_note(data: st.DataObject) -> None:
    shown = _Shown(data.draw(WIDTHS), height=200)
    for _ in range(data.draw(st.integers(1, 8))):
        what = data.draw(st.sampled_from(["paint", "above", "resize"]))
        if what == "resize":
            shown.terminal.resize(data.draw(WIDTHS))
        elif what == "above":
            shown.above(data.draw(_texts(60)))
        else:
            shown.paint(data.draw(st.lists(_texts(shown.terminal.width - 1), min_size=1, max_size=5)))
    # Between a change and the next painting the block may be missing or folded; it is painted five times a second.
    shown.paint(data.draw(st.lists(_texts(shown.terminal.width - 1), min_size=1, max_size=5)))
    assert shown.terminal.lines == shown.expected


def test_a_block_that_is_left_stands() -> None:
    shown = _Shown(20, height=10)
    shown.paint(["one", "two"])
    shown.region.leave()
    shown.region.above("a note")
    shown.region.paint(["three"])
    assert shown.terminal.lines == ["one", "two", "a note", "three"]


def test_what_is_there_already_is_not_written_again() -> None:
    written: list[str] = []
    region = Region(written.append, lambda: 20)
    region.paint(["one", "two"])
    region.paint(["one", "two"])
    assert len(written) == 1


def test_a_frame_is_one_write_of_whole_lines() -> None:
    written: list[str] = []
    region = Region(written.append, lambda: 20)
    region.paint(["one", "two"])
    region.paint(["one", "three"])
    assert written[1] == "\r\x1b[2A\x1b[2Kone\n\x1b[2Kthree\n\x1b[J"
