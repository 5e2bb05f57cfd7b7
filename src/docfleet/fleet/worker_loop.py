"""What a worker process does between Ready and its end: three steps of different tasks at the same time.

      receiver               reader                 main thread                   writer
      Assign, Recall --> Belt --read_one--> Belt --compute_all--> values queue --write_one--> Finished
      Stop                    |                     |
                        Reading(17)           Computing([17, 18])                 Sample, now and then
                        before it             before it, Writing([17, 18]) after it

Compute runs in the main thread: native libraries are used to that. The reader stops with two batches waiting to be
computed, the main thread with one waiting to be written; the scheduler's credits allow fewer.

An announcement is on the wire before the step begins. If the step kills the process, the parent knows which tasks may
have done it.
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

Note = Read | Finished | Recalled


class WorkerLoop:
    """Runs one Worker over what arrives on the worker's end of its channel."""

    def __init__(self, worker: Worker, end: SharedEnd[ToWorker]) -> None:
        self._worker = worker
        self._end = end
        self._belt: Belt[Note] = Belt()
        self._values: queue.Queue[list[tuple[Ticketed, Any]] | None] = queue.Queue(maxsize=1)
        self._clocks = {"read": StageClock(), "compute": StageClock(), "write": StageClock()}
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
        while True:
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
            self._belt.wait_for_room()
            clock.switch("starved")

    def _read_batch(self) -> list[Note]:
        """Read onto the belt; returns what is still to be said. Nothing is kept here: a page image may be 26 MB."""
        notes: list[Note] = []
        while (ticketed := self._belt.take()) is not None:
            ticket, task = ticketed
            self._end.send(*notes, Reading(ticket))
            item, ended = read_one(self._worker, task)
            if ended is None:
                kept, answers = self._belt.keep(ticketed, item)
                notes = [Read(ticket)] if kept else []
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
            self._end.send(*notes, Computing(tickets))
            try:
                values = compute_all(self._worker, items)
            except MemoryError:
                del items
                self._end.send(BatchMemory(tickets))
            else:
                del items
                clock.switch("blocked")
                self._end.send(Writing(tickets))
                self._values.put(list(zip(ticketed, values, strict=True)))
                del values
            del ticketed
            clock.switch("starved")
        self._values.put(None)

    def _write(self) -> None:
        clock = self._clocks["write"]
        while (batch := self._values.get()) is not None:
            clock.switch("busy")
            self._write_batch(batch)
            del batch
            clock.switch("starved")
        self._end.send(self._sample())

    def _write_batch(self, batch: list[tuple[Ticketed, Any]]) -> None:
        finished: list[Finished | Sample] = []
        since = time.monotonic()
        batch.reverse()
        while batch and not self._belt.stopped:
            (ticket, task), value = batch.pop()
            finished.append(_finished(ticket, write_one(self._worker, task, value)))
            del value
            if time.monotonic() - since > _HOLD_S:
                self._send_finished(finished)
                finished, since = [], time.monotonic()
        if time.monotonic() - self._sampled > _SAMPLE_S:
            finished.append(self._sample())
        self._send_finished(finished)

    def _send_finished(self, messages: list[Finished | Sample]) -> None:
        if messages:
            self._clocks["write"].switch("blocked")
            self._end.send_each(messages)
            self._clocks["write"].switch("busy")

    def _sample(self) -> Sample:
        self._sampled = time.monotonic()
        return Sample(resident_bytes(), {name: clock.seconds() for name, clock in self._clocks.items()})


def _finished(ticket: int, attempt: Outcome | Expanded) -> Finished:
    """An outcome that cannot travel becomes a failure that names the place."""
    try:
        return finished_message(ticket, attempt)
    except TypeError as error:
        return finished_message(ticket, Failed(failure_of(error)))
