"""What a worker process does between Ready and its end: three steps of different tasks at the same time.

      receiver               reader                 main thread                   writer
      Assign, Recall --> Belt --read_one--> Belt --compute_all--> values queue --write_one--> Finished
      Stop                    |                     |
                        Reading(17)           Computing([17, 18])                 Sample, now and then
                        before it             before it, Writing([17, 18]) after it

Compute runs in the main thread: native libraries are used to that. The reader stops with two batches waiting to be
computed, unless they are quick to read. The scheduler's credits bound that, and what waits to be written.

A step is announced before it begins. If it kills the process, the parent knows which tasks may have done it. The
announcement is a message; or, for a step of one task that follows a quick one, a mark on the board (see `board`): then
the writer tells of the page when it is finished, and of several pages at a time if they are there. That saves four
messages of five, and both sides most of the times that they wake each other up.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from docfleet.fleet.belt import Belt, Ticketed
from docfleet.fleet.board import Board, Stage, Steps
from docfleet.fleet.channel import SharedEnd
from docfleet.fleet.hardware import resident_bytes
from docfleet.fleet.messages import (
    Assign,
    BatchMemory,
    Computing,
    Fault,
    Finished,
    Read,
    Reading,
    Recall,
    Recalled,
    Sample,
    Stop,
    ToWorker,
    Writing,
    finished_message,
)
from docfleet.fleet.statistics import StageClock
from docfleet.fleet.tasks import Expanded, Failed, Outcome, failure_of
from docfleet.fleet.worker import Worker, compute_all, read_one, write_one

BROKEN = 70
"""Exit status after a Fault message."""

_SAMPLE_S = 0.25
_HOLD_S = 0.02
"""Finished tasks of one batch are sent together, unless the first of them would wait longer than this."""
_HOLD_QUICK_S = 0.0005
"""So are those of several batches whose steps are all quick, as long as there is a further one to be written."""

_ROOM = 1
_QUICK_ROOM = 8
"""Batches that may wait to be computed when the reader begins with a further one. What is read in no time is small, and
those threads would do nothing but wake each other up."""

Note = Reading | Read | Finished | Recalled
Computed = tuple[list[tuple[Ticketed, Any]], bool]
"""A batch with its values, and whether all of its steps so far were announced on the board alone."""


class WorkerLoop:
    """Runs one Worker over what arrives on the worker's end of its channel."""

    def __init__(self, worker: Worker, end: SharedEnd[ToWorker], board: Board | None) -> None:
        self._worker = worker
        self._end = end
        self._belt: Belt[Note] = Belt()
        self._values: queue.SimpleQueue[Computed | None] = queue.SimpleQueue()
        self._reading, self._computing, self._writing = (Steps(board, stage) for stage in Stage)
        self._clocks = {"read": StageClock(), "compute": StageClock(), "write": StageClock()}
        # The writer's own: what is to be sent, and since when.
        self._finished: list[Computing | Writing | Finished | Sample] = []
        self._finished_since = 0.0
        self._sampled = time.monotonic()

    def run(self) -> None:
        """Returns after a Stop, when the steps under way are finished and the worker is closed."""
        writer = self._thread(self._write, "writer")
        reader = self._thread(self._read, "reader")
        self._thread(self._receive, "receiver")
        self._guarded(self._compute)
        writer.join()
        reader.join()
        self._guarded(self._worker.close)

    def _thread(self, target: Callable[[], None], name: str) -> threading.Thread:
        thread = threading.Thread(target=self._guarded, args=(target,), name=f"docfleet-{name}", daemon=True)
        thread.start()
        return thread

    def _guarded(self, target: Callable[[], None]) -> None:
        """Whatever escapes a stage is a bug of the worker, or its sys.exit: say so and go; the parent replaces us."""
        try:
            target()
        except BaseException as error:  # noqa: BLE001 - the process ends here, with the error sent
            self._die(error)

    def _die(self, error: BaseException) -> NoReturn:
        # If the error is that the parent is gone, telling it fails too: then it is time to go all the more.
        try:
            self._end.send(Fault("".join(traceback.format_exception(error))))
            sys.stdout.flush()
        finally:
            os._exit(BROKEN)

    def _receive(self) -> None:
        while not self._belt.stopped:
            self._obey(self._end.receive())

    def _obey(self, messages: Sequence[ToWorker]) -> None:
        for message in messages:
            match message:
                case Assign(tasks):
                    self._belt.add([(each.ticket, each.task()) for each in tasks])
                case Recall(tickets):
                    taken = self._belt.recall(tickets)
                    if taken is not None:
                        self._end.send(Recalled(taken))
                case Stop():
                    self._belt.stop()
                case _:
                    raise RuntimeError(f"the parent sent {type(message).__name__} to a running worker")

    def _read(self) -> None:
        clock = self._clocks["read"]
        while self._belt.wait():
            clock.switch("busy")
            notes = self._read_batch()
            if not self._belt.offer(notes) and notes:
                self._end.send(*notes)
            clock.switch("blocked")
            self._belt.wait_for_room(_QUICK_ROOM if self._reading.quick else _ROOM)
            clock.switch("starved")

    def _read_batch(self) -> list[Note]:
        """Read onto the belt; returns what is still to be said. Nothing is kept here: a page image may be 26 MB."""
        notes: list[Note] = []
        while (ticketed := self._belt.take()) is not None:
            ticket, task = ticketed
            posted = self._reading.post(ticket)
            if not posted:
                notes.append(Reading(ticket))
            if notes:
                self._end.send(*notes)
            self._reading.begin()
            item, ended = read_one(self._worker, task)
            quick = self._reading.end()
            if ended is None:
                kept, answers = self._belt.keep(ticketed, item)
                notes = [Read(ticket)] if kept and not (posted and quick) else []
            else:
                notes, answers = [_finished(ticket, ended)], self._belt.skip()
            notes += [Recalled(tickets) for tickets in answers]
            del item, ended, task, ticketed
        return notes

    def _compute(self) -> None:
        clock = self._clocks["compute"]
        while True:
            batch, notes = self._belt.take_ready()
            if not batch:
                if notes:
                    self._end.send(*notes)
                if self._belt.stopped:
                    break
                continue
            clock.switch("busy")
            ticketed = [each for each, _ in batch]
            items = [item for _, item in batch]
            del batch
            tickets = [ticket for ticket, _ in ticketed]
            posted = len(tickets) == 1 and not notes and self._computing.post(tickets[0])
            if not posted:
                self._end.send(*notes, Computing(tickets))
            self._computing.begin()
            try:
                values = compute_all(self._worker, items)
            except MemoryError:
                self._computing.end()
                del items
                self._end.send(BatchMemory(tickets))
            else:
                quick = self._computing.end()
                del items
                clock.switch("blocked")
                untold = posted and quick and self._writing.quick
                if not untold:
                    self._end.send(*([Computing(tickets)] if posted else []), Writing(tickets))
                self._values.put((list(zip(ticketed, values, strict=True)), untold))
                del values
            del ticketed
            clock.switch("starved")
        self._values.put(None)

    def _write(self) -> None:
        clock = self._clocks["write"]
        while (computed := self._values.get()) is not None:
            clock.switch("busy")
            batch, untold = computed
            self._write_batch(batch, untold)
            if time.monotonic() - self._sampled > _SAMPLE_S:
                self._tell(self._sample())
            more = untold and self._writing.quick and not self._values.empty()
            self._send_finished(hold=_HOLD_QUICK_S if more else 0)
            clock.switch("starved")
        self._tell(self._sample())
        self._send_finished()

    def _write_batch(self, batch: list[tuple[Ticketed, Any]], untold: bool) -> None:
        batch.reverse()
        while batch and not self._belt.stopped:
            (ticket, task), value = batch.pop()
            if untold and not self._writing.post(ticket):
                # It was quick when this page was computed, and has turned out not to be.
                untold = False
                self._tell(Computing([ticket]))
                self._tell(Writing([ticket]))
                self._send_finished()
            self._writing.begin()
            self._tell(_finished(ticket, write_one(self._worker, task, value), untold))
            self._writing.end()
            del value
            self._send_finished(hold=_HOLD_S)

    def _tell(self, message: Computing | Writing | Finished | Sample) -> None:
        """Send it with what is finished before long."""
        if not self._finished:
            self._finished_since = time.monotonic()
        self._finished.append(message)

    def _send_finished(self, *, hold: float = 0) -> None:
        """Send what is finished, if the first of it has waited for so many seconds."""
        if self._finished and time.monotonic() - self._finished_since >= hold:
            self._clocks["write"].switch("blocked")
            finished, self._finished = self._finished, []
            self._end.send_each(finished)
            self._clocks["write"].switch("busy")

    def _sample(self) -> Sample:
        self._sampled = time.monotonic()
        return Sample(resident_bytes(), {name: clock.seconds() for name, clock in self._clocks.items()})


def _finished(ticket: int, attempt: Outcome | Expanded, untold: bool = False) -> Finished:
    """An outcome that cannot travel becomes a failure that names the place."""
    try:
        return finished_message(ticket, attempt, untold=untold)
    except TypeError as error:
        return finished_message(ticket, Failed(failure_of(error)), untold=untold)
