"""How a fetch tells what it is doing; the library itself never prints."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Receives the progress of one fetch at a time, in the thread that fetches."""

    def started(self, name: str, total_bytes: int | None) -> None:
        """A fetch of `name` begins. Called again for the same name when its size becomes known, or it starts over."""

    def advanced(self, count: int) -> None:
        """`count` more bytes have arrived."""

    def finished(self) -> None:
        """The fetch that was started last has ended, well or not. A fetch from a local copy may never have advanced."""


class NullProgress:
    """Says nothing."""

    def started(self, name: str, total_bytes: int | None) -> None:
        """Ignored."""

    def advanced(self, count: int) -> None:
        """Ignored."""

    def finished(self) -> None:
        """Ignored."""


class ForModel:
    """Passes progress on under the model's name: `PP-OCRv6_small_rec from rapidocr==3.10.0`."""

    def __init__(self, model: str, progress: Progress) -> None:
        self._model = model
        self._progress = progress
        self.advanced = progress.advanced
        self.finished = progress.finished

    def started(self, name: str, total_bytes: int | None) -> None:
        """Say which model the fetch of `name` is for."""
        self._progress.started(f"{self._model} from {name}", total_bytes)
