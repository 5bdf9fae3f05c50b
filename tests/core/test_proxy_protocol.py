"""The PROXY protocol, versions 1 and 2."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imaged.core.client_addresses import UNIX
from imaged.core.errors import MalformedRequestError
from imaged.core.proxy_protocol import LONGEST_BYTES, ProxyHeader, read_proxy_header

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = bytes([198, 51, 100, 7, 10, 0, 0, 1, 0x12, 0x34, 0, 80])
V6 = IPv6Address("2001:db8::7").packed + IPv6Address("::1").packed + bytes([0x12, 0x34, 0, 80])
MAPPED = IPv6Address("::ffff:198.51.100.7").packed + IPv6Address("::1").packed + bytes(4)
TLV = b"\x04\x00\x03abc"


def version_2(command: int, family: int, block: bytes) -> bytes:
    """Return a header of version 2."""
    return SIGNATURE + bytes([command, family]) + len(block).to_bytes(2, "big") + block


@pytest.mark.parametrize(
    ("header", "address"),
    [
        (b"PROXY TCP4 198.51.100.7 10.0.0.1 4660 80\r\n", "198.51.100.7"),
        (b"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255"),
        (b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n", "2001:db8::7"),
        (b"PROXY TCP6 2001:DB8:0:0:0:0:0:7 ::1 1 2\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n", "198.51.100.7"),
        (b"PROXY UNKNOWN\r\n", None),
        (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", None),
        (version_2(0x21, 0x11, V4), "198.51.100.7"),
        (version_2(0x21, 0x11, V4 + TLV), "198.51.100.7"),
        (version_2(0x21, 0x12, V4), "198.51.100.7"),  # QUIC at the proxy
        (version_2(0x21, 0x21, V6), "2001:db8::7"),
        (version_2(0x21, 0x22, V6 + TLV), "2001:db8::7"),
        (version_2(0x21, 0x21, MAPPED), "198.51.100.7"),
        (version_2(0x21, 0x31, bytes(216)), UNIX),
        (version_2(0x21, 0x32, b"/run/a".ljust(216, b"\0")), UNIX),
        (version_2(0x21, 0x00, b""), None),
        (version_2(0x21, 0x00, TLV), None),
        (version_2(0x21, 0x10, V4), None),  # no transport
        (version_2(0x20, 0x00, b""), None),  # LOCAL: a health check of the proxy
        (version_2(0x20, 0x11, V4), None),
        (version_2(0x20, 0xFF, b"abc"), None),
        (version_2(0x20, 0x00, bytes(LONGEST_BYTES - 16)), None),
    ],
)
def test_headers(header: bytes, address: str | None) -> None:
    """A header is read whole, also if requests follow; each shorter piece needs more bytes."""
    expected = ProxyHeader(address, len(header))
    assert read_proxy_header(header) == expected
    assert read_proxy_header(header + b"GET / HTTP/1.1\r\n\r\n") == expected
    assert [read_proxy_header(header[:size]) for size in range(len(header))] == [None] * len(header)


@pytest.mark.parametrize(
    "data",
    [
        *(b"G", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXX", b"proxy tcp4", b"PROXY\r\n", b" PROXY", b"\r\n\r\nG"),
        *(b"PROXY TCP4\r\n", b"PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"),
        b"PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 02\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 host 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        b"PROXY TCP6 ::1::1 ::1 1 2\r\n",
        b"PROXY UNKNOWNX\r\n",
        b"PROXY UNKNOWN\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
        b"PROXY UNKNOWN " + b"x" * 100,
        b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
        version_2(0x11, 0x11, V4),
        version_2(0x31, 0x11, V4),
        version_2(0x22, 0x11, V4),
        version_2(0x21, 0x41, V4),
        version_2(0x21, 0x13, V4),
        version_2(0x21, 0x11, V4[:-1]),
        version_2(0x21, 0x21, V6[:-1]),
        version_2(0x21, 0x31, bytes(215)),
        version_2(0x21, 0x11, bytes(LONGEST_BYTES - 15)),
        SIGNATURE + b"\x21\x11\xff\xff",
    ],
)
def test_what_is_no_header(data: bytes) -> None:
    """Anything else is an error, at once or when the line ends."""
    with pytest.raises(MalformedRequestError):
        read_proxy_header(data)


@given(st.ip_addresses(), st.ip_addresses(), st.integers(0, 65_535), st.binary(max_size=50))
def test_both_versions_tell_the_same(client: object, server: object, port: int, rest: bytes) -> None:
    """The address of any client is read from either version."""
    source, destination = (
        (IPv6Address(int(each)) if isinstance(client, IPv6Address) else IPv4Address(int(each) % 2**32))  # type: ignore[call-overload]
        for each in (client, server)
    )
    family, code = ("TCP6", 0x21) if isinstance(client, IPv6Address) else ("TCP4", 0x11)
    block = source.packed + destination.packed + port.to_bytes(2, "big") + b"\x00\x50"
    one = read_proxy_header(f"PROXY {family} {source} {destination} {port} 80\r\n".encode() + rest)
    two = read_proxy_header(version_2(0x21, code, block) + rest)
    assert one is not None
    assert two is not None
    assert one.address == two.address == str(getattr(source, "ipv4_mapped", None) or source)


@given(
    st.one_of(
        st.binary(max_size=300),
        st.binary(max_size=300).map(lambda tail: SIGNATURE + b"\x21" + tail),
        st.binary(max_size=120).map(lambda tail: b"PROXY TCP" + tail),
    )
)
def test_any_bytes(data: bytes) -> None:
    """Any bytes are a header, too few, or an error; and what is an error stays one with more bytes."""
    try:
        found = read_proxy_header(data)
    except MalformedRequestError:
        with pytest.raises(MalformedRequestError):
            read_proxy_header(data + b"more")
        return
    assert found is None or found.size_bytes <= len(data)
    if found is None:
        assert len(data) < LONGEST_BYTES
