"""The output folder: what is in it, what file system it is on, and whether that does what a job needs."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docfleet.batch.folder import JobFolder
from docfleet.batch.status_file import read_status
from docfleet.cli.checks.check import Check, Question, attention, ok, problem
from docfleet.cli.checks.probe import Probe, cannot_write, nearest
from docfleet.documents.sources import printable
from docfleet.report.words import about, size

_NAME = "output folder"
_SYSTEM = "file system"
_DISK = "free disk"
_LEAST_BYTES = 100_000_000
_FEW_BYTES = 5_000_000_000
_FEW_FILES = 100_000
_NAME_BYTES = 255
_SKEW_S = 5.0

_NETWORK = frozenset(
    "9p afs beegfs ceph cifs coda fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs glusterfs gpfs lustre ncpfs nfs nfs4 "
    "ocfs2 orangefs smb3 smbfs virtiofs wekafs".split()
)
_IN_MEMORY = frozenset(("tmpfs", "ramfs"))


def output(question: Question) -> Iterator[Check | str]:
    """The folder that results would go to; it need not be there."""
    path = Path(question.output_dir)
    place = nearest(path)
    shown = printable(str(path))
    yield f"looking at {printable(str(place))}"
    if not place.is_dir():
        yield problem(_NAME, f"{printable(str(place))} is not a folder", "name another output_dir")
        return
    yield from _job(path)
    mount = mount_of(place)
    yield f"writing to {printable(str(place))}"
    with Probe(place) as probe:
        if probe.error is not None:
            yield problem(_NAME, cannot_write(place, probe.error), "choose another output_dir, or have this one opened")
            return
        there = shown if path.exists() else f"{shown} is not there yet; {printable(str(place))}"
        yield ok(_NAME, f"{there} can be written")
        yield f"trying what a job does, in {printable(str(place))}"
        yield from _file_system(probe.folder, mount)
        yield _free(probe, place)


def _job(path: Path) -> Iterator[Check]:
    """A job that is there already."""
    status = read_status(JobFolder(path).own)
    if status is None:
        return
    state = status.whereabouts()
    if state == "running":
        yield problem(
            "job",
            f"process {status.process.pid} on {status.process.host} is running a job on {printable(str(path))}",
            f"wait for it, or choose another output_dir; `docfleet status {printable(str(path))}` shows it",
        )
    elif state == "died" or status.exit_status not in (0, 1):
        yield ok("job", f"a job on {printable(str(path))} is not complete; the same command goes on with it")


@dataclass(frozen=True, slots=True)
class Mount:
    """Where a folder is mounted, and from what."""

    kind: str
    """As the kernel names it: `ext4`, `nfs4`, `tmpfs`."""
    point: str


def mount_of(path: Path, *, table: Path = Path("/proc/self/mountinfo")) -> Mount | None:
    """The mount that a folder is on; None where the system does not tell."""
    try:
        lines = os.fsdecode(table.read_bytes()).splitlines()
    except OSError:
        return None
    found = None
    real = path.resolve()
    for line in lines:
        before, separator, after = line.partition(" - ")
        if separator:
            point = re.sub(r"\\([0-7]{3})", lambda escape: chr(int(escape[1], 8)), before.split(" ")[4])
            # Of two on the same point the later hides the earlier.
            if real.is_relative_to(point) and (found is None or len(point) >= len(found.point)):
                found = Mount(after.split(" ")[0], point)
    return found


def _file_system(folder: Path, mount: Mount | None) -> Iterator[Check]:
    """What a job needs of it, tried in an empty folder."""
    kind = "of unknown kind" if mount is None else mount.kind
    if complaint := replacing_fails(folder):
        yield problem(_SYSTEM, f"{kind}: {complaint}", "choose an output_dir on another file system")
        return
    if complaint := sqlite_fails(folder):
        yield problem(
            _SYSTEM,
            f"{kind}: {complaint}: the journal of a job cannot be kept there",
            "choose an output_dir on another file system, a local one for instance",
        )
        return
    remarks = [remark for remark in (_names(folder), *_kind(mount)) if remark]
    advice = [" ".join(words) for words in (_cannot_lock(folder), _cannot_name(folder), _skewed(folder)) if words]
    if mount is not None and mount.kind in _IN_MEMORY:
        advice.append("results are gone when the machine stops, and take memory: choose a folder on a disk")
    if mount is not None and mount.kind == "overlay":
        advice.append("results are gone with the container: mount a folder for them (docker run -v)")
    if mount is not None and mount.kind in _NETWORK:
        advice.append(
            "run jobs on one folder from one host, and stop them before the server; --save jsonl makes few files"
        )
    text = "; ".join([kind, *remarks])
    yield attention(_SYSTEM, text, ". ".join(advice)) if advice else ok(_SYSTEM, text)


def _kind(mount: Mount | None) -> Iterator[str]:
    if mount is None:
        return
    if mount.kind in _NETWORK:
        yield "on the network"
    if mount.kind in _IN_MEMORY:
        yield "in memory"


def replacing_fails(folder: Path) -> str | None:
    """Whether a file can be moved over another, as each result is; what is wrong, if anything is."""
    try:
        (folder / "old").write_bytes(b"old")
        with (folder / "new").open("wb") as file:
            file.write(b"new")
            file.flush()
            os.fsync(file.fileno())
        (folder / "new").replace(folder / "old")
        if (folder / "old").read_bytes() != b"new" or (folder / "new").exists():
            return "a file that was moved over another is not what it was"
    except OSError as error:
        return f"a file cannot be moved over another: {error.strerror or error}"
    return None


def sqlite_fails(folder: Path) -> str | None:
    """Whether SQLite can keep a journal there, locks and all; what is wrong, if anything is."""
    path = folder / "journal.sqlite"
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1.0, isolation_level=None)) as one:
            one.execute("PRAGMA journal_mode=TRUNCATE")
            one.execute("BEGIN IMMEDIATE")
            one.execute("CREATE TABLE probe (number INTEGER)")
            with contextlib.closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as other:
                try:
                    other.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError:
                    pass
                else:
                    return "two programs can write to one SQLite file at once"
            one.execute("COMMIT")
    except sqlite3.Error as error:
        return f"SQLite cannot write: {error}"
    return None


def _names(folder: Path) -> str:
    """How it takes names that are nearly the same."""
    remarks = []
    (folder / "case").touch()
    if (folder / "CASE").exists():
        remarks.append("names in capitals and small letters are the same there, docfleet keeps their outputs apart")
    (folder / unicodedata.normalize("NFC", "é")).touch()
    if (folder / unicodedata.normalize("NFD", "é")).exists():
        remarks.append("so are composed and decomposed letters")
    return ", ".join(remarks)


def _cannot_name(folder: Path) -> list[str]:
    """Names that inputs may have and outputs could not."""
    complaints = []
    longest = os.pathconf(folder, "PC_NAME_MAX") if hasattr(os, "pathconf") else _NAME_BYTES
    if longest < _NAME_BYTES:
        complaints.append(f"names have at most {longest} bytes there: longer ones of inputs are cut.")
    try:
        Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).touch()
    except (OSError, ValueError):
        complaints.append("names have to be valid UTF-8 there: inputs with other names will fail.")
    return complaints


def _cannot_lock(folder: Path) -> list[str]:
    """Whether the lock of a job works, which keeps a second one away."""
    if sys.platform == "win32":
        return []
    import fcntl

    try:
        with (folder / "lock").open("w") as one, (folder / "lock").open("w") as other:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return []
    except OSError:
        pass
    return ["there are no locks: see to it yourself that only one job at a time writes there."]


def _skewed(folder: Path) -> list[str]:
    (folder / "now").touch()
    skew = abs((folder / "now").stat().st_mtime - time.time())
    if skew <= _SKEW_S:
        return []
    return [f"its clock differs by {about(skew)} from this machine's: set them, or use --fingerprint content."]


def _free(probe: Probe, place: Path) -> Check:
    files: int | None = None
    if hasattr(os, "statvfs"):
        counts = os.statvfs(place)
        files = counts.f_favail if counts.f_files else None
    return judge_free(probe.free(), files)


def judge_free(free: int, files: int | None) -> Check:
    """`files`: how many more there may be; None where they are not counted."""
    text = f"{size(free)}" if files is None else f"{size(free)}, and {files:,} more files"
    if free < _LEAST_BYTES or files == 0:
        return problem(_DISK, text, "make room, or choose an output_dir on another disk")
    if free < _FEW_BYTES or (files is not None and files < _FEW_FILES):
        return attention(_DISK, text, "see that it is enough: a page makes a file of some kilobytes; --save jsonl few")
    return ok(_DISK, text)


def temporary(_: Question) -> Iterator[Check | str]:
    """Where libraries put what they need for a moment."""
    try:
        place = Path(tempfile.gettempdir())
    except FileNotFoundError as error:
        yield attention(
            "temporary folder", f"there is none: {error.strerror}", "set TMPDIR to a folder that can be written"
        )
        return
    yield f"writing to {printable(str(place))}"
    with Probe(place) as probe:
        if probe.error is not None:
            yield attention("temporary folder", cannot_write(place, probe.error), "set TMPDIR to another folder")
            return
    free = shutil.disk_usage(place).free
    text = f"{printable(str(place))}: {size(free)} free"
    if free < _LEAST_BYTES:
        yield attention("temporary folder", text, "make room, or set TMPDIR to another folder")
    else:
        yield ok("temporary folder", text)
