"""The reader's side of a decoder process: what hangs, crashes or swells in there costs one page.

      Reader --open--> RemoteDocument --page--> Decoder --socket--> decoder_main, in a process of its own

A PDF is a program: a kilobyte of it draws for ever, or fills all memory, and no header tells. TIFF, JPEG 2000 and
animations have decoders with a history. So these, and plain images that are unusually large, are decoded in a process
for which the kernel keeps limits. It is started when the first such document is read and serves until the reader is
closed; it ends with this process, whatever ends that.

A process that dies may have been brought down by what it decoded before. Unless it had decoded nothing else, the page
is tried once more in a fresh one, and that decides.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from docfleet.documents.checks import advice
from docfleet.documents.decoder_process import DecoderProcess, DiedError, NoMemoryError, NonsenseError, whole_number
from docfleet.documents.kinds import Kind
from docfleet.documents.pages import Canvas, Limits
from docfleet.errors import InputError

AVAILABLE = sys.platform != "win32" and hasattr(socket, "send_fds") and bool(sys.executable)
"""Elsewhere documents are decoded in the reader's process, without limits on memory and time."""

T = TypeVar("T")


class Decoder:
    """One decoder process, started when it is needed and replaced when it has died. For one thread at a time."""

    def __init__(self, limits: Limits, *, pdf_dpi: float, pdf_password: str | None) -> None:
        self.limits = limits
        self._how = {"limits": dataclasses.asdict(limits), "pdf_dpi": pdf_dpi, "pdf_password": pdf_password}
        self._process: DecoderProcess | None = None

    def open(self, kind: Kind, descriptor: int, *, name: str) -> RemoteDocument:
        """Open a document. The descriptor stays the caller's, and may be closed. Raises InputError, MemoryError."""
        return RemoteDocument(self, {**self._how, "kind": kind, "name": name}, descriptor)

    def process(self) -> DecoderProcess:
        """The process that is alive."""
        if self._process is not None and not self._process.alive:
            self.close()
        if self._process is None:
            self._process = DecoderProcess()
        return self._process

    def close(self) -> None:
        """End the process, if there is one. Idempotent."""
        process, self._process = self._process, None
        if process is not None:
            process.end()


class RemoteDocument:
    """A document that is open in a decoder process; see `Document` for what its methods promise."""

    def __init__(self, decoder: Decoder, opening: dict[str, Any], descriptor: int) -> None:
        self._decoder = decoder
        self._opening = opening
        self._name: str = opening["name"]
        self._descriptor: int | None = os.dup(descriptor)
        self._home: DecoderProcess | None = None
        """The process in which it is open, alive or not."""
        try:
            self.count, self.numbered, self._pixels = self._carefully(self._name, self._open_in)
        except BaseException:
            self.close()
            raise

    def page(self, index: int, new: Canvas) -> NDArray[np.uint8]:
        """As promised, but for `new`: the page is in memory that the decoder process has filled."""

        def attempt(process: DecoderProcess) -> NDArray[np.uint8]:
            if self._home is not process:
                self._open_in(process)
            return process.page(index, max_pixels=self._decoder.limits.max_page_pixels)

        place = f"{self._name}: page {index + 1} of {self.count}" if self.numbered else f"{self._name}: the picture"
        return self._carefully(place, attempt)

    def pixels(self) -> tuple[int, ...] | None:
        return self._pixels

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
        home, self._home = self._home, None
        if home is not None and home.alive:
            try:
                grown = whole_number(home.ask({"close": True}).get("grown"))
            except (DiedError, NoMemoryError, NonsenseError, InputError):
                home.end()
                return
            # What libraries have not given back would be missing from the memory of the next document.
            if grown > self._decoder.limits.max_decode_bytes // 4:
                home.end()

    def _open_in(self, process: DecoderProcess) -> tuple[int, bool, tuple[int, ...] | None]:
        if self._descriptor is None:
            raise RuntimeError("the document is closed")
        self._home = process
        answer = process.ask({"open": self._opening}, self._descriptor)
        count = whole_number(answer.get("count"), 1, self._decoder.limits.max_document_pages)
        pixels = answer.get("pixels")
        if pixels is not None:
            if not isinstance(pixels, list) or len(pixels) != count:
                raise NonsenseError(f"sizes of {count} pages: {pixels!r}")
            pixels = tuple(whole_number(each, 0) for each in pixels)
        return count, answer.get("numbered") is True, pixels

    def _carefully(self, place: str, attempt: Callable[[DecoderProcess], T]) -> T:
        """`attempt` in the living process; once more in a fresh one if that ends the first, which was not.

        `place`: how messages begin.
        """
        while True:
            process = self._decoder.process()
            fresh = process.answered == (1 if self._home is process else 0)
            try:
                return attempt(process)
            except InputError:
                raise
            except (DiedError, NoMemoryError) as error:
                process.end()
                # CPU time is counted for each page: what was decoded before has no part in it.
                if fresh or (isinstance(error, DiedError) and error.signal == signal.SIGPROF):
                    self._refuse(place, error)
            except NonsenseError as error:
                process.end()
                raise InputError(f"{place}: the decoder was brought into disorder by it: {error}") from error
            except BaseException:
                # An interrupt, say: its answer is on the way, and must not be taken for that to the next question.
                process.end()
                raise

    def _refuse(self, place: str, error: DiedError | NoMemoryError) -> NoReturn:
        limits = self._decoder.limits
        memory = f"takes more memory to decode than the limit of {limits.max_decode_bytes:,} bytes"
        if isinstance(error, NoMemoryError):
            raise InputError(f"{place} {memory}; {advice('max_decode_bytes')}") from error
        if error.signal == signal.SIGPROF:
            raise InputError(
                f"{place} takes more CPU time to decode than the limit of {limits.max_decode_seconds:g} s; "
                + advice("max_decode_seconds")
            ) from error
        if error.signal == signal.SIGKILL:
            raise MemoryError(f"{place}: the decoder was killed, as the kernel does when memory runs out") from error
        raise InputError(
            f"{place} brings the decoder down ({error.how}): it is corrupt, or {memory}; " + advice("max_decode_bytes")
        ) from error
