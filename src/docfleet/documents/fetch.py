"""From a URL to bytes, within limits, and not into private networks.

      url --> host --resolve--> addresses --public?--> connect to that very address --> status --> body
       ^                                                                                  |
       +-------------------------------- a redirect: the same again ---------------------+

The address that was checked is the one that is connected to; a name that resolves differently a moment later (DNS
rebinding) gains nothing. One deadline covers everything, so a server that sends a byte a second does not hold a worker
up. Nothing is written to a disk.

Behind a proxy the address cannot be known, and what cannot be known counts as private.
"""

from __future__ import annotations

import http.client
import io
import math
import socket
import ssl
import time
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from docfleet.documents.addresses import is_public
from docfleet.documents.checks import advice
from docfleet.documents.pages import Limits
from docfleet.documents.proxies import Proxy, proxy_for
from docfleet.documents.sources import printable
from docfleet.errors import InputError

SCHEMES = frozenset({"http", "https"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHUNK = 256 * 1024
_CONNECT_S = 10.0
"""For one address of a host; then the next one is tried."""
_URL_CHARACTERS = "/?#[]@!$&'()*+,;=:%-._~"
"""Not touched when a URL is made ASCII: whoever wrote it has escaped what had to be."""


def fetch(url: str, *, name: str, limits: Limits, private: bool, redirects_to_private: bool) -> bytes:
    """What is at `url`, with http or https.

    Args:
        url: as the user gave it.
        name: what messages call it.
        limits: `max_url_bytes`, `max_url_seconds`, `max_url_redirects`.
        private: whether its address may belong to a private network.
        redirects_to_private: whether a public address may send us to a private one. A private one may, if `private`.

    Raises InputError for everything that can go wrong.
    """
    deadline = time.monotonic() + limits.max_url_seconds
    try:
        for _ in range(limits.max_url_redirects + 1):
            with _Visit(_split(url, name), name=name, deadline=deadline, private=private) as visit:
                target = visit.redirect()
                if target is None:
                    return visit.body(limits)
                private = redirects_to_private or (private and visit.was_private)
            url = urljoin(url, target)
    except TimeoutError as error:
        raise InputError(
            f"{name}: not there within the limit of {limits.max_url_seconds:g} s; raise max_url_seconds if it is worth "
            "waiting for"
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise InputError(f"{name}: cannot be fetched: {_words(error)}") from error
    raise InputError(
        f"{name}: redirected more often than the limit of {limits.max_url_redirects}; {advice('max_url_redirects')}"
    )


def _split(url: str, name: str) -> SplitResult:
    parts = urlsplit(quote(url, safe=_URL_CHARACTERS))
    if parts.scheme.lower() not in SCHEMES:
        raise InputError(f"{name}: leads to {printable(parts.scheme)}://, and only http and https are fetched")
    if not parts.hostname:
        raise InputError(f"{name}: names no host")
    if parts.username is not None or parts.password is not None:
        raise InputError(f"{name}: a user name or password in a URL is not sent; fetch it yourself and pass the file")
    return parts


class _Visit:
    """One request and its answer. A context manager."""

    def __init__(self, url: SplitResult, *, name: str, deadline: float, private: bool) -> None:
        self._name = name
        # A host is no URL: "bücher.example" was escaped with the rest, and is an international domain name.
        host = _host_of(url)
        where = f"[{host}]" if ":" in host else host
        secure = url.scheme.lower() == "https"
        port = url.port or (443 if secure else 80)
        proxy = proxy_for(url.scheme.lower(), host)
        self._connection = http.client.HTTPConnection(host, port)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        headers = {
            "Host": where if url.port is None else f"{where}:{port}",
            "User-Agent": "docfleet",
            "Accept": "*/*",
            "Accept-Encoding": "identity",
            "Connection": "close",
        }
        try:
            self._connection.sock, self.was_private = _connect(host, port, proxy, secure, private, name, deadline)
            if proxy is not None and not secure:
                target = f"http://{headers['Host']}{target}"
                headers |= proxy.headers
            self._connection.request("GET", target, headers=headers)
            self._answer = self._connection.getresponse()
        except BaseException:
            self._connection.close()
            raise

    def __enter__(self) -> _Visit:
        return self

    def __exit__(self, *_: object) -> None:
        self._answer.close()
        self._connection.close()

    def redirect(self) -> str | None:
        """Where the answer sends us instead, if it does."""
        return self._answer.headers["Location"] if self._answer.status in _REDIRECTS else None

    def body(self, limits: Limits) -> bytes:
        """What was asked for."""
        if self._answer.status != 200:
            reason = printable(self._answer.reason)
            raise InputError(f"{self._name}: the server answers {self._answer.status} {reason}".rstrip())
        encoding = printable(self._answer.headers.get("Content-Encoding", "identity"))
        if encoding.lower() != "identity":
            raise InputError(f"{self._name}: the server sends it compressed ({encoding}), which was not asked for")
        length = self._answer.length
        over = InputError(
            f"{self._name}: more bytes than the limit of {limits.max_url_bytes:,} for downloads; "
            + advice("max_url_bytes")
        )
        if length is not None and length > limits.max_url_bytes:
            raise over
        data = io.BytesIO()
        while chunk := self._answer.read(_CHUNK):
            data.write(chunk)
            if data.tell() > limits.max_url_bytes:
                raise over
        if length is not None and data.tell() < length:
            raise InputError(f"{self._name}: the connection ended after {data.tell():,} of {length:,} bytes")
        return data.getvalue()


def _host_of(url: SplitResult) -> str:
    host = unquote(url.hostname or "")
    return host if host.isascii() else host.encode("idna").decode("ascii")


def _connect(
    host: str, port: int, proxy: Proxy | None, secure: bool, private: bool, name: str, deadline: float
) -> tuple[socket.socket, bool]:
    """A socket that leads to the host, and whether it may lead into a private network."""
    if proxy is not None:
        if not private:
            raise InputError(
                f"{name}: a proxy stands before it, so that nobody knows whether its address is private; "
                "allow_private_urls=True if the list of URLs can be trusted"
            )
        sock, was_private = _dial(proxy.host, proxy.port, True, name, deadline)[0], True
        if secure:
            _tunnel(sock, host, port, proxy)
    else:
        sock, was_private = _dial(host, port, private, name, deadline)
    if not secure:
        return sock, was_private
    context = ssl.create_default_context()
    context.sslsocket_class = _TlsSocket
    try:
        sock.settimeout(_left(deadline))
        tls = context.wrap_socket(sock, server_hostname=host)
    except BaseException:
        sock.close()
        raise
    assert isinstance(tls, _TlsSocket)
    tls.deadline = deadline
    return tls, was_private


def _dial(host: str, port: int, private: bool, name: str, deadline: float) -> tuple[_PlainSocket, bool]:
    refused: str | None = None
    failed: OSError | None = None
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        numeric = str(address[0])
        public = is_public(numeric)
        if not public and not private:
            refused = numeric
            continue
        sock = _PlainSocket(family, kind, protocol)
        sock.deadline = deadline
        try:
            sock.settimeout(min(_CONNECT_S, _left(deadline)))
            sock.connect(address)
        except OSError as error:
            sock.close()
            failed = error
            continue
        return sock, not public
    if failed is None and refused is not None:
        raise InputError(
            f"{name}: leads to {refused}, which is not an address of the public internet; "
            "allow_private_urls=True if the list of URLs can be trusted"
        )
    raise failed or OSError("the host has no address")


def _tunnel(sock: socket.socket, host: str, port: int, proxy: Proxy) -> None:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [
        f"CONNECT {where} HTTP/1.1",
        f"Host: {where}",
        *(f"{key}: {value}" for key, value in proxy.headers.items()),
    ]
    try:
        sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        answer = http.client.HTTPResponse(sock, method="CONNECT")
        answer.begin()
        answer.close()
        if answer.status != 200:
            raise OSError(f"the proxy answers {answer.status} {printable(answer.reason)}")
    except BaseException:
        sock.close()
        raise


# Sockets that stop reading at a deadline, however slowly the bytes drip in: a timeout begins anew with each of them.


class _PlainSocket(socket.socket):
    deadline = math.inf

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_left(self.deadline))
        return super().recv_into(*args, **kwargs)


class _TlsSocket(ssl.SSLSocket):
    deadline = math.inf

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(_left(self.deadline))
        return super().recv_into(*args, **kwargs)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _words(error: Exception) -> str:
    return printable(" ".join(str(getattr(error, "strerror", None) or error).split())) or type(error).__name__
