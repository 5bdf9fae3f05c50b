"""Checks of the Host header (RFC 9112, 3.2): its form on both ports, and the names that the status port answers for."""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from twisted.web.http import Request

from imaged.core.errors import MalformedRequestError, MisdirectedError
from imaged.core.hashes import shorten

_HOST = re.compile(rb"(?P<host>\[[0-9A-Za-z:.%_~-]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]*)?")
"""RFC 3986, 3.2.2 and 3.2.3: a host and a port, either of which may be empty."""


def check_host(request: Request) -> None:
    """Raise MalformedRequestError unless a request has exactly one well-formed Host header (RFC 9112, 3.2).

    HTTP/1.0 may omit it.
    """
    hosts = request.requestHeaders.getRawHeaders(b"host", [])
    if not hosts and request.clientproto != b"HTTP/1.0":
        raise MalformedRequestError("the request has no Host header, which HTTP/1.1 requires: send one")
    if len(hosts) > 1:
        raise MalformedRequestError("the request has more than one Host header: send one")
    if hosts and not is_host(hosts[0]):
        raise MalformedRequestError("the Host header names no host: send a name or an address, and perhaps a port")


def is_host(text: bytes) -> bool:
    """Return whether these bytes are a host, and perhaps a port."""
    return _HOST.fullmatch(text) is not None


def check_allowed(request: Request, allowed: Sequence[str]) -> None:
    """Raise MisdirectedError when a request that `check_host` has passed names a host that is not ours.

    A web page can point its own name at an address of this network (DNS rebinding), and its browser then lets it read
    our answers. The Host header shows that name. Every address is accepted, since such a page is under a name; with a
    forwarded port, the address is another machine's. A UNIX socket accepts every name, since no browser can reach it.
    """
    name = named_host(request)
    if is_own_name(name, allowed) or getattr(request.getClientAddress(), "host", None) is None:
        return
    raise MisdirectedError(
        f"the status port does not answer for {shorten(name)}: use an address or localhost, or ask the operator to "
        "add this name to status.allow_hosts"
    )


def named_host(request: Request) -> str:
    """Return the host in the Host header of a request, without its port, in lower case, or an empty text."""
    hosts = request.requestHeaders.getRawHeaders(b"host", [])
    match = _HOST.fullmatch(hosts[0]) if hosts else None
    return match["host"].decode("ascii").lower().removesuffix(".") if match else ""


def is_own_name(name: str, allowed: Sequence[str] = ()) -> bool:
    """Return whether a host is an address, localhost, this machine's name, or allowed, so that no attacker has it."""
    ours = {"", "localhost", *(each.lower().removesuffix(".") for each in (socket.gethostname(), *allowed))}
    return name in ours or name.endswith(".localhost") or _is_address(name)


def _is_address(host: str) -> bool:
    try:
        ip_address(host[1:-1].partition("%")[0] if host.startswith("[") else host)
    except ValueError:
        return False
    return True
