"""A web server on this machine for tests, and a proxy. They write HTTP by hand, to write it badly too."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

Handler = Callable[[str, dict[str, str], socket.socket], None]
"""Answers one request: its target, its headers in lower case, and the connection."""


class Server:
    """Answers each connection in a thread of its own."""

    def __init__(self, handler: Handler, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._handler = handler
        self._context = context
        self._socket = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.port = self._socket.getsockname()[1]
        self.requests: list[tuple[str, dict[str, str]]] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(20)
        with suppress(OSError):
            if self._context is not None:
                connection = self._context.wrap_socket(connection, server_side=True)
            with connection:
                self.handle(connection)
        connection.close()

    def handle(self, connection: socket.socket) -> None:
        """Read one request and have it answered."""
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part or part.startswith(b"\x16"):  # The end, or somebody who speaks TLS.
                return
            head += part
        first, *lines = head.split(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        method, target, _ = first.split(" ")
        self.requests.append((f"{method} {target}" if method != "GET" else target, headers))
        self._handler(target, headers, connection)

    def close(self) -> None:
        # close() alone does not wake a thread that waits in accept().
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()


@contextmanager
def serving(handler: Handler, **options: object) -> Iterator[Server]:
    server = Server(handler, **options)  # type: ignore[arg-type]
    try:
        yield server
    finally:
        server.close()


def answer(body: bytes = b"", *, status: str = "200 OK", **headers: str) -> Handler:
    """A handler that always says the same; `Content_Length=""` leaves a header out."""
    found = {"Content-Length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in found.items() if value), "", ""]
    raw = "\r\n".join(lines).encode("latin-1") + body
    return lambda _target, _headers, connection: connection.sendall(raw)


def redirect(location: str, status: str = "302 Found") -> Handler:
    return answer(status=status, Location=location)


def routes(table: dict[str, Handler]) -> Handler:
    """Handlers by target; what is not there is not found."""
    missing = answer(status="404 Not Found")
    return lambda target, headers, connection: table.get(target, missing)(target, headers, connection)


class Proxy(Server):
    """An HTTP proxy with CONNECT, which leads every host to one port of this machine."""

    def __init__(self, port: int, *, refuse: bool = False) -> None:
        super().__init__(self._lead)
        self._target = port
        self._refuse = refuse

    def _lead(self, target: str, headers: dict[str, str], connection: socket.socket) -> None:
        if self._refuse:
            connection.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        with socket.create_connection(("127.0.0.1", self._target), timeout=20) as onward:
            if "://" in target:
                path = "/" + target.split("/", 3)[3]
                lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
                onward.sendall("\r\n".join(lines).encode("latin-1"))
            else:
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(onward, connection))
            back.start()
            _pump(connection, onward)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
