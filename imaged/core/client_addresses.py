"""The address of a client behind proxies: who may tell it, and what `X-Forwarded-For` tells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Proxy = IPv4Network | IPv6Network | Literal["unix"]

UNIX = "unix"
"""The address of every client of a UNIX socket."""

MOST_HOPS = 20
"""How many addresses of `X-Forwarded-For` are read, from its end."""

_LONGEST = 100
"""How long an entry may be, and what is kept of it. An address with brackets, scope and port is shorter."""

_ENTRY = re.compile(r"\[(?P<bracketed>[^\]]*)\](?::[0-9]{1,5})?|(?P<ipv4>[^:]*):[0-9]{1,5}|(?P<plain>.*)")
_MAPPED = "::ffff:"
_KEPT = 1024


def is_of_this_machine(address: str) -> bool:
    """Return whether the address of a client is one of the loopback, or that of a UNIX socket."""
    parsed = parse_address(address)
    return address == UNIX if parsed is None else parsed.is_loopback


class TrustedProxies:
    """The proxies that are believed when they say for which client they speak."""

    def __init__(self, proxies: Sequence[Proxy] = ()) -> None:
        self._networks = [each for each in proxies if not isinstance(each, str)]
        self._has_unix = UNIX in proxies
        self.exist = bool(proxies)
        self.trusts = lru_cache(maxsize=_KEPT)(self._trusts)
        self._find = lru_cache(maxsize=_KEPT)(self._find_client)

    def _trusts(self, address: str) -> bool:
        """Return whether an address is that of a trusted proxy."""
        if address == UNIX:
            return self._has_unix
        parsed = parse_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: str, forwarded: Sequence[bytes]) -> str:
        """Return the address of the client of a request that came from `peer`, with these `X-Forwarded-For` headers.

        Each proxy adds the address that it sees to the end of the list, so the list is read from its end, for as long
        as the proxy that added an address is trusted. What a client writes itself stands further left. An entry that is
        no address ends the list.
        """
        if not self.trusts(peer):
            return peer
        hops = b",".join(forwarded).rsplit(b",", MOST_HOPS)[-MOST_HOPS:]
        return self._find(peer, *(hop if len(hop) <= _LONGEST else b"" for hop in hops))

    def _find_client(self, peer: str, *hops: bytes) -> str:
        client = peer
        for hop in reversed(hops):
            address = read_address(hop.decode("latin-1"))
            if address is None:
                break
            client = address
            if not self._trusts(client):
                break
        return client


def peer_of(address: object) -> str:
    """Return the address in what a transport says of its other end, an IPv4-mapped one as IPv4, or UNIX."""
    host: str = getattr(address, "host", None) or UNIX
    return read_address(host) or host if host.startswith(_MAPPED) else host


def read_address(text: str) -> str | None:
    """Return the address in an entry of `X-Forwarded-For`, which may have a port, or None.

    >>> read_address(" [2001:DB8::1]:443")
    '2001:db8::1'
    """
    entry = _ENTRY.fullmatch(text.strip(" \t"))
    parsed = None if entry is None else parse_address(entry["bracketed"] or entry["ipv4"] or entry["plain"] or "")
    return None if parsed is None else str(parsed)


def parse_address(address: str) -> IPv4Address | IPv6Address | None:
    """Return an address without its scope, an IPv4-mapped one as IPv4, or None."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return getattr(parsed, "ipv4_mapped", None) or parsed
