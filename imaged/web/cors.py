"""Lets the page at /try read the answers of the public port, which is another origin to a browser.

No other page of the web may read them: the page's origin must have the host of the request itself, and the scheme and
the number of the status port. An attacker who can put a page there controls the host already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from imaged.config.model import Settings
from imaged.core.errors import MalformedRequestError

EXPOSED = "Server-Timing, X-Request-Id"
"""The headers of an answer that the page may read."""

_HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_USUAL = {"http": 80, "https": 443}


@dataclass(frozen=True)
class CorsPolicy:
    """Compares origins with the two ports. `urls` returns the URLs of the public port and of the status port.

    A URL may be `unix:PATH`, or None for a closed port. `settings` returns the settings in effect.
    """

    urls: Callable[[], tuple[str | None, str | None]]
    settings: Callable[[], Settings]

    def public_origin(self, host: str) -> str | None:
        """Return the public port's origin for a page requested at `host`, a Host header; None for a UNIX socket."""
        return _origin(self.urls()[0], host)

    def headers(self, origin: str | None, host: str | None) -> Mapping[str, str]:
        """Return the CORS headers (Fetch, 3.2) of an answer of the public port, by two headers of the request.

        The server answers no preflight: the requests of the page need none.
        """
        if not self.settings().status.try_page:
            return {}
        varying = {"Vary": "Origin"}  # a cache must not send one page the answer for another
        if origin is None:
            return varying
        try:
            own = _origin(self.urls()[1], host or "")
        except MalformedRequestError:
            return varying
        if origin != own:
            return varying
        return varying | {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def _origin(url: str | None, host: str) -> str | None:
    """Return the origin of a port under the host of a Host header. Raises MalformedRequestError for a bad host."""
    parts = urlsplit(url or "")
    if parts.port is None:
        return None
    if not (match := _HOST.fullmatch(host)):
        raise MalformedRequestError("the Host header names no host: send one")
    number = "" if parts.port == _USUAL.get(parts.scheme) else f":{parts.port}"
    return f"{parts.scheme}://{match[1].lower()}{number}"
