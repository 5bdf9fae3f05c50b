"""Which requests count as those of one client."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_network

from imaged.core.client_addresses import parse_address

IPV6_SUBNET_BITS = 64
"""The smallest subnet of one customer (RFC 6177), who may use another address for each request."""


@lru_cache(maxsize=4096)
def client_key(address: str) -> str:
    """Return the key of a client: its IPv4 address, or the /64 of its IPv6 address; else `address` itself."""
    parsed = parse_address(address)
    if parsed is None:  # a UNIX socket
        return address
    return str(ip_network((parsed, IPV6_SUBNET_BITS), strict=False) if isinstance(parsed, IPv6Address) else parsed)


REQUESTS, POSTS, RENDERS, CONNECTIONS = "requests_per_s", "posts_per_minute", "renders_per_minute", "connections"
LIMITS = (REQUESTS, POSTS, RENDERS, CONNECTIONS)
"""What clients may have limits of, by the keys of the settings."""


@dataclass(frozen=True, slots=True)
class Charge:
    """Counts the work that a request of a client begins. Raises TooManyRequestsError if it may not begin any now.

    `outputs` counts new outputs; 0 counts none, and a number below 0 gives some back. `fetch` counts an original that
    has to come from the remote store or from an origin, whether it is there or not.
    """

    outputs: Callable[[int], None]
    fetch: Callable[[], None]


NO_CHARGE = Charge(lambda _outputs: None, lambda: None)
"""Counts nothing."""
