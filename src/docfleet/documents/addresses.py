"""Which addresses of the internet anybody may be sent to.

A list of URLs is often written by strangers. A URL that leads into the network of whoever reads the list (a router, a
metadata service of a cloud, a database without a password) reads what the stranger could not.
"""

from __future__ import annotations

import ipaddress

_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether a numeric address, as the system resolved it, belongs to the public internet.

    Everything else counts as private: loopback, link-local (cloud metadata), shared (carriers), multicast, reserved.
    An IPv6 address that stands for an IPv4 address is what that one is.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])  # fe80::1%eth0
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is None:
            return ip in _GLOBAL_UNICAST and ip.is_global
        ip = inner
    return ip.is_global and not ip.is_multicast
