"""The proxies that this machine's owner has set (`https_proxy`, `no_proxy`; the system's own on macOS)."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy."""

    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    """What it wants to be told: who we are."""


def proxy_for(scheme: str, host: str) -> Proxy | None:
    """The proxy for URLs of a scheme on a host, if there is one. Raises ValueError for one that cannot be used."""
    from urllib.request import getproxies, proxy_bypass  # 20 ms that only the fetching of a URL should cost.

    found = getproxies().get(scheme)
    if not found or proxy_bypass(host):
        return None
    parts = urlsplit(found if "://" in found else f"http://{found}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError(f"the proxy for {scheme} cannot be used: only http:// proxies can")
    headers = {}
    if parts.username is not None:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(login.encode()).decode("ascii")
    return Proxy(parts.hostname, parts.port or 80, headers)
