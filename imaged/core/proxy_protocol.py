"""The header of the PROXY protocol, versions 1 and 2, with which a proxy begins a connection for one client.

Source: https://www.haproxy.org/download/2.8/doc/proxy-protocol.txt, section 2.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from imaged.core.client_addresses import UNIX, read_address
from imaged.core.errors import MalformedRequestError

LONGEST_BYTES = 4096
"""How long a header may be. Version 1 has 107 bytes at most; version 2 may add fields, which imaged skips."""

_LONGEST_LINE = 107
_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_START_2 = 16
_LINE = b"PROXY "
_PORT = rb"(?:0|[1-9][0-9]{0,4})"
_TCP = re.compile(rb"PROXY TCP([46]) ([0-9a-fA-F.:]{2,39}) ([0-9a-fA-F.:]{2,39}) (%s) (%s)" % (_PORT, _PORT))
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?")
_MOST_PORTS = 65_535

_LOCAL, _PROXY = 0x20, 0x21
_FAMILIES = {0: 0, 1: 12, 2: 36, 3: 216}
"""The bytes of the addresses of each family: none, IPv4, IPv6, UNIX."""

_TRANSPORTS = (0, 1, 2)


@dataclass(frozen=True, slots=True)
class ProxyHeader:
    """A header of `size_bytes`. `address` is the client's, or None if that is the other end of the connection."""

    address: str | None
    size_bytes: int


def read_proxy_header(data: bytes) -> ProxyHeader | None:
    """Return the header that `data` begins with, or None if more bytes are needed.

    Raises MalformedRequestError as soon as `data` cannot become a header.
    """
    if data[: len(_SIGNATURE)] == _SIGNATURE[: len(data)]:
        return _read_2(data)
    if data[: len(_LINE)] == _LINE[: len(data)]:
        return _read_1(data)
    raise _fault()


def _read_1(data: bytes) -> ProxyHeader | None:
    line, end, _ = data[:_LONGEST_LINE].partition(b"\r\n")
    if not end:
        if len(data) >= _LONGEST_LINE or b"\n" in line:
            raise _fault()
        return None
    size_bytes = len(line) + len(end)
    if _UNKNOWN.fullmatch(line):
        return ProxyHeader(None, size_bytes)
    if (match := _TCP.fullmatch(line)) is None:
        raise _fault()
    family, source, destination, *ports = match.groups()
    parse = IPv4Address if family == b"4" else IPv6Address
    try:
        client, _ = parse(source.decode()), parse(destination.decode())
    except ValueError as error:
        raise _fault() from error
    if any(int(port) > _MOST_PORTS for port in ports):
        raise _fault()
    return ProxyHeader(read_address(str(client)), size_bytes)


def _read_2(data: bytes) -> ProxyHeader | None:
    if len(data) < _START_2:
        return None
    command, family, transport = data[12], data[13] >> 4, data[13] & 0x0F
    length = int.from_bytes(data[14:_START_2], "big")
    size_bytes = _START_2 + length
    if command not in (_LOCAL, _PROXY) or size_bytes > LONGEST_BYTES:
        raise _fault()
    is_local = command == _LOCAL  # its family means nothing
    if not is_local and (family not in _FAMILIES or transport not in _TRANSPORTS or length < _FAMILIES[family]):
        raise _fault()
    if len(data) < size_bytes:
        return None
    address = None
    if not is_local and transport:
        match family:
            case 1:
                address = str(IPv4Address(data[16:20]))
            case 2:
                address = read_address(str(IPv6Address(data[16:32])))
            case 3:
                address = UNIX
    return ProxyHeader(address, size_bytes)


def _fault() -> MalformedRequestError:
    return MalformedRequestError("the connection of a trusted proxy has to begin with a PROXY header, version 1 or 2")
