"""Checks of the complete head of a request: its target and what it expects."""

from __future__ import annotations

import re

from twisted.web.http import Request

from imaged.core.errors import ExpectationError, MalformedRequestError, MethodNotAllowedError
from imaged.web.hosts import check_host, is_host

_ABSOLUTE = re.compile(rb"https?://(?P<authority>[^/?]*)", re.IGNORECASE)
_METHODS = ("GET", "HEAD", "POST")
_BODILESS = (b"GET", b"HEAD")
"""RFC 9110, 9.3.1: a body of theirs means nothing, and may hide a request from a proxy that ignores it."""


def check_head(request: Request, has_body: bool) -> None:  # noqa: FBT001  # as in `Site.examine`
    """Raise the ImagedError of a head that is valid HTTP, and that this server does not accept."""
    check_host(request)
    _check_target(request)
    if has_body and request.method in _BODILESS:
        raise MalformedRequestError("a GET or HEAD request has no body here: send it without one")
    _check_expectation(request, has_body)


def _check_target(request: Request) -> None:
    """Check the form of a target (RFC 9112, 3.2). The host of an absolute one replaces the Host header (3.2.2).

    After CONNECT the client may send bytes that are not HTTP. After this error imaged reads no request from them.
    """
    if request.method == b"CONNECT" or (request.method, request.uri) == (b"OPTIONS", b"*"):
        method = request.method.decode()
        raise MethodNotAllowedError(f"{method} does not work here: use {' or '.join(_METHODS)}", _METHODS)
    if request.uri.startswith(b"/"):
        return
    match = _ABSOLUTE.match(request.uri)
    if match is None or not match["authority"] or not is_host(match["authority"]):
        raise MalformedRequestError("the target of the request is no path and no http URL: send a path such as /p")
    request.requestHeaders.setRawHeaders(b"host", [match["authority"]])


def _check_expectation(request: Request, has_body: bool) -> None:  # noqa: FBT001  # as above
    """Raise ExpectationError for anything but 100-continue (RFC 9110, 10.1.1). HTTP/1.0 has no expectations."""
    given = request.requestHeaders.getRawHeaders(b"expect")
    if given is None:
        return
    expected = {each.strip() for each in b",".join(given).lower().split(b",")} - {b""}
    if request.clientproto != b"HTTP/1.0" and not expected <= {b"100-continue"}:
        raise ExpectationError("imaged meets no expectation except 100-continue: remove the header Expect")
    if not has_body or not expected:
        request.requestHeaders.removeHeader(b"expect")  # else Twisted would answer 100 to a request without a body
