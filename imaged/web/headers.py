"""Headers of requests as text, whatever bytes they hold."""

from __future__ import annotations

from twisted.web.http import Request


def header(request: Request, name: bytes) -> str | None:
    """Return a header of a request, its last line if it has several, or None.

    Each byte is one character, as RFC 9110, 5.5 wants it: nothing that a client sends raises. Twisted would read it as
    UTF-8 when asked by a name of text, and raise.
    """
    value = request.getHeader(name)
    return None if value is None else value.decode("latin-1")
