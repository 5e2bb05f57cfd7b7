"""What waits inside a worker process, and can be recalled.

      receiver                    reader                                main thread
      add --> unread batches --take--> one task in hand --keep--> batch in the making --offer--> ready --take_ready-->

Whatever lies here has not begun to be computed. A recall takes it back wherever it lies; only the task that the reader
has in hand cannot be taken from it, so the answer waits for that. (An answer without it would only be followed by the
next recall, at once, for as long as a slow page takes to read.)
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from docfleet.fleet.tasks import Task

Ticketed = tuple[int, Task]
"""A task, and the number under which the parent knows it here."""
Item = tuple[Ticketed, Any]
"""A task and what its reading gave."""

N = TypeVar("N")


class Belt(Generic[N]):
    """Used by three threads: one adds and recalls, one reads, one computes. `N` is what they send to the parent."""

    def __init__(self) -> None:
        # Guards every field.
        self._changed = threading.Condition()
        self._unread: deque[deque[Ticketed]] = deque()
        # The first batch of `_unread` is being read: the task in hand, and the items it has given so far.
        self._in_hand: int | None = None
        self._made: list[Item] = []
        # What waits to be computed.
        self._ready: deque[list[Item]] = deque()
        # Notes that the main thread sends with its next announcement.
        self._notes: list[N] = []
        self._awaited = False
        # Recalls that wait for the task in hand: what each has got so far, and whether it wants that task too.
        self._recalls: list[tuple[list[int], bool]] = []
        self._stopped = False

    def add(self, batch: Sequence[Ticketed]) -> None:
        """One more batch to read."""
        with self._changed:
            if not self._stopped:
                self._unread.append(deque(batch))
                self._changed.notify_all()

    def stop(self) -> None:
        """Hand out nothing more, and drop what there is."""
        with self._changed:
            self._stopped = True
            self._unread.clear()
            self._ready.clear()
            self._made = []
            self._changed.notify_all()

    @property
    def stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped

    def recall(self, tickets: Sequence[int]) -> list[int] | None:
        """Take back those of `tickets` that lie here; None if the answer has to wait for the task in hand."""
        wanted = set(tickets)
        with self._changed:
            taken = [ticket for batch in self._unread for ticket, _ in batch if ticket in wanted]
            taken += [ticket for batch in (self._made, *self._ready) for (ticket, _), _ in batch if ticket in wanted]
            for index, unread in enumerate(self._unread):
                self._unread[index] = deque(each for each in unread if each[0] not in wanted)
            self._made = [each for each in self._made if each[0][0] not in wanted]
            remaining = ([each for each in batch if each[0][0] not in wanted] for batch in self._ready)
            self._ready = deque(batch for batch in remaining if batch)
            self._changed.notify_all()
            in_hand = self._in_hand in wanted
            if in_hand or self._recalls:
                self._recalls.append((taken, in_hand))
                return None
            return taken

    # For the reader.

    def wait(self) -> bool:
        """Wait until there is a batch to read; False after `stop`."""
        with self._changed:
            self._changed.wait_for(lambda: self._unread or self._stopped)
            return not self._stopped

    def take(self) -> Ticketed | None:
        """The next task of the batch; None at its end, and then `offer` what it has become."""
        with self._changed:
            if not self._unread or not self._unread[0]:
                return None
            ticketed = self._unread[0].popleft()
            self._in_hand = ticketed[0]
            return ticketed

    def keep(self, ticketed: Ticketed, item: Any) -> tuple[bool, list[list[int]]]:
        """The task in hand is read. False if it was recalled meanwhile; and answers to recalls that waited for it."""
        with self._changed:
            recalled = any(wants for _, wants in self._recalls)
            if not recalled and not self._stopped:
                self._made.append((ticketed, item))
            return not recalled, self._answers(ticketed[0])

    def skip(self) -> list[list[int]]:
        """The task in hand has come to its end by being read. Answers to recalls that waited for it."""
        with self._changed:
            return self._answers(None)

    def _answers(self, ticket: int | None) -> list[list[int]]:
        self._in_hand = None
        waiting, self._recalls = self._recalls, []
        answers = [taken for taken, _ in waiting]
        for taken, wants in waiting:
            if wants and ticket is not None:
                taken.append(ticket)
                break
        return answers

    def offer(self, notes: list[N]) -> bool:
        """Give the batch to the main thread. True if that was waiting for it, and sends the notes: two in one frame."""
        with self._changed:
            if self._unread:
                self._unread.popleft()
            batch, self._made = self._made, []
            at_once = bool(batch) and self._awaited and not self._ready
            if batch and not self._stopped:
                self._ready.append(batch)
                if at_once:
                    self._notes = notes
                self._changed.notify_all()
            return at_once and not self._stopped

    def wait_for_room(self, most: int) -> None:
        """Do not read on while more than so many batches wait to be computed."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._ready) <= most or self._stopped)

    # For the main thread.

    def take_ready(self) -> tuple[list[Item], list[N]]:
        """Wait for a batch that is read, and for notes to send. Both may be empty; the first is after `stop`."""
        with self._changed:
            self._awaited = True
            # A note has to be sent even if the batch that it came with was recalled in between.
            self._changed.wait_for(lambda: self._ready or self._notes or self._stopped)
            self._awaited = False
            batch = self._ready.popleft() if self._ready else []
            notes, self._notes = self._notes, []
            self._changed.notify_all()
            return batch, notes
