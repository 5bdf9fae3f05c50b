"""Which host a request is meant for (RFC 9112, 3.2), and the hosts that the status port answers for."""

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
    """Raise MalformedRequestError, as RFC 9112, 3.2 demands, unless a request has one well-formed Host header.

    HTTP/1.0 may do without.
    """
    hosts = request.requestHeaders.getRawHeaders(b"host", [])
    if not hosts and request.clientproto != b"HTTP/1.0":
        raise MalformedRequestError("the request has no Host header, which HTTP/1.1 demands: send one")
    if len(hosts) > 1:
        raise MalformedRequestError("the request has more than one Host header: send one")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise MalformedRequestError("the Host header names no host: send a name or an address, and perhaps a port")


def check_allowed(request: Request, allowed: Sequence[str]) -> None:
    """Raise MisdirectedError when a request that `check_host` has passed is for a name that is not ours.

    A page of the web can have its own name lead to an address of this network (DNS rebinding): to the browser, what we
    answer is then that page's to read. Its name gives it away. An address does not need to be one of this machine, for
    no page has its own name and an address at once; behind a forwarded port it is another's anyway. A UNIX socket
    answers for any name: no browser reaches it.
    """
    hosts = request.requestHeaders.getRawHeaders(b"host", [])
    match = _HOST.fullmatch(hosts[0]) if hosts else None
    name = match["host"].decode("ascii").lower().removesuffix(".") if match else ""
    ours = {"", "localhost", *(each.lower().removesuffix(".") for each in (socket.gethostname(), *allowed))}
    if name in ours or name.endswith(".localhost") or _is_address(name):
        return
    if getattr(request.getClientAddress(), "host", None) is None:
        return
    raise MisdirectedError(
        f"the status port does not answer for {shorten(name)}: ask by address or as localhost, or have the "
        "operator name this host in status.allow_hosts"
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host[1:-1].partition("%")[0] if host.startswith("[") else host)
    except ValueError:
        return False
    return True
