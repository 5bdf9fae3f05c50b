"""Which requests count as those of one client."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

IPV6_SUBNET_BITS = 64
"""The smallest subnet of one customer (RFC 6177), who may use another address for each request."""


def client_key(address: str) -> str:
    """Return the key of a client: its IPv4 address, or the /64 of its IPv6 address; else `address` itself."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # a UNIX socket
        return address
    if parsed.version == 6:  # noqa: PLR2004  # IPv6
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((int(parsed), IPV6_SUBNET_BITS), strict=False))
    return str(parsed)
