"""No notation of an address reaches a network that the operator did not allow."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.fetch.networks import FORBIDDEN_IPV4, FORBIDDEN_IPV6, GLOBAL_UNICAST, MAPPED, NAT64, forbidden_network

WRAPPINGS: dict[str, Callable[[int], int]] = {
    "mapped ::ffff:0:0/96": lambda inner: 0xFFFF << 32 | inner,
    "compatible ::/96": lambda inner: inner,
    "translated ::ffff:0:0:0/96": lambda inner: 0xFFFF << 48 | inner,
    "NAT64 64:ff9b::/96": lambda inner: 0x64_FF9B << 96 | inner,
    "local NAT64 64:ff9b:1::/48": lambda inner: 0x64_FF9B_0001 << 80 | inner,
    "6to4 2002::/16": lambda inner: 0x2002 << 112 | inner << 80 | 1,
    "Teredo server": lambda inner: 0x2001_0000 << 96 | inner << 64 | 0xF7F7_F7F7,
    "Teredo client": lambda inner: 0x2001_0000 << 96 | 0x0808_0808 << 64 | ~inner & 0xFFFF_FFFF,
    "ISATAP": lambda inner: 0x2A00_1450 << 96 | 0x0000_5EFE << 32 | inner,
    "ISATAP, global": lambda inner: 0x2A00_1450 << 96 | 0x0200_5EFE << 32 | inner,
}
PUBLIC = [
    "1.1.1.1", "8.8.8.8", "93.184.215.14", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "11.0.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2606:4700:4700::1111", "2a00:1450:4001:81b::200e", "2001:4860:4860::8888",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1", "2620:4f:8000::1",
]  # fmt: skip
REFUSED = {
    "127.0.0.1": "loopback 127.0.0.0/8",
    "169.254.169.254": "link-local (cloud metadata) 169.254.0.0/16",
    "100.100.100.200": "shared (carrier-grade NAT) 100.64.0.0/10",
    "168.63.129.16": "Azure platform 168.63.129.16/32",
    "255.255.255.255": "broadcast 255.255.255.255/32",
    "240.0.0.1": "reserved 240.0.0.0/4",
    "::": "unspecified ::/128",
    "::1": "loopback ::1/128",
    "fd00:ec2::254": "unique local fc00::/7",
    "fe80::1%eth0": "link-local fe80::/10",
    "::ffff:127.0.0.1": "loopback 127.0.0.0/8",
    "::ffff:7f00:1%1": "loopback 127.0.0.0/8",
    "64:ff9b::10.0.0.1": "private 10.0.0.0/8 inside NAT64 64:ff9b::/96",
    "2002:a00:1::": "private 10.0.0.0/8 inside 6to4 2002::/16",
    "4000::1": "what is not global unicast 2000::/3",
    "localhost": "what is no IP address",
    "2130706433": "what is no IP address",
    "": "what is no IP address",
}

ipv4_ranges = st.sampled_from(list(FORBIDDEN_IPV4))
ipv6_ranges = st.sampled_from(list(FORBIDDEN_IPV6))
forbidden_ipv4 = ipv4_ranges.flatmap(lambda network: st.ip_addresses(v=4, network=network))
forbidden_ipv6 = ipv6_ranges.flatmap(lambda network: st.ip_addresses(v=6, network=network))
wrappings = st.sampled_from(list(WRAPPINGS))


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_pass(address: str) -> None:
    """This server may connect to public addresses."""
    assert forbidden_network(address, []) is None


@pytest.mark.parametrize("address", REFUSED)
def test_the_range_is_named(address: str) -> None:
    """The message names the range of an address."""
    assert forbidden_network(address, []) == REFUSED[address]


@given(forbidden_ipv4 | forbidden_ipv6)
def test_every_address_of_every_range_is_refused(address: IPv4Address | IPv6Address) -> None:
    """No range of the lists has a hole."""
    assert forbidden_network(str(address), []) is not None


@pytest.mark.parametrize("network", [*FORBIDDEN_IPV4, *FORBIDDEN_IPV6], ids=str)
def test_ranges_are_refused_to_their_ends(network: IPv4Network | IPv6Network) -> None:
    """The first and the last address of a range belong to it."""
    assert forbidden_network(str(network[0]), []) is not None
    assert forbidden_network(str(network[-1]), []) is not None


@given(forbidden_ipv4, wrappings)
def test_ipv6_hides_no_ipv4_address(address: IPv4Address, wrapping: str) -> None:
    """A forbidden IPv4 address is refused in every IPv6 form."""
    assert forbidden_network(str(IPv6Address(WRAPPINGS[wrapping](int(address)))), []) is not None


@given(st.ip_addresses(v=6))
def test_ipv6_is_refused_unless_it_is_known_to_be_public(address: IPv6Address) -> None:
    """Ranges that IANA has not assigned are refused."""
    if forbidden_network(str(address), []) is None:
        assert address in GLOBAL_UNICAST or address in MAPPED or address in NAT64


@given(forbidden_ipv4 | forbidden_ipv6, st.text("abcdefghij0123456789.", min_size=1))
def test_a_scope_changes_nothing(address: IPv4Address | IPv6Address, scope: str) -> None:
    """A scope does not make a forbidden address allowed."""
    assert forbidden_network(f"{address}%{scope}", []) is not None


@given(forbidden_ipv4)
def test_an_allowed_network_passes_mapped_too(address: IPv4Address) -> None:
    """An allowed network includes the IPv4-mapped form of its addresses."""
    allow = [ip_network(f"{address}/24", strict=False)]
    assert forbidden_network(str(address), allow) is None
    assert forbidden_network(f"::ffff:{address}", allow) is None


@given(forbidden_ipv6)
def test_an_allowed_ipv6_network_passes(address: IPv6Address) -> None:
    """It passes unless it embeds a forbidden IPv4 address."""
    refusal = forbidden_network(str(address), [IPv6Network(address)])
    assert refusal is None or "inside" in refusal


def test_allowing_all_of_ipv6_allows_no_ipv4() -> None:
    """An embedded address must be allowed by itself."""
    everything = [IPv6Network("::/0")]
    assert forbidden_network("fd00::1", everything) is None
    assert forbidden_network("::ffff:127.0.0.1", everything) == "loopback 127.0.0.0/8"
    assert forbidden_network("2002:7f00:1::", everything) == "loopback 127.0.0.0/8 inside 6to4 2002::/16"
    assert forbidden_network("2002:7f00:1::", [*everything, IPv4Network("127.0.0.0/8")]) is None


def test_allowing_one_network_allows_no_other() -> None:
    """Loopback does not open the private networks."""
    assert forbidden_network("10.0.0.1", [IPv4Network("127.0.0.0/8")]) == "private 10.0.0.0/8"
