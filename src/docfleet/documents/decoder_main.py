"""The program of a decoder process: `python -m docfleet.documents.decoder_main`, its socket as standard input.

      parent                                       | here
      {"open": {...}}, descriptor of the file ---> | formats.open_document
                         <--- {"count": 3, ...}    |
      {"page": 1}                             ---> | decode, until it knows how large the page is
                         <--- {"canvas": [H, W]}   |
      {}, descriptor of memory for it         ---> | into it; without a descriptor, into that of the pages before
                         <--- {"done": true}       |

A message is four bytes of length and JSON. Whatever is wrong with a document is an answer too: {"input": "..."}. The
kernel keeps the limits, on memory (RLIMIT_DATA) and on CPU time (a timer that ends the process): a decoder that exceeds
them is told that there is no memory, or dies.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Any

from docfleet.documents.decoder_wire import receive, send
from docfleet.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docfleet.documents.kinds import Kind
    from docfleet.documents.pages import Document

_STDERR_BYTES = 1 << 20


def main() -> None:
    """Decode for the parent until it closes its end."""
    connection = socket.socket(fileno=0)
    threading.Thread(target=_leave_with_parent, args=(connection,), name="docfleet-watch", daemon=True).start()
    _prepare()
    host = _Host(connection)
    while True:
        try:
            request, descriptors = receive(connection)
        except (EOFError, OSError):
            return
        send(connection, host.answer(request, descriptors))


def _leave_with_parent(connection: socket.socket) -> None:
    """End with the parent in the middle of anything: the kernel hangs up its end of the socket when it dies."""
    end = select.poll()
    end.register(connection, 0)
    while not any(mask & (select.POLLHUP | select.POLLERR) for _, mask in end.poll()):
        pass
    os._exit(0)


def _prepare() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # Nobody reads a core of a bomb.
    # Standard error is a file that the parent looks into if this process dies. Libraries repeat themselves.
    resource.setrlimit(resource.RLIMIT_FSIZE, (_STDERR_BYTES, _STDERR_BYTES))


class _Host:
    """The one open document of this process."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._document: Document | None = None
        self._file: Any = None
        self._max_bytes, self._max_seconds = 0, 0.0
        self._base = data_bytes()
        self._standing: NDArray[np.uint8] | None = None

    def answer(self, request: dict[str, Any], descriptors: list[int]) -> dict[str, Any]:
        """What is said to one request. Never raises for anything that a document does."""
        try:
            if "open" in request:
                return self._open(request["open"], descriptors[0])
            if "page" in request:
                return self._page(request["page"])
            self._close()
            return {"done": True, "grown": data_bytes() - self._base}
        except InputError as error:
            return {"input": str(error)}
        except MemoryError:
            return {"memory": True}
        except Exception:  # noqa: BLE001 - a bug of ours: the parent says so
            return {"bug": traceback.format_exc()}

    def _open(self, wanted: dict[str, Any], descriptor: int) -> dict[str, Any]:
        from docfleet.documents.formats import open_document
        from docfleet.documents.kinds import Kind
        from docfleet.documents.pages import Limits

        self._close()
        self._file = os.fdopen(descriptor, "rb")
        kind = Kind(wanted["kind"])
        self._load_libraries(kind)
        limits = Limits(**wanted["limits"])
        self._max_bytes, self._max_seconds = limits.max_decode_bytes, limits.max_decode_seconds
        self._set_limits()
        document = self._document = open_document(
            kind,
            self._file,
            name=wanted["name"],
            limits=limits,
            pdf_dpi=wanted["pdf_dpi"],
            pdf_password=wanted["pdf_password"],
        )
        return {"count": document.count, "numbered": document.numbered, "pixels": document.pixels()}

    def _load_libraries(self, kind: Kind) -> None:
        """Before there are limits, since what libraries take is no fault of a document."""
        from docfleet.documents.formats import load_libraries

        self._set_data_limit(None)
        before = data_bytes()
        load_libraries(kind)
        self._base += data_bytes() - before
        if "PIL.Image" in sys.modules:
            # Our own limit is checked, and nobody else lives here.
            sys.modules["PIL.Image"].MAX_IMAGE_PIXELS = None  # type: ignore[attr-defined]

    def _page(self, index: int) -> dict[str, Any]:
        if self._document is None:
            raise RuntimeError("no document is open")
        self._set_limits()
        self._document.page(index, self._canvas)
        return {"done": True}

    def _canvas(self, height: int, width: int) -> NDArray[np.uint8]:
        from docfleet.documents.anonymous import STANDING_BYTES, mapped

        size = height * width * 3
        # Shared memory is none of what RLIMIT_DATA counts, and the page is to be part of what it may cost.
        if data_bytes() - self._base + size > self._max_bytes:
            raise MemoryError
        send(self._connection, {"canvas": [height, width]})
        _, descriptors = receive(self._connection)
        self._set_data_limit(self._base + self._max_bytes - size)
        memory = self._standing
        for descriptor in descriptors:  # None if the page fits into the memory that is there.
            memory = mapped(descriptor, max(size, STANDING_BYTES))
            os.close(descriptor)
        if size <= STANDING_BYTES:
            self._standing = memory
        if memory is None:
            raise RuntimeError("no memory came for a page")
        return memory[:size].reshape(height, width, 3)

    def _close(self) -> None:
        if self._document is not None:
            self._document.close()
            self._document = None
            gc.collect()  # Libraries leave circles, with a whole page in them.
        if self._file is not None:
            self._file.close()
            self._file = None

    def _set_limits(self) -> None:
        """For what comes next: opening a document, or a page of it."""
        self._set_data_limit(self._base + self._max_bytes)
        # Nobody handles its signal, so that it ends this process whatever code is running.
        signal.setitimer(signal.ITIMER_PROF, self._max_seconds)

    def _set_data_limit(self, size: int | None) -> None:
        import resource

        if sys.platform == "linux":
            _set_soft(resource.RLIMIT_DATA, size)


def _set_soft(limit: int, value: int | None) -> None:
    """Set what is kept of a limit; None for as much as this process may have."""
    import resource

    hard = resource.getrlimit(limit)[1]
    if value is None or (hard != resource.RLIM_INFINITY and value > hard):
        value = hard
    resource.setrlimit(limit, (value, hard))


def data_bytes() -> int:
    """What RLIMIT_DATA counts of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/status", encoding="ascii") as status:  # noqa: PTH123 - pathlib is not imported yet
            lines = [line for line in status if line.startswith("VmData:")]
    except OSError:
        return 0
    return int(lines[0].split()[1]) * 1024


if __name__ == "__main__":
    main()
