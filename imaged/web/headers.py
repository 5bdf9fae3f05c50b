"""Headers: of requests as text, whatever bytes they hold, and the date that every answer has."""

from __future__ import annotations

import time
from functools import lru_cache

from twisted.web.http import Request, datetimeToString


def header(request: Request, name: bytes) -> str | None:
    """Return a header of a request, its last line if it has several, or None.

    Each byte is one character, as RFC 9110, 5.5 wants it: nothing that a client sends raises. Twisted would read it as
    UTF-8 when asked by a name of text, and raise.
    """
    value = request.getHeader(name)
    return None if value is None else value.decode("latin-1")


def http_date() -> bytes:
    """Return this moment for a Date header (RFC 9110, 6.6.1), written once a second."""
    return _written(int(time.time()))


@lru_cache(maxsize=1)
def _written(moment_s: int) -> bytes:
    return bytes(datetimeToString(moment_s))
