"""An iterator that is run ahead in a thread, so that whoever takes from it never waits long.

      thread: next(documents), next(documents), ...  --lists of some--> queue --> one by one, or None for "not yet"

A folder on a slow disk and a list that comes through a pipe may take as long as they like: meanwhile the job goes on
with what there is, shows how it is doing, and hears Ctrl-C.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_TOGETHER = 64
_AHEAD = 64
"""Lists in the queue: some thousand items."""
_HOLD_S = 0.01
"""What has been found is handed on after so long, however little it is."""
_NOT_YET_S = 0.05


class Ahead(Generic[T]):
    """Items of an iterator, which is advanced in a thread of its own from now on and touched by nobody else.

    `close` ends the thread once the iterator lets go of it; it does not keep the program from ending.
    """

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.Queue[list[T] | BaseException | None] = queue.Queue(maxsize=_AHEAD)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="docfleet-listing", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[T | None]:
        """The items; None whenever there is none yet. Raises what the iterator raised, after what came before it."""
        while True:
            try:
                found = self._queue.get(timeout=_NOT_YET_S)
            except queue.Empty:
                yield None
                continue
            if found is None:
                return
            if isinstance(found, BaseException):
                raise found
            yield from found

    def close(self) -> None:
        """No more items are wanted. Idempotent."""
        self._closed.set()

    def _run(self) -> None:
        end: BaseException | None = None
        try:
            together: list[T] = []
            since = time.monotonic()
            for item in self._items:
                together.append(item)
                if len(together) == _TOGETHER or time.monotonic() - since > _HOLD_S or self._queue.empty():
                    if not self._put(together):
                        return
                    together, since = [], time.monotonic()
            self._put(together)
        except Exception as error:  # noqa: BLE001 - raised again where the items are taken
            end = error
        self._put(end)

    def _put(self, found: list[T] | BaseException | None) -> bool:
        """False once nobody takes any more."""
        while not self._closed.is_set():
            try:
                self._queue.put(found, timeout=_NOT_YET_S)
            except queue.Full:
                continue
            return True
        return False
