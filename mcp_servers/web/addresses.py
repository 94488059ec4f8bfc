"""Which addresses and ports a fetch may reach: those of the public internet, nothing else.

A page names the address of its links, so whoever writes a page would otherwise reach whatever
this machine reaches: its own services, the home router, a cloud's metadata.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

PORTS = frozenset({80, 443})

# RFC 6890 and its successors: what is not for the public internet. Listed here, since what
# `ipaddress` knows differs between releases of Python.
_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carriers' NAT; a cloud's metadata is at 100.100.100.200
        "127.0.0.0/8",
        "168.63.129.16/32",  # a cloud's control service behind an address that looks public
        "169.254.0.0/16",  # link-local, and the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
# Everything else of IPv6 is loopback, link-local, private, multicast, IPv4-mapped or unassigned.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(text)
    for text in (
        "2001::/23",  # Teredo, benchmarks, ORCHID
        "2001:db8::/32",
        "2002::/16",  # 6to4, which has an IPv4 address inside
        "3fff::/20",
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


@dataclass(frozen=True)
class Policy:
    """What a fetch may reach. `local` are addresses with ports that the user opened."""

    local: frozenset[tuple[str, int]] = frozenset()

    def allows_port(self, port: int) -> bool:
        return port in PORTS or any(port == opened for _, opened in self.local)

    def allows(self, address: str, port: int) -> bool:
        """Whether a connection may be made; `address` is an IP address as text."""
        if is_public(address):
            return port in PORTS
        return (address, port) in self.local

    def is_local(self, host: str, port: int) -> bool:
        """Whether a URL's host names one of the opened addresses."""
        names = {host} | ({"127.0.0.1", "::1"} if host == "localhost" else set())
        return any((name, port) in self.local for name in names)


def is_public(address: str) -> bool:
    """Whether `address` is of the public internet; what is no address is not."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv4Address):
        return not any(found in network for network in _NOT_PUBLIC_V4)
    if found in _NAT64:
        # How a network without IPv4 reaches it: the address that counts is inside.
        return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
    return (
        found.scope_id is None
        and found in _GLOBAL_V6
        and not any(found in network for network in _NOT_PUBLIC_V6)
    )


def parse_local(text: str) -> frozenset[tuple[str, int]]:
    """Addresses with ports from '127.0.0.1:3000, localhost:8000, [::1]:80'.

    Raises:
        ValueError: an entry is no address with a port.
    """
    found: set[tuple[str, int]] = set()
    for entry in filter(None, (part.strip() for part in text.split(","))):
        host, _, port = entry.rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{entry!r} is no address with a port: write 127.0.0.1:3000")
        if host == "localhost":
            found |= {("127.0.0.1", int(port)), ("::1", int(port))}
            continue
        try:
            found.add((str(ipaddress.ip_address(host)), int(port)))
        except ValueError as error:
            raise ValueError(
                f"{entry!r} is no address with a port: write 127.0.0.1:3000"
            ) from error
    return frozenset(found)
