"""The networks that sources may not be in, unless the operator allows them.

The list is ours, because what `ipaddress` calls private differs between Python versions. It has the ranges of the IANA
special-purpose address registries (RFC 6890), each with its document, and the one public address where a cloud keeps
secrets of its machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network

FORBIDDEN_IPV4: dict[IPv4Network, str] = {
    IPv4Network("0.0.0.0/8"): "this network",  # RFC 791, 3.2
    IPv4Network("10.0.0.0/8"): "private",  # RFC 1918
    IPv4Network("100.64.0.0/10"): "shared (carrier-grade NAT)",  # RFC 6598
    IPv4Network("127.0.0.0/8"): "loopback",  # RFC 1122, 3.2.1.3
    IPv4Network("168.63.129.16/32"): "Azure platform",  # Microsoft, "What is IP address 168.63.129.16?"
    IPv4Network("169.254.0.0/16"): "link-local (cloud metadata)",  # RFC 3927
    IPv4Network("172.16.0.0/12"): "private",  # RFC 1918
    IPv4Network("192.0.0.0/24"): "IETF protocol assignments",  # RFC 6890, 2.1
    IPv4Network("192.0.2.0/24"): "documentation",  # RFC 5737
    IPv4Network("192.88.99.0/24"): "6to4 relay",  # RFC 7526
    IPv4Network("192.168.0.0/16"): "private",  # RFC 1918
    IPv4Network("198.18.0.0/15"): "benchmarking",  # RFC 2544
    IPv4Network("198.51.100.0/24"): "documentation",  # RFC 5737
    IPv4Network("203.0.113.0/24"): "documentation",  # RFC 5737
    IPv4Network("224.0.0.0/4"): "multicast",  # RFC 1112
    IPv4Network("255.255.255.255/32"): "broadcast",  # RFC 919; before 240/4, which holds it
    IPv4Network("240.0.0.0/4"): "reserved",  # RFC 1112, 4
}

FORBIDDEN_IPV6: dict[IPv6Network, str] = {
    IPv6Network("::/128"): "unspecified",  # RFC 4291, 2.5.2
    IPv6Network("::1/128"): "loopback",  # RFC 4291, 2.5.3
    IPv6Network("::/96"): "IPv4-compatible",  # RFC 4291, 2.5.5.1
    IPv6Network("::ffff:0:0:0/96"): "IPv4-translated",  # RFC 2765, 2.1
    IPv6Network("64:ff9b:1::/48"): "local-use NAT64",  # RFC 8215
    IPv6Network("100::/64"): "discard-only",  # RFC 6666
    IPv6Network("100:0:0:1::/64"): "dummy",  # RFC 9780
    IPv6Network("2001:2::/48"): "benchmarking",  # RFC 5180
    IPv6Network("2001:10::/28"): "ORCHID",  # RFC 4843
    IPv6Network("2001:20::/28"): "ORCHIDv2",  # RFC 7343
    IPv6Network("2001:db8::/32"): "documentation",  # RFC 3849
    IPv6Network("3fff::/20"): "documentation",  # RFC 9637
    IPv6Network("5f00::/16"): "segment routing",  # RFC 9602
    IPv6Network("fc00::/7"): "unique local",  # RFC 4193
    IPv6Network("fe80::/10"): "link-local",  # RFC 4291, 2.5.6
    IPv6Network("fec0::/10"): "site-local",  # RFC 3879
    IPv6Network("ff00::/8"): "multicast",  # RFC 4291, 2.7
}

GLOBAL_UNICAST = IPv6Network("2000::/3")  # RFC 4291, 2.4: IANA has assigned nothing else
MAPPED = IPv6Network("::ffff:0:0/96")  # RFC 4291, 2.5.5.2
TRANSLATED = IPv6Network("::ffff:0:0:0/96")  # RFC 2765, 2.1
COMPATIBLE = IPv6Network("::/96")  # RFC 4291, 2.5.5.1
NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, 2.1
SIX_TO_FOUR = IPv6Network("2002::/16")  # RFC 3056, 2
TEREDO = IPv6Network("2001::/32")  # RFC 4380, 4
ISATAP_IDS = (0x0000_5EFE, 0x0200_5EFE)  # RFC 5214, 6.1: the upper half of the interface identifier


def forbidden_network(address: str, allow: Sequence[Network]) -> str | None:
    """Return the range that forbids a connection to `address`, None if it is allowed.

    An address is allowed if it is in no range of the lists, or in a network of `allow`. An IPv6 address that embeds
    IPv4 addresses is allowed only if these are, too; an IPv4-mapped address counts as its IPv4 address alone. A scope
    (`fe80::1%eth0`) is ignored. A text that is no address is forbidden.

    >>> forbidden_network("::ffff:127.0.0.1", [])
    'loopback 127.0.0.0/8'
    """
    try:
        judged = ip_address(address.partition("%")[0])
    except ValueError:
        return "what is no IP address"
    for face, wrapping in _faces(judged):
        if any(face in network for network in allow):
            continue
        if (found := _find(face)) is not None:
            return f"{found} inside {wrapping}" if wrapping else found
    return None


def _find(face: IPv4Address | IPv6Address) -> str | None:
    ranges = FORBIDDEN_IPV4 if isinstance(face, IPv4Address) else FORBIDDEN_IPV6
    for network, name in ranges.items():
        if face in network:
            return f"{name} {network}"
    if isinstance(face, IPv6Address) and face not in GLOBAL_UNICAST and face not in NAT64:
        return f"what is not global unicast {GLOBAL_UNICAST}"
    return None


def _faces(address: IPv4Address | IPv6Address) -> Iterator[tuple[IPv4Address | IPv6Address, str]]:
    """Yield `address` and each address that it embeds, with the name of the embedding."""
    if isinstance(address, IPv4Address):
        yield address, ""
        return
    bits = int(address)
    if address in MAPPED:
        yield _ipv4(bits), ""
        return
    yield address, ""
    for network, name in ((COMPATIBLE, "IPv4-compatible"), (TRANSLATED, "IPv4-translated"), (NAT64, "NAT64")):
        if address in network:
            yield _ipv4(bits), f"{name} {network}"
    if address in SIX_TO_FOUR:
        yield _ipv4(bits >> 80), f"6to4 {SIX_TO_FOUR}"
    if address in TEREDO:
        yield _ipv4(bits >> 64), f"Teredo {TEREDO}"  # the server
        yield _ipv4(~bits), f"Teredo {TEREDO}"  # the client, each bit inverted
    if (bits >> 32) & 0xFFFF_FFFF in ISATAP_IDS:
        yield _ipv4(bits), "an ISATAP interface identifier"


def _ipv4(bits: int) -> IPv4Address:
    return IPv4Address(bits & 0xFFFF_FFFF)
