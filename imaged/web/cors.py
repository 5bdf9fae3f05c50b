"""The two ports as a browser sees them: what /try may ask of the public port, which is another origin to it.

The public port answers the page of its own status port and no other page of the web: the one that has the same host as
the request itself, and the scheme and the number of the status port. Whoever can put a page there has the host already.
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
    """Knows where the public port and the status port are: `urls` returns the URL of each, in this order.

    One may be `unix:PATH`, or None for a port that is not open. `settings` returns those that are in effect.
    """

    urls: Callable[[], tuple[str | None, str | None]]
    settings: Callable[[], Settings]

    def public_origin(self, host: str) -> str | None:
        """Return where a page that was asked for at `host`, a Host header, finds the public port; None for a socket."""
        return _origin(self.urls()[0], host)

    def headers(self, origin: str | None, host: str | None) -> Mapping[str, str]:
        """Return what an answer of the public port says to browsers (Fetch, 3.2), for these two headers of a request.

        No preflight is ever answered: what the page sends needs none.
        """
        if not self.settings().status.try_page:
            return {}
        varying = {"Vary": "Origin"}  # a cache must not give one page the answer for another
        try:
            own = _origin(self.urls()[1], host or "")
        except MalformedRequestError:
            return varying
        if origin is None or origin != own:
            return varying
        return varying | {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def _origin(url: str | None, host: str) -> str | None:
    """Return the origin of a port of ours at the host of a Host header. Raises MalformedRequestError for no host."""
    parts = urlsplit(url or "")
    if parts.port is None:
        return None
    if not (match := _HOST.fullmatch(host)):
        raise MalformedRequestError("the Host header names no host: ask with one")
    number = "" if parts.port == _USUAL.get(parts.scheme) else f":{parts.port}"
    return f"{parts.scheme}://{match[1].lower()}{number}"
