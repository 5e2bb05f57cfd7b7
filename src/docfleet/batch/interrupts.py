"""Ctrl-C and its relatives during a job: noted, and acted upon by the job's own loop."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


class Interrupts:
    """While entered, SIGINT, SIGTERM and SIGHUP do nothing but add to `received`.

    The handler takes no lock and touches nothing else: it may run in the middle of anything. Outside of the main
    thread, where Python gives no signals, nothing is changed.
    """

    def __init__(self) -> None:
        self.received: list[int] = []
        """Numbers of the signals, in the order in which they came."""
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                # Who started us with a signal ignored (nohup) meant it.
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.received.append(number)
