"""Who a client is behind proxies: `X-Forwarded-For` from trusted peers, read from its end."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.client_addresses import MOST_HOPS, UNIX, TrustedProxies, read_address

PROXIES = TrustedProxies([ip_network("10.0.0.0/8"), ip_network("2001:db8:ffff::/48"), "unix"])
CLIENT = "198.51.100.7"


@pytest.mark.parametrize(
    ("peer", "headers", "client"),
    [
        (CLIENT, [b"203.0.113.1"], CLIENT),  # a client that writes the header itself
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [b""], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7"], CLIENT),
        ("10.0.0.1", [b"203.0.113.1, 198.51.100.7"], CLIENT),
        ("10.0.0.1", [b"203.0.113.1", b"198.51.100.7"], CLIENT),
        ("10.0.0.1", [b"203.0.113.1, 198.51.100.7, 10.0.0.2"], CLIENT),
        ("10.0.0.1", [b"203.0.113.1, 198.51.100.7", b"10.0.0.2,10.0.0.3"], CLIENT),
        ("10.0.0.1", [b"10.9.9.9, 10.0.0.2"], "10.9.9.9"),  # all are trusted: the first one asks
        ("10.0.0.1", [b"198.51.100.7, garbage"], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7, garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", [b"198.51.100.7,"], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7, unknown"], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7:1234"], CLIENT),
        ("10.0.0.1", [b"[2001:db8::7]"], "2001:db8::7"),
        ("10.0.0.1", [b"[2001:db8::7]:1234"], "2001:db8::7"),
        ("10.0.0.1", [b"2001:DB8:0::7"], "2001:db8::7"),
        ("10.0.0.1", [b"::ffff:198.51.100.7"], CLIENT),
        ("10.0.0.1", [b"198.51.100.7, ::ffff:10.0.0.2"], CLIENT),
        ("10.0.0.1", [b"fe80::1%eth0"], "fe80::1"),
        ("::ffff:10.0.0.1", [b"198.51.100.7"], CLIENT),
        ("2001:db8:ffff::1", [b"198.51.100.7, 2001:db8:ffff:1::2"], CLIENT),
        ("2001:db8:fffe::1", [b"198.51.100.7"], "2001:db8:fffe::1"),
        (UNIX, [b"198.51.100.7"], CLIENT),
        (UNIX, [], UNIX),
        ("10.0.0.1", [b"198.51.100.7, unix:"], "10.0.0.1"),  # nginx on a UNIX socket
        ("10.0.0.1", [b"x" * 100_000 + b", 198.51.100.7"], CLIENT),
        ("10.0.0.1", [b"198.51.100.7" + b" " * 80], CLIENT),
        ("10.0.0.1", [b"198.51.100.7" + b" " * 100_000], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7" + b" " * 1000 + b"x"], "10.0.0.1"),
        ("10.0.0.1", [b"fe80::1%" + b"x" * 1000], "10.0.0.1"),
        ("10.0.0.1", [b"198.51.100.7" + b", 10.0.0.2" * (MOST_HOPS - 1)], CLIENT),
        ("10.0.0.1", [b"198.51.100.7" + b", 10.0.0.2" * 1000], "10.0.0.2"),
        ("10.0.0.1", [b"198.51.100.7\xe9"], "10.0.0.1"),
    ],
)
def test_clients(peer: str, headers: list[bytes], client: str) -> None:
    """The client is the last address that a trusted proxy has told and that is no trusted proxy itself."""
    assert PROXIES.client(peer, headers) == client
    assert PROXIES.client(peer, headers) == client  # from the cache


def test_without_proxies_no_peer_is_believed() -> None:
    """The default trusts no peer."""
    none = TrustedProxies()
    assert not none.exist
    for peer in ("127.0.0.1", "::1", UNIX):
        assert none.client(peer, [b"198.51.100.7"]) == peer


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "a", "1.2.3", "1.2.3.4.5", "1.2.3.256", "01.2.3.4", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:123456"),
        *(":80", "[", "[]", "[::1", "::1]", "[::1]x", "[::1]:", "[::1]:x", "[::1]80", "1.2.3.4/24", '"1.2.3.4"'),
        *("for=1.2.3.4", "1.2.3.4 5.6.7.8", "１.2.3.4", "::1::", "_hidden", "unknown", "unix", "localhost"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    """An entry that is not exactly an address, perhaps with a port, is none."""
    assert read_address(text) is None


@given(st.ip_addresses(), st.sampled_from(["{}", " {}\t", "[{}]", "[{}]:443", "{}%1"]))
def test_every_address_is_read(address: object, form: str) -> None:
    """Each address is read in each form, and written in one."""
    parsed = ip_address(str(address).partition("%")[0])
    assert read_address(form.format(parsed)) == str(getattr(parsed, "ipv4_mapped", None) or parsed)


ENTRIES = st.one_of(
    st.ip_addresses().map(lambda each: str(each).encode()), st.binary(max_size=80), st.just(b"10.0.0.2"), st.just(b"")
)


@given(st.sampled_from(["10.0.0.1", CLIENT, UNIX]), st.lists(st.lists(ENTRIES, max_size=8), max_size=4))
def test_any_header_gives_an_address(peer: str, headers: list[list[bytes]]) -> None:
    """No header raises an error. The result is the peer or an address. What is further left changes nothing."""
    lines = [b",".join(each) for each in headers]
    client = PROXIES.client(peer, lines)
    assert client == peer or str(ip_address(client)) == client
    if not PROXIES.trusts(client):
        assert PROXIES.client(peer, [b"203.0.113.1, 10.0.0.5", *lines]) == client
