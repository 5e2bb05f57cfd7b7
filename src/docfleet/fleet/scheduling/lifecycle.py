"""The life of slots: starting, replacing and giving up their workers.

      Start --> starting --worker_ready--> ready --worker_died--> Start again, with a new number
                  |                          |--recycle--> Start a spare; when that is ready the old one drains: Stop
                  |--worker_unable--> retired
                  +--worker_died (3 times in a row)--> retired

A slot is retired when it cannot start, and when dying is all it does:

  * three deaths in a row before it was ready;
  * three deaths with nothing under suspicion, without finishing a task in between;
  * three tasks that ended its worker while alone in it were finished by other slots, and it has finished nothing since;
  * it has never finished anything, and died of suspects so often that three tasks one after another should have been
    convicted: `3 * (max_attempts + log2(batch))`.

A slot that has finished something is not retired because of tasks that kill: they are bounded by their attempts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from docfleet.fleet import devices
from docfleet.fleet.scheduling.commands import Command, Retired, Start, Stop
from docfleet.fleet.scheduling.dispatch import Dispatch
from docfleet.fleet.scheduling.slots import Slot, Worker
from docfleet.fleet.scheduling.suspicion import Death

_PATIENCE = 3
"""Two of anything may be chance: the page, or whoever else uses the machine."""


class Lifecycle:
    """All slots and their workers."""

    def __init__(
        self,
        slots: Iterable[devices.Slot],
        *,
        read_ahead: int,
        out: list[Command],
        dispatch: Dispatch,
        none_left: Callable[[], None],
    ) -> None:
        self._out = out
        self._dispatch = dispatch
        self._none_left = none_left
        self._started = 0
        self.workers: dict[int, Worker] = {}
        """Every worker that was started and has not ended."""
        self.slots = [Slot(index, slot, read_ahead) for index, slot in enumerate(slots)]
        dispatch.lanes = sum(slot.concurrency for slot in self.slots)
        dispatch.usable = {slot.index for slot in self.slots}
        for slot in self.slots:
            slot.worker = self._start(slot)

    def reason(self) -> str:
        """Why the retired slots were given up, one sentence for all that share one."""
        reasons: dict[str, list[str]] = {}
        for slot in self.slots:
            if slot.retired:
                reasons.setdefault(slot.reason, []).append(slot.name)
        return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in reasons.items())

    def ready(self, worker: Worker) -> None:
        """A worker has started."""
        slot = worker.slot
        worker.ready = True
        slot.false_starts = 0
        if worker is slot.spare:
            old, slot.worker, slot.spare = slot.worker, worker, None
            if old is not None:
                self._let_go(old)
        self._dispatch.welcome(worker)

    def unable(self, worker: Worker, reason: str) -> None:
        """A worker cannot start."""
        slot = worker.slot
        del self.workers[worker.number]
        if worker is slot.spare:
            self._keep_old(slot)
        else:
            self._retire(slot, reason)

    def died(self, worker: Worker, death: Death, *, suspects: int, patience: int) -> None:
        """A worker has ended; what it held has been seen to.

        Args:
            suspects: how many tasks were under suspicion.
            patience: how many deaths with suspects a slot has that never finished anything.
        """
        slot = worker.slot
        del self.workers[worker.number]
        self._dispatch.drop(worker)
        slot.deaths += 1
        if slot.retired:
            return
        if not worker.ready:
            slot.false_starts += 1
            if slot.false_starts >= _PATIENCE:
                reason = f"died {slot.false_starts} times while starting ({death.words()})"
                if worker is slot.spare:
                    self._keep_old(slot)
                else:
                    self._retire(slot, reason)
                return
        elif suspects:
            slot.task_deaths += 1
            slot.on_trial = True
            if not slot.proven and slot.task_deaths >= patience:
                self._retire(slot, f"died {slot.task_deaths} times and never finished anything ({death.words()})")
        elif worker.frozen or not worker.killed:
            slot.idle_deaths += 1
            if slot.idle_deaths >= _PATIENCE:
                last = "stood still between two pages" if worker.frozen else death.words()
                self._retire(slot, f"died {slot.idle_deaths} times with nothing to blame it on ({last})")
        if slot.retired:
            return
        if worker is slot.spare:
            slot.spare = self._start(slot)
        elif worker is slot.worker:
            if slot.spare is not None:
                slot.worker, slot.spare = slot.spare, None
            else:
                slot.worker = self._start(slot)

    def recycle(self, worker: Worker, *, drain: bool) -> None:
        """Replace a worker that is ready; nothing happens if that is under way."""
        slot = worker.slot
        unfit = worker is not slot.worker or not worker.ready or worker.killed or worker.irreplaceable
        if unfit or slot.spare is not None:
            return
        worker.feeding = not drain
        slot.spare = self._start(slot)
        self._dispatch.place(worker)

    def emptied(self, worker: Worker) -> None:
        """A worker that was let go holds nothing any more."""
        self._stop(worker)

    def blame(self, slot: Slot) -> None:
        """A task that ended a worker of this slot was finished by another."""
        slot.blamed += 1
        if slot.blamed >= _PATIENCE and not slot.retired and len(self._dispatch.usable) > 1:
            self._retire(slot, f"died of {slot.blamed} tasks that other slots finished")

    def _start(self, slot: Slot) -> Worker:
        self._started += 1
        slot.starts += 1
        worker = self.workers[self._started] = Worker(self._started, slot)
        self._out.append(Start(slot.index, worker.number))
        return worker

    def _let_go(self, worker: Worker) -> None:
        worker.feeding = False
        worker.leaving = True
        self._dispatch.place(worker)
        if worker.open == 0:
            self._stop(worker)

    def _stop(self, worker: Worker) -> None:
        if worker.killed:
            return
        self._out.append(Stop(worker.number))
        self._dispatch.drop(worker)
        del self.workers[worker.number]

    def _keep_old(self, slot: Slot) -> None:
        """The replacement did not come: go on with what is there."""
        slot.spare = None
        slot.false_starts = 0
        if slot.worker is not None:
            slot.worker.irreplaceable = slot.worker.feeding = True
            self._dispatch.place(slot.worker)

    def _retire(self, slot: Slot, reason: str) -> None:
        self._out.append(Retired(slot.index, reason))
        slot.retired = True
        slot.reason = reason
        self._dispatch.usable.discard(slot.index)
        self._dispatch.lanes -= slot.concurrency
        for worker in (slot.worker, slot.spare):
            if worker is not None and worker.number in self.workers:
                self._let_go(worker)
        slot.worker = slot.spare = None
        if not self._dispatch.usable:
            self._none_left()
