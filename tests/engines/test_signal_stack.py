import ctypes
import sys
from collections.abc import Iterator

import pytest

from docfleet.engines.signal_stack import _Stack, kept_signal_stack

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux's layout of it is known")
DISABLED = 2


def put(stack: _Stack | None = None) -> _Stack:
    """Put `stack` in place; what was there."""
    before = _Stack()
    assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack) if stack else None, ctypes.byref(before)) == 0
    return before


def now() -> tuple[int | None, int, int]:
    stack = put()
    return stack.start, stack.flags, stack.size


@pytest.fixture
def room() -> Iterator[_Stack]:
    memory = ctypes.create_string_buffer(1 << 16)
    before = put()
    yield _Stack(ctypes.addressof(memory), 0, len(memory))
    put(before)


def test_a_stack_is_put_back(room: _Stack) -> None:
    before = now()
    with kept_signal_stack():
        put(room)
        assert now() == (room.start, 0, 1 << 16)
    assert now() == before


def test_none_is_put_back(room: _Stack) -> None:
    put(_Stack(None, DISABLED, 0))
    with kept_signal_stack():
        put(room)
    assert now()[1] == DISABLED


def test_it_is_put_back_after_an_error(room: _Stack) -> None:
    before = now()
    with pytest.raises(KeyError), kept_signal_stack():
        put(room)
        raise KeyError
    assert now() == before
