"""A folder of our own in a place that is looked at, in which everything may be tried; removed whatever happens.

Where the place itself is not there yet, the nearest folder above it stands for it: nothing is made that stays.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from docfleet.documents.sources import printable


def nearest(path: Path) -> Path:
    """`path` itself, or the first above it that is there."""
    path = path.expanduser().absolute()
    return next((each for each in (path, *path.parents) if os.path.lexists(each)), path)


class Probe:
    """While entered, `folder` is an empty folder in the place, or `error` says why there can be none."""

    def __init__(self, place: Path) -> None:
        self.place = nearest(place)
        self.error: OSError | None = None
        self._folder: Path | None = None

    @property
    def folder(self) -> Path:
        """Only where there is no error."""
        assert self._folder is not None
        return self._folder

    def __enter__(self) -> Self:
        try:
            self._folder = Path(tempfile.mkdtemp(prefix=".docfleet-doctor-", dir=self.place))
            (self._folder / "file").write_bytes(b"docfleet")
        except OSError as error:
            self.error = error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def free(self) -> int:
        """Bytes that this user may still write there."""
        return shutil.disk_usage(self.place).free


def cannot_write(place: Path, error: OSError) -> str:
    """As a sentence without its end."""
    return f"{printable(str(place))} cannot be written: {error.strerror or error}"
