"""A server that answers each GET as imaged answers for a picture: tagged, and to be kept for a year."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from http_server import serving


@dataclass
class CacheOrigin:
    """The tags of the answers by their paths; `asked` has the path of each request. Other paths get 404.

    `clients` has the X-Forwarded-For of each request.
    """

    port: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    clients: list[str | None] = field(default_factory=list)


@contextmanager
def cache_origin() -> Iterator[CacheOrigin]:
    """Run a server, on threads of its own."""
    origin = CacheOrigin()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 65_536  # one segment for head and body: two would wait for an acknowledgement

        def do_GET(self) -> None:
            origin.asked.append(self.path)
            origin.clients.append(self.headers["X-Forwarded-For"])
            tag = origin.tags.get(self.path)
            self.send_response(404 if tag is None else 200)
            self.send_header("Content-Length", "4")
            self.send_header("Cache-Control", "no-store" if tag is None else "public, max-age=31536000, immutable")
            if tag is not None:
                self.send_header("Cache-Tag", tag)
                self.send_header("Surrogate-Key", tag)
            if self.path.endswith(".auto"):
                self.send_header("Vary", "Accept")
            self.end_headers()
            self.wfile.write(b"body")

    with serving(Handler) as origin.port:
        yield origin
