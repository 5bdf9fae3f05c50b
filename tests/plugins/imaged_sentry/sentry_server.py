"""A server on loopback that accepts envelopes as Sentry does, and keeps their events."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler
from threading import Condition
from typing import Any

from http_server import serving

KEY = "0123456789abcdef0123456789abcdef"
LONGEST_S = 30.0


class SentryServer:
    """Accepts events for project 1; `heard` are the events, `requests` their headers and bodies."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.requests: list[tuple[str, Mapping[str, str], bytes]] = []
        self._changed = Condition()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # http.server's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                outer._take(self.path, dict(self.headers), body)
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

        self._serving = ExitStack()
        self._port = self._serving.enter_context(serving(Handler))

    @property
    def dsn(self) -> str:
        """The DSN for the options."""
        return f"http://{KEY}@127.0.0.1:{self._port}/1"

    def wait(self, count: int) -> list[dict[str, Any]]:
        """Wait for so many events, and return them."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.events) >= count, LONGEST_S), self.events
            return list(self.events)

    def close(self) -> None:
        """Stop the server."""
        self._serving.close()

    def _take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        """Read an envelope: a line of JSON, then for each item a line of JSON and its payload."""
        with self._changed:
            self.requests.append((path, headers, body))
            _, *lines = body.splitlines()
            for about, payload in zip(lines[::2], lines[1::2], strict=True):
                if json.loads(about)["type"] == "event":
                    self.events.append(json.loads(payload))
            self._changed.notify_all()
