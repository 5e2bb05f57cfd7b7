"""The program of a worker process: `python -m docfleet.fleet.worker_main SOCKET BOARD PARENT CPUS`.

      bound to parent and CPUs --> Hello --> Start --> sys.path, logging --> build the instance --> Ready --> loop

A fresh interpreter that never imports the caller's `__main__`, so a script without a guard, `python -`, a notebook and
a daemonic parent all work. It begins with the signals blocked and with the environment of its slot; only the standard
library is imported before the process is bound to its CPUs, because libraries count CPUs when they are loaded.

It dies with its parent: on Linux the kernel sends SIGKILL when the thread that started the process ends, which is the
executor's own and lives as long as the executor. Elsewhere a thread looks who the parent is; end-of-file on the socket
alone would not be noticed while native code computes, nor while another process holds a copy of the socket.
"""

from __future__ import annotations

import ctypes
import faulthandler
import io
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from docfleet.fleet.board import Board
    from docfleet.fleet.channel import SharedEnd
    from docfleet.fleet.messages import Start, ToWorker

_LOG = logging.getLogger(__name__)

_PR_SET_PDEATHSIG = 1
_WATCH_S = 0.5

CANNOT_START = 3
"""Exit status after a CannotStart message."""


def main() -> None:
    """Serve one slot until the parent says stop or is gone."""
    descriptor, board_descriptor, parent = map(int, sys.argv[1:4])
    die_with(parent)
    _ignore_interrupts()
    _prepare_streams()
    unbound = _bind_to_cpus({int(number) for number in sys.argv[4].split(",") if number})

    from docfleet.fleet import messages
    from docfleet.fleet.board import Board
    from docfleet.fleet.channel import Channel, SharedEnd

    # It had to be inheritable to get here; programs that the worker starts must not hold it open.
    os.set_inheritable(descriptor, False)
    end = SharedEnd(Channel(socket.socket(fileno=descriptor), messages.to_worker()))
    board = None if board_descriptor < 0 else Board(board_descriptor)
    try:
        end.send(messages.Hello(os.getpid(), messages.PROTOCOL))
        start = _await_start(end)
    except (OSError, EOFError):
        return  # The parent has gone, or has changed its mind.
    _become(start, end)
    if unbound:
        _LOG.warning("cannot bind this process to its CPUs: %s", unbound)
    _serve(start, end, board)


def die_with(parent: int) -> None:
    """Make this process end when its parent does, whatever it is busy with; at once if that has happened already."""
    bound = sys.platform == "linux" and ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) == 0
    if os.getppid() != parent:
        os._exit(1)
    if not bound:
        threading.Thread(target=_watch, args=(parent,), name="docfleet-watch", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_S)
    os._exit(1)


_OF_THE_GROUP = {signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])}


def _ignore_interrupts() -> None:
    """Ctrl-C, a closed terminal and a service manager's SIGTERM reach the whole group; the parent decides what ends.

    Handlers that do nothing rather than SIG_IGN, which programs started by a worker would inherit.
    """

    def nothing(_number: int, _frame: FrameType | None) -> None:
        pass

    for number in _OF_THE_GROUP:
        signal.signal(number, nothing)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_THE_GROUP)


def _prepare_streams() -> None:
    """Lines of both streams go to the parent's log; so does the stack of every thread after a native crash."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace", line_buffering=True)
    faulthandler.enable()


def _bind_to_cpus(cpus: set[int]) -> OSError | None:
    """What went wrong, if anything: CPUs may have been taken away since the slots were made, which costs speed only."""
    if cpus and hasattr(os, "sched_setaffinity"):
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:
            return error
    return None


def _await_start(end: SharedEnd[ToWorker]) -> Start:
    from docfleet.fleet import messages

    while True:
        for message in end.receive():
            # The parent sends nothing else before it has heard Ready, but for a Stop.
            if isinstance(message, messages.Start):
                return message
            raise EOFError


def _become(start: Start, end: SharedEnd[ToWorker]) -> None:
    """Take over the parent's import path, variables and log levels."""
    sys.path[:] = start.sys_path
    for name, value in start.variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    logging.getLogger().addHandler(_ToParent(end))
    for name, level in start.log_levels.items():
        logging.getLogger(name).setLevel(level)


class _ToParent(logging.Handler):
    """Sends each record to the parent, which logs it under the same name."""

    def __init__(self, end: SharedEnd[ToWorker]) -> None:
        super().__init__()
        self._end = end

    def emit(self, record: logging.LogRecord) -> None:
        from docfleet.fleet import messages

        try:
            exception = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else ""
            self._end.send(
                messages.Log(
                    logger=record.name,
                    level=record.levelno,
                    text=record.getMessage(),
                    created=record.created,
                    path=record.pathname,
                    line=record.lineno,
                    function=record.funcName or "",
                    thread=record.threadName or "",
                    exception=exception,
                )
            )
        except Exception:  # noqa: BLE001 - a handler never raises into the code that logs; this prints to stderr
            self.handleError(record)


def _serve(start: Start, end: SharedEnd[ToWorker], board: Board | None) -> None:
    from docfleet.fleet import messages
    from docfleet.fleet.worker import WorkerSpec
    from docfleet.fleet.worker_loop import WorkerLoop

    try:
        worker = WorkerSpec(start.target, start.options).build(messages.slot_of(start))
    except BaseException as error:  # noqa: BLE001 - SystemExit too: the imported module may be a script
        text = str(error).strip() or type(error).__name__
        end.send(messages.CannotStart(text, "".join(traceback.format_exception(error))))
        sys.exit(CANNOT_START)
    end.send(messages.Ready())
    WorkerLoop(worker, end, board).run()


if __name__ == "__main__":
    main()
