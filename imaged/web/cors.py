"""Lets pages of other origins read answers of the public port (Fetch, 3.2): those that the settings name, and /try.

The page at /try is on the status port, which is another origin to a browser. Its origin must have the host of the
request itself, and the scheme and the number of the status port. An attacker who can put a page there controls the
host already.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes, urlsplit

from twisted.web.http import Request

from imaged.config.model import Settings
from imaged.config.values import ANY_ORIGIN
from imaged.core.errors import MalformedRequestError
from imaged.web.headers import header

EXPOSED = "Accept-Ranges, Content-Range, ETag, Retry-After, Server-Timing, X-Request-Id"
"""The headers of an answer that a page may read, besides those that any page may."""

PREFLIGHT_S = 7200
"""How long a browser may keep the answer to a preflight. Chromium keeps none for longer."""

_HOST = re.compile(r"([A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_USUAL = {"http": 80, "https": 443}
_READS, _WRITES = "GET, HEAD", "POST, DELETE"
_HEADERS = "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range, X-Request-Id, *"
"""The asterisk stands for any header but Authorization."""

_PERMITTED = {
    "Access-Control-Allow-Headers": _HEADERS,
    "Access-Control-Max-Age": str(PREFLIGHT_S),
}


@dataclass(frozen=True)
class CorsPolicy:
    """Compares origins with the settings and the two ports. `urls` returns the URLs of the public and the status port.

    A URL may be `unix:PATH`, or None for a closed port. `settings` returns the settings in effect.
    """

    urls: Callable[[], tuple[str | None, str | None]]
    settings: Callable[[], Settings]

    def public_origin(self, host: str) -> str | None:
        """Return the public port's origin for a page requested at `host`, a Host header; None for a UNIX socket."""
        return _origin(self.urls()[0], host)

    def headers(self, request: Request) -> Mapping[str, str]:
        """Return the CORS headers of an answer of the public port.

        `*` in the settings lets any page read. Only pages whose origin is listed, and /try, may also read the answer
        to a POST or a DELETE.
        """
        settings = self.settings()
        origins, try_page = settings.web_origins(_namespace(request.path)), settings.status.try_page
        if not origins and not try_page:
            return {}
        if ANY_ORIGIN in origins and not _writes(request):
            return _sharing_with(ANY_ORIGIN)
        varying = {"Vary": "Origin"}  # a cache must not send one page the answer for another
        origin = header(request, b"origin")
        if origin is None or origin == ANY_ORIGIN:
            return varying
        if origin in origins or (try_page and self._is_try_page(origin, header(request, b"host") or "")):
            return varying | _sharing_with(origin)
        return varying

    def preflight(self, request: Request) -> Mapping[str, str] | None:
        """Return the further headers of the answer to a preflight, or None for a request that is none.

        Where nothing is shared, no request counts as a preflight. A browser keeps the answer for other requests of the
        page to this path: one for any page permits no writes.
        """
        if request.method != b"OPTIONS" or header(request, b"access-control-request-method") is None:
            return None
        allowed = self.headers(request).get("Access-Control-Allow-Origin")
        if allowed is None:
            return {} if self.settings().web_origins(_namespace(request.path)) else None
        methods = _READS if allowed == ANY_ORIGIN else f"{_READS}, {_WRITES}"
        return {"Access-Control-Allow-Methods": methods, **_PERMITTED}

    def _is_try_page(self, origin: str, host: str) -> bool:
        try:
            return origin == _origin(self.urls()[1], host)
        except MalformedRequestError:
            return False


def _namespace(path: bytes) -> str:
    """Return the first segment of a path, as text: the namespace, if the path has one."""
    segment = path[1:].partition(b"/")[0]
    return (unquote_to_bytes(segment) if b"%" in segment else segment).decode("latin-1")


def _writes(request: Request) -> bool:
    """Return whether a request is a POST or a DELETE, or the preflight of one."""
    method = request.method
    if method == b"OPTIONS":
        method = (header(request, b"access-control-request-method") or "").encode("latin-1")
    return method in {b"POST", b"DELETE"}


def _sharing_with(origin: str) -> dict[str, str]:
    return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": EXPOSED}


def _origin(url: str | None, host: str) -> str | None:
    """Return the origin of a port under the host of a Host header. Raises MalformedRequestError for a bad host."""
    parts = urlsplit(url or "")
    if parts.port is None:
        return None
    if not (match := _HOST.fullmatch(host)):
        raise MalformedRequestError("the Host header names no host: send one")
    number = "" if parts.port == _USUAL.get(parts.scheme) else f":{parts.port}"
    return f"{parts.scheme}://{match[1].lower()}{number}"
