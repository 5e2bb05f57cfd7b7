"""A running job as other processes see it: `status.json`, and whether the job that wrote it is still alive.

      job --write(view), once a second--> _docfleet/status.json --> Status --whereabouts--> running, died, finished
          --finish(exit status)---------->

The file is written aside and moved into place, so that a reader never sees half of one. It is a view and not the truth:
that is the journal. So a disk that is full costs the view a second and the job nothing.

On the machine where the job runs its process tells whether it lives. A process number is used again sooner or later,
so it is the same process only if it was started at the same tick of the same boot. From elsewhere (another host,
another container) a job counts as dead once its file has been left alone for a minute.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from docfleet.documents.sources import printable
from docfleet.report.view import JobView

_LOG = logging.getLogger(__name__)

NAME = "status.json"
_EVERY_S = 1.0
_SILENT_S = 60.0
"""After which a job on another host counts as dead."""
_FORMAT = 1

State = Literal["running", "died", "finished"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Which process on which machine, so that another process can find out whether it still runs."""

    pid: int
    host: str
    boot: str | None
    """The kernel's name for this start of the machine; None where it has none."""
    namespace: str | None
    """In which `pid` is a number: containers on one host may share its name. None where there is no such thing."""
    ticks: int | None
    """When the process was started, in clock ticks since boot; None where the system does not tell."""

    @classmethod
    def this(cls) -> Self:
        """The calling process."""
        pid = os.getpid()
        return cls(pid=pid, host=socket.gethostname(), boot=_boot(), namespace=_namespace(), ticks=_ticks(pid))

    def alive(self) -> bool | None:
        """Whether it runs; None where that cannot be told from here."""
        here = Process.this()
        if self.host != here.host or self.namespace != here.namespace:
            return None
        if self.boot != here.boot:
            return False
        if self.ticks is not None:
            return _ticks(self.pid) == self.ticks
        if os.name != "posix":
            return None
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return None  # Somebody has that number.


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The content of `status.json`."""

    process: Process
    command: str
    """A shell command that goes on with this job."""
    folder: str
    """The working directory in which the command has a meaning; empty if it had been removed."""
    started: str
    """ISO 8601 with its offset from UTC."""
    written: str
    view: JobView | None
    """None before the first pages are on their way."""
    exit_status: int | None = None
    """What the job ended with; None while it runs."""
    format: int = _FORMAT

    def to_plain(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The inverse of `to_plain`. Raises ValueError for what is not a status, or in another version's format."""
        import msgspec

        if isinstance(plain, Mapping) and plain.get("format") != _FORMAT:
            raise ValueError(f"its format is {plain.get('format')!r}, this version of docfleet knows {_FORMAT}")
        status = msgspec.convert(plain, cls)
        if any(datetime.fromisoformat(time).tzinfo is None for time in (status.started, status.written)):
            raise ValueError("its times do not tell their offset from UTC")
        return status

    def age(self, now: datetime | None = None) -> float:
        """Seconds since it was written, by the clocks of both hosts; not negative."""
        return max(0.0, ((now or datetime.now(UTC)) - datetime.fromisoformat(self.written)).total_seconds())

    def whereabouts(self, now: datetime | None = None) -> State:
        """Whether the job runs, was ended by something, or came to its end."""
        if self.exit_status is not None:
            return "finished"
        alive = self.process.alive()
        if alive is None:
            alive = self.age(now) <= _SILENT_S
        return "running" if alive else "died"


class StatusFile:
    """Writes `status.json` of the calling process's job. Only under the job's lock: it has one writer."""

    def __init__(self, folder: Path, *, command: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`folder`: the job's own, which must exist. `command`: see `Status`."""
        self._path = folder / NAME
        # Always the same name: what a killed job leaves behind the next one writes over.
        self._aside = folder / f"{NAME}.new"
        self._clock = clock
        self._next = clock()
        self._said = False
        self._status = Status(
            process=Process.this(),
            command=command,
            folder=_working_directory(),
            started=_now(),
            written=_now(),
            view=None,
        )

    def write(self, view: JobView | None) -> None:
        """Write the view, at most once a second: sooner it is left out. Errors are logged once."""
        if self._clock() < self._next:
            return
        self._put(dataclasses.replace(self._status, view=view))

    def finish(self, exit_status: int, view: JobView | None) -> None:
        """The job is over: write that at once."""
        self._put(dataclasses.replace(self._status, view=view, exit_status=exit_status))

    def _put(self, status: Status) -> None:
        self._next = self._clock() + _EVERY_S
        self._status = dataclasses.replace(status, written=_now())
        try:
            self._aside.write_text(json.dumps(self._status.to_plain()), encoding="ascii")
            self._aside.replace(self._path)
        except OSError as error:
            _LOG.log(
                logging.DEBUG if self._said else logging.WARNING,
                "%s cannot be written: %s; `docfleet status` does not see this job as it is",
                printable(str(self._path)),
                error.strerror or error,
            )
            self._said = True


def read_status(folder: Path) -> Status | None:
    """What the last job in `folder` (its `_docfleet`) wrote; None where there is nothing, or nothing of ours.

    Raises OSError where the file is there and cannot be read.
    """
    try:
        return Status.from_plain(json.loads((folder / NAME).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError) as error:
        _LOG.warning("%s is not a status that can be read: %s", printable(str(folder / NAME)), error)
        return None


def _now() -> str:
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")


def _working_directory() -> str:
    try:
        return str(Path.cwd())
    except OSError:
        return ""


def _boot() -> str | None:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _namespace() -> str | None:
    if sys.platform != "linux":
        return None
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def _ticks(pid: int) -> int | None:
    """When a process was started, in clock ticks since boot; None if there is none, or no telling."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    # The name of the program is in brackets and may itself hold brackets and spaces.
    fields = text[text.rfind(b")") + 1 :].split()
    # A zombie has ended; its parent has just not asked.
    return int(fields[19]) if len(fields) > 19 and fields[0] not in (b"Z", b"X") else None
