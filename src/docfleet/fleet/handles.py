"""A run in the hands of a caller that has other things to do as well: progress, signals, a journal.

      run = executor.start(tasks, ordered=False)
      while not run.over:
          for task, outcome in run.advance(timeout=0.25):
              if isinstance(outcome, Expanded): ...            # task is a document of so many parts
              else: ...                                        # Done or Failed
          if interrupted: run.drain("stopped by Ctrl-C")       # finishes what is being computed; then it is over

Both executors hand out such runs; their `run(tasks)` is a few lines over one.

A source may give None between two tasks: it has nothing just now, and is not at its end. `advance` then feeds what it
has taken and comes back at once with what is there, which may be nothing, whatever its timeout. A source that goes
through a million inputs of which none is a task gives None now and then, so that its caller is not deaf meanwhile; one
that waits for inputs waits a moment before it gives None, or its caller would spin.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from docfleet.fleet.tasks import Event

CLOSED = "this pipeline is closed"
"""What every executor says once it is."""


class RunHandle(Protocol):
    """One run. For one thread at a time, which is also the one that the source is advanced in."""

    @property
    def over(self) -> bool:
        """Whether everything has been handed over, and nothing is left to raise."""

    def advance(self, timeout: float | None = None) -> list[Event]:
        """Take from the source as there is room, and wait for something to hand over.

        Gives each document once, as `Expanded`, when it has been found to be one (not in the order of keys, and before
        any outcome of its parts), and the outcome of every other task: in the order of keys, or as they finish. `[]`
        when the time is up, when the source has given None, and once the run is over.

        Signal handlers may run in the middle of it; one that sets a flag does no harm. What one raises comes through,
        and the run is then good for `close` alone.

        Args:
            timeout: seconds to wait at most; None to wait for something. A source that takes longer, or a step of the
                serial twin, takes longer.

        Raises, once everything that came before has been handed over: StartError when no slot can go on, and whatever
        the source has raised. ClosedError at any time, when the executor is closed.
        """

    def drain(self, reason: str) -> None:
        """End the run early and in good order; not to be called in a signal handler.

        Nothing more is taken from the source. What has begun to be computed, or is being written, is finished and
        handed over; no other task is begun. Those that were taken end as Failed(cancelled, reason), and documents that
        have not been opened too. Parts that no task was made of yet have no outcome: a document of 100,000 pages has as
        many cancelled ones as the window holds at most. Go on with `advance` until the run is over.
        """

    def close(self) -> None:
        """Drop what is left: nobody waits for it any more. Idempotent; happens to a handle that is forgotten too."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
