"""One job at a time for each output folder, whichever host it runs on.

      flock(_docfleet/lock) --had--> the file says who has it --> the job --> closed
                            --not--> UsageError that names who has it

The lock is the kernel's, so a job that is killed holds it no longer, and what its file says does not matter then. On a
file system that has no locks, the status file of the other job has to do: it says whether its process lives.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from docfleet.batch.folder import JobFolder
from docfleet.batch.status_file import Process, Status, read_status
from docfleet.documents.sources import printable
from docfleet.errors import OutputError, UsageError

try:
    import fcntl
except ImportError:  # Windows.
    fcntl = None  # type: ignore[assignment]

_LOG = logging.getLogger(__name__)

_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK)
_NO_LOCKS = (errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL)
_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the lock."""

    process: Process
    started: str
    """ISO 8601 with its offset from UTC."""

    @classmethod
    def from_plain(cls, plain: Any) -> Holder:
        """The inverse of `dataclasses.asdict`. Raises ValueError."""
        import msgspec

        return msgspec.convert(plain, cls)


@contextlib.contextmanager
def held(folder: JobFolder) -> Iterator[None]:
    """While entered, no other job runs on the folder, which must exist.

    Raises UsageError that names the other job if there is one, OutputError if the lock cannot be made.
    """
    try:
        file = os.open(folder.own / "lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise _cannot(folder, error) from error
    try:
        _lock(file, folder)
        yield
    finally:
        os.close(file)  # Which gives the lock back: no other process has this file open, workers inherit none.


def _lock(file: int, folder: JobFolder) -> None:
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _TAKEN:
            raise UsageError(_busy(folder, _holder(file))) from None
        if error.errno not in _NO_LOCKS:
            raise _cannot(folder, error) from error
        _look_around(folder)
        return
    holder = Holder(process=Process.this(), started=datetime.now(UTC).astimezone().isoformat(timespec="seconds"))
    # Only for whoever is refused: on a full disk they are told less.
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(dataclasses.asdict(holder)).encode(), 0)


def _look_around(folder: JobFolder) -> None:
    """Instead of a lock: refuse where another job says that it runs."""
    status = _status(folder)
    if status is not None and status.whereabouts() == "running":
        raise UsageError(_busy(folder, Holder(process=status.process, started=status.started)))
    _LOG.warning(
        "the file system of %s has no locks: see to it yourself that only one job at a time writes there",
        printable(str(folder.own)),
    )


def _holder(file: int) -> Holder | None:
    """What the lock's file says. None where that cannot be right: its job has just got it, or could not write."""
    try:
        holder = Holder.from_plain(json.loads(os.pread(file, _BYTES, 0)))
    except (OSError, ValueError):
        return None
    return None if holder.process.alive() is False else holder


def _status(folder: JobFolder) -> Status | None:
    try:
        return read_status(folder.own)
    except OSError:
        return None


def _busy(folder: JobFolder, holder: Holder | None) -> str:
    place = printable(str(folder.output))
    if holder is None:
        return f"another job is writing to {place}; wait for it, or choose another output_dir"
    return (
        f"another job is writing to {place}: process {holder.process.pid} on {holder.process.host}, since "
        f"{holder.started}; wait for it, end it (kill {holder.process.pid}), or choose another output_dir"
    )


def _cannot(folder: JobFolder, error: OSError) -> OutputError:
    return OutputError(
        f"{printable(str(folder.own))} cannot be locked: {error.strerror or error}; choose another output_dir"
    )
