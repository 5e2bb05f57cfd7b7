"""A decoder process, as its parent sees it: started, asked, ended. What it answers is believed as far as it is checked.

It has parsed hostile data, so it may be somebody else's by now: an answer that is not what was asked for ends it.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import weakref
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from docfleet.documents import anonymous
from docfleet.documents.decoder_wire import receive, send
from docfleet.documents.sources import printable
from docfleet.errors import InputError

_LAST_WORDS = 4_000
"""Bytes of what it printed, for the log."""
_CANVASES = 2
"""At most asked for by one page: the second if the first had the wrong shape."""


class DiedError(Exception):
    """The process is gone. `signal`: which one ended it, None if it left by itself."""

    def __init__(self, status: int, last_words: str) -> None:
        super().__init__(f"the decoder process ended with status {status}: {last_words or 'it printed nothing'}")
        self.signal = signal.Signals(-status) if status < 0 else None
        self.how = self.signal.name if self.signal is not None else f"exit status {status}"


class NoMemoryError(Exception):
    """It was refused memory."""


class NonsenseError(Exception):
    """It answers something that makes no sense."""


class DecoderProcess:
    """One process of `decoder_main`. For one thread at a time."""

    def __init__(self) -> None:
        """Start it, and wait until it answers. Raises OSError or RuntimeError if that is not to be had."""
        self.answered = 0
        """How many questions it has answered since."""
        self._standing: NDArray[np.uint8] | None = None
        self._printed = tempfile.TemporaryFile()  # noqa: SIM115 - closed at the end
        self._socket, theirs = socket.socketpair()
        try:
            with theirs:
                self._process = _start(theirs, self._printed.fileno())
        except BaseException:
            self._socket.close()
            self._printed.close()
            raise
        # Called when this object is forgotten, too, and when Python ends.
        self._end = weakref.finalize(self, _end, os.getpid(), self._process, self._socket, self._printed)
        try:
            self.ask({"close": True})
        except DiedError as error:
            self.end()
            raise RuntimeError(f"no documents can be decoded: {error}") from error
        self.answered = 0

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, question: dict[str, Any], descriptor: int | None = None) -> dict[str, Any]:
        """The answer. Raises InputError, NoMemoryError, DiedError, NonsenseError; RuntimeError for a bug in it."""
        try:
            send(self._socket, question, () if descriptor is None else (descriptor,))
            answer, descriptors = receive(self._socket)
        except (EOFError, OSError) as error:
            raise self._death() from error
        except ValueError as error:
            raise NonsenseError(str(error)) from error
        for each in descriptors:
            os.close(each)
        self.answered += 1
        if "input" in answer:
            raise InputError(printable(" ".join(str(answer["input"]).split())))
        if "memory" in answer:
            raise NoMemoryError
        if "bug" in answer:
            raise RuntimeError(f"in the decoder process: {answer['bug']}")
        return answer

    def page(self, index: int, *, max_pixels: int) -> NDArray[np.uint8]:
        """A page of the document that is open. Raises what `ask` does."""
        page: NDArray[np.uint8] | None = None
        answer = self.ask({"page": index})
        for _ in range(_CANVASES):
            if "canvas" not in answer:
                break
            page, answer = self._paint(answer["canvas"], max_pixels)
        if page is None or "done" not in answer:
            raise NonsenseError("no page came")
        return page.copy() if page.nbytes <= anonymous.STANDING_BYTES else page

    def _paint(self, shape: Any, max_pixels: int) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        if not isinstance(shape, list) or len(shape) != 2:
            raise NonsenseError(f"a page of shape {shape!r}")
        height = whole_number(shape[0], 1, max_pixels)
        width = whole_number(shape[1], 1, max_pixels // height)
        size = height * width * 3
        if size > anonymous.STANDING_BYTES:
            memory, answer = self._share(size)
        elif self._standing is None:
            memory, answer = self._share(anonymous.STANDING_BYTES)
            self._standing = memory
        else:
            memory, answer = self._standing, self.ask({})
        return memory[:size].reshape(height, width, 3), answer

    def _share(self, size: int) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        descriptor = anonymous.make(size)
        try:
            memory = anonymous.mapped(descriptor, size)
            return memory, self.ask({}, descriptor)
        finally:
            os.close(descriptor)

    def end(self) -> None:
        """Kill it: there is nothing for it to put away. Idempotent."""
        self._end()

    def _death(self) -> DiedError:
        self._socket.close()  # It may be alive, and only have closed its end: then it leaves now.
        status = self._process.wait()
        self._printed.seek(max(0, os.fstat(self._printed.fileno()).st_size - _LAST_WORDS))
        return DiedError(status, self._printed.read().decode("utf-8", "replace").strip())


def whole_number(value: Any, least: int | None = None, most: int | None = None) -> int:
    """`value` if it is an integer within these bounds. Raises NonsenseError."""
    if type(value) is not int or (least is not None and value < least) or (most is not None and value > most):
        raise NonsenseError(f"{value!r} for a number between {least} and {most}")
    return value


def _end(owner: int, process: subprocess.Popen[bytes], connection: socket.socket, printed: IO[bytes]) -> None:
    if os.getpid() == owner:  # And not in a copy of it that has forked.
        process.kill()
        process.wait()
    connection.close()
    printed.close()


def _start(end: socket.socket, output: int) -> subprocess.Popen[bytes]:
    # Python finds docfleet and its libraries where this process does. One thread: the others belong to the networks.
    path = os.pathsep.join(entry or os.curdir for entry in sys.path if isinstance(entry, str))
    single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
    # Blocked for good: Ctrl-C reaches the whole group, and it is the parent that decides what ends.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "docfleet.documents.decoder_main"],
            stdin=end.fileno(),
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": path, **single},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
