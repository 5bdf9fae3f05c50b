"""Request headers as text, for any bytes, and the Date header of answers."""

from __future__ import annotations

import time
from functools import lru_cache

from twisted.web.http import Request, datetimeToString

from imaged.core.accept import LONGEST, NOTHING_NAMED, Accept, parse_accept

OF_PROXIES = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
"""Headers by which a proxy says that it passes a request on."""


def header(request: Request, name: bytes) -> str | None:
    """Return a header of a request, the last of several, or None.

    Each byte becomes one character (RFC 9110, 5.5), so no bytes of a client raise an error. Given a `str` name, Twisted
    would decode UTF-8, and raise.
    """
    values = request.requestHeaders.getRawHeaders(name)
    return None if values is None else values[-1].decode("latin-1")


def accept_of(request: Request) -> Accept:
    """Return what the `Accept` headers of a request mean."""
    values = request.requestHeaders.getRawHeaders(b"accept")
    if values is None:
        return NOTHING_NAMED
    value = values[0] if len(values) == 1 else b",".join(values)
    return _accept(value) if len(value) <= LONGEST else NOTHING_NAMED


@lru_cache(maxsize=256)
def _accept(value: bytes) -> Accept:
    return parse_accept(value.decode("latin-1"))


def http_date() -> bytes:
    """Return the current time for a Date header (RFC 9110, 6.6.1), formatted once a second."""
    return http_date_at(int(time.time()))


@lru_cache(maxsize=1024)
def http_date_at(moment_s: int) -> bytes:
    """Return a time, in seconds since the epoch, as an HTTP date (RFC 9110, 5.6.7)."""
    return bytes(datetimeToString(moment_s))
