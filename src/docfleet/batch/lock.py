"""One job at a time for each output folder, whichever host it runs on.

The lock is the kernel's (`flock`), so a job that is killed holds it no longer. On a file system that has none, the
status file of the other job has to do: it says whether its process lives.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from docfleet.batch.folder import JobFolder
from docfleet.batch.status_file import Status, read_status
from docfleet.documents.sources import printable
from docfleet.errors import OutputError, UsageError

_LOG = logging.getLogger(__name__)


@contextlib.contextmanager
def held(folder: JobFolder) -> Iterator[None]:
    """While entered, no other job runs on the folder, which must exist.

    Raises UsageError that names the other job if there is one, OutputError if the lock cannot be made.
    """
    lock = FileLock(_place(folder), timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise UsageError(_busy(folder, _status(folder))) from None
    except NotImplementedError:
        status = _status(folder)
        if status is not None and status.whereabouts() == "running":
            raise UsageError(_busy(folder, status)) from None
        _LOG.warning(
            "the file system of %s has no locks: see to it yourself that only one job at a time writes there",
            folder.own,
        )
        yield
        return
    except OSError as error:
        raise OutputError(
            f"{printable(str(folder.own))} cannot be locked: {error.strerror or error}; choose another output_dir"
        ) from error
    try:
        yield
    finally:
        lock.release()


def _place(folder: JobFolder) -> Path:
    return folder.own / "lock"


def _status(folder: JobFolder) -> Status | None:
    try:
        return read_status(folder.own)
    except OSError:
        return None


def _busy(folder: JobFolder, status: Status | None) -> str:
    place = printable(str(folder.output))
    if status is None:
        return f"another job is writing to {place}; wait for it, or choose another output_dir"
    return (
        f"another job is writing to {place}: process {status.process.pid} on {status.process.host}, since "
        f"{status.started}; wait for it, end it (kill {status.process.pid}), or choose another output_dir"
    )
