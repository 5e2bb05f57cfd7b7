"""Worker processes as the parent sees them: started, listened to, and known to be dead at once.

      WorkerProcess.start(...)
          socket ------ messages, both ways                  channel
          pipe -------- what it prints, line by line --->    logging, and the last lines for Failure.detail
          pidfd ------- readable when it has ended  --->     death() -> Death(signal=11, detail="Fatal Python ...")
          memfd ------- what it does at this moment          board

The first three have a `fileno` that one selector waits for. A process started here inherits nothing but its end of the
socket, the pipe and the memfd: no worker holds another's socket open.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from docfleet.errors import StartError
from docfleet.fleet import messages
from docfleet.fleet.board import BoardView
from docfleet.fleet.channel import Channel
from docfleet.fleet.devices import Slot
from docfleet.fleet.hardware import oom_kills, resident_bytes
from docfleet.fleet.slots import as_seen_inside, environment_of
from docfleet.fleet.tasks import signal_name
from docfleet.fleet.worker import WorkerSpec

_LOG = logging.getLogger(__name__)
_OUTPUT_LOG = logging.getLogger("docfleet.worker.output")
"""Where printed lines of workers appear, at level INFO, with the attribute `slot`."""

_LINE_LIMIT = 4000
"""Characters of one printed line; a progress bar may never end its line."""
_TAIL_LINES = 200
_READ_SIZE = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a worker process ended."""

    signal: int | None
    """The signal that ended it."""
    exit_code: int | None
    """Its exit status, if no signal ended it."""
    memory: bool
    """It was killed, and for want of memory as far as can be known."""
    detail: str
    """The native stack or the last lines that it printed; may be empty."""

    @property
    def cause(self) -> str:
        """For a sentence that begins with "the worker"."""
        if self.memory:
            return "was killed because memory ran out"
        if self.signal is not None:
            return f"was killed by {signal_name(self.signal)}"
        return f"ended with exit status {self.exit_code}"


class WorkerProcess:
    """One worker process, from its start to its death. Used by one thread, the one that started it.

    That thread must outlive the process: on Linux the process is killed when the thread ends.
    """

    def __init__(
        self, slot: Slot, process: subprocess.Popen[bytes], end: socket.socket, output: int, board: BoardView
    ) -> None:
        self.slot = slot
        self.board = board
        self.channel: Channel[messages.ToParent] = Channel(end, messages.to_parent())
        self.output = OutputPipe(output, slot.name)
        self.sentinel = _Sentinel(process)
        self.fault = ""
        """Text of the Fault message, if it sent one."""
        self.reported_resident = 0
        """From its last Sample."""
        self._process = process
        self.killed = False
        """Whether `kill` was called."""

    @classmethod
    def start(
        cls,
        spec: WorkerSpec,
        slot: Slot,
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        sys_path: Sequence[str] | None = None,
    ) -> Self:
        """Start a fresh interpreter on a slot. It will say Hello, then Ready or CannotStart.

        `environment` and `sys_path` default to this process's; the slot's own variables are added.
        Raises StartError if no process can be started, TypeError if the spec's options cannot travel.
        """
        if os.name != "posix":
            raise StartError("worker processes need Linux or macOS: use executor='serial' here")
        if not sys.executable:
            raise StartError(
                "this program does not know its Python interpreter (sys.executable): use executor='serial'"
            )
        base = dict(os.environ if environment is None else environment)
        entries = [entry for entry in (sys.path if sys_path is None else sys_path) if isinstance(entry, str)]
        path = [entry or cwd or working_folder() for entry in entries]
        start = messages.start_message(
            spec.target,
            spec.options,
            as_seen_inside(slot),
            sys_path=path,
            # Python finds docfleet by the parent's whole path, in the parent's order; programs that the worker starts
            # get the variable back as it was.
            variables={"PYTHONPATH": base.get("PYTHONPATH")},
            log_levels=_log_levels(),
        )
        variables = base | environment_of(slot) | {"PYTHONPATH": os.pathsep.join(path)}
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        board = BoardView()
        try:
            process = _popen(theirs, writing, board, slot, cwd, variables)
        except OSError as error:
            ours.close()
            os.close(reading)
            board.close()
            raise StartError(f"a worker process for {slot.name} cannot be started: {error}") from error
        finally:
            theirs.close()
            os.close(writing)
        ours.setblocking(False)
        worker = cls(slot, process, ours, reading, board)
        worker.channel.post([start])
        return worker

    @property
    def pid(self) -> int:
        """Of the process, also after its death."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """False once the process has ended, whether `death` has been asked for or not."""
        return self._process.poll() is None

    def resident(self) -> int:
        """Bytes of resident memory now, or as last reported where the system does not tell; 0 if unknown."""
        try:
            return resident_bytes(self.pid) or self.reported_resident
        except OSError:
            return 0

    def kill(self) -> None:
        """SIGKILL, which then is not taken for the kernel's. Idempotent."""
        self.killed = True
        self._process.kill()

    def end(self) -> None:
        """SIGKILL to a process that has hung up, and so is ending already: what it ends of is settled."""
        self._process.kill()

    def death(self, oom: OomWatch) -> Death:
        """Reap the process, which must have ended or be about to, and close everything held for it."""
        status = self._process.wait()
        self.output.drain()
        number = -status if status < 0 else None
        limit = self.slot.memory_limit
        memory = False
        if number == signal.SIGKILL and not self.killed:
            over = limit is not None and self.reported_resident > limit
            memory = oom.claim() or over
        detail = "\n".join(filter(None, (self.fault, self.output.tail())))
        self.close()
        return Death(signal=number, exit_code=None if number else status, memory=memory, detail=detail)

    def close(self) -> None:
        """Release descriptors. Idempotent; the process should have ended."""
        self.channel.close()
        self.output.close()
        self.sentinel.close()
        self.board.close()


def working_folder() -> str:
    """Raises StartError where it has been deleted: no process could start in it."""
    try:
        return os.getcwd()  # noqa: PTH109 - a string is what is needed
    except OSError as error:
        raise StartError(f"the working directory cannot be found ({error}): change to one that exists") from error


class OutputPipe:
    """What a worker prints, as log records; the last lines are kept for the day it dies."""

    def __init__(self, descriptor: int, slot: str) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor: int | None = descriptor
        self._slot = slot
        self._partial = b""
        self._lines: deque[str] = deque(maxlen=_TAIL_LINES)

    def fileno(self) -> int:
        """For a selector; -1 when closed."""
        return -1 if self._descriptor is None else self._descriptor

    def read(self) -> bool:
        """Log what has been printed, some 64 KiB at most; False at the end of the stream."""
        if self._descriptor is None:
            return False
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return True
        *lines, self._partial = (self._partial + data).split(b"\n")
        if len(self._partial) > _LINE_LIMIT or (not data and self._partial):
            lines.append(self._partial)
            self._partial = b""
        for line in lines:
            self._line(line)
        return bool(data)

    def drain(self) -> None:
        """Log what is left after the process has ended.

        Bounded, and not until the end of the stream: a program that the worker started may hold it open.
        """
        for _ in range(16):
            before = len(self._lines), self._partial
            if not self.read() or (len(self._lines), self._partial) == before:
                break
        if self._partial:
            self._line(self._partial)
            self._partial = b""

    def tail(self) -> str:
        """The native stack if one was printed, else the last lines."""
        lines = list(self._lines)
        for index in range(len(lines) - 1, -1, -1):
            if lines[index].startswith("Fatal Python error"):
                return "\n".join(lines[index:])
        return "\n".join(lines[-20:])

    def close(self) -> None:
        """Idempotent."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")[:_LINE_LIMIT]
        self._lines.append(text)
        if text.strip():
            _OUTPUT_LOG.info("%s: %s", self._slot, text, extra={"slot": self._slot})


class _Sentinel:
    """Becomes readable when the process has ended: a pidfd, or where there is none, a pipe that a thread closes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._descriptor: int | None = None
        if hasattr(os, "pidfd_open"):
            try:
                self._descriptor = os.pidfd_open(process.pid)
            except OSError as error:
                _LOG.debug("no pidfd (%s): a thread waits for process %d", error, process.pid)
        if self._descriptor is None:
            self._descriptor, writing = os.pipe()
            waiter = threading.Thread(
                target=_close_at_end, args=(process, writing), name=f"docfleet-wait-{process.pid}", daemon=True
            )
            waiter.start()

    def fileno(self) -> int:
        return -1 if self._descriptor is None else self._descriptor

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _close_at_end(process: subprocess.Popen[bytes], descriptor: int) -> None:
    process.wait()
    os.close(descriptor)


class OomWatch:
    """Tells whether a SIGKILL was the kernel's for want of memory, by the cgroup's count of such kills.

    Each counted kill explains one death. A kill that no worker of ours accounts for within one `tick` was another
    process of the cgroup, and is forgotten.
    """

    def __init__(self) -> None:
        self._explained = self._before = oom_kills() or 0

    def claim(self) -> bool:
        """Whether there is a counted kill that explains a death; it is used up by that."""
        if (oom_kills() or 0) <= self._explained:
            return False
        self._explained += 1
        return True

    def tick(self) -> None:
        """Call now and then, a second or so apart."""
        self._explained = max(self._explained, self._before)
        self._before = oom_kills() or 0


def relog(message: messages.Log, slot: str) -> None:
    """Log a worker's record here, under the same name and with the attribute `slot`."""
    logger = logging.getLogger(message.logger)
    if not logger.isEnabledFor(message.level):
        return
    record = logger.makeRecord(
        message.logger, message.level, message.path, message.line, message.text, (), None, message.function,
        {"slot": slot},
    )  # fmt: skip
    record.created = message.created
    record.msecs = message.created % 1 * 1000
    record.threadName = message.thread
    record.exc_text = message.exception or None
    logger.handle(record)


def _log_levels() -> dict[str, int]:
    """The levels that have been set here, so that workers do not send what nobody reads."""
    levels = {"": logging.getLogger().level}
    for name, logger in list(logging.Logger.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger) and logger.level != logging.NOTSET:
            levels[name] = logger.level
    return levels


def _popen(
    end: socket.socket,
    output: int,
    board: BoardView,
    slot: Slot,
    cwd: str | None,
    variables: Mapping[str, str],
) -> subprocess.Popen[bytes]:
    cpus = ",".join(str(cpu) for cpu in sorted(slot.cpus))
    # -P: the working directory is no place to find `numpy.py` in. -u: what was printed before a crash is not lost.
    command = [
        sys.executable,
        "-P",
        "-u",
        "-m",
        "docfleet.fleet.worker_main",
        str(end.fileno()),
        str(board.fileno()),
        str(os.getpid()),
        cpus,
    ]
    # Inherited blocked, and unblocked by the worker when it is ready for them: Ctrl-C during its start is not an error.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[descriptor for descriptor in (end.fileno(), board.fileno()) if descriptor >= 0],
            cwd=cwd,
            env=dict(variables),
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
