"""A status port that serves the test's snapshot and counts the requests of the page's script."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

from http_server import serving

from imaged.core.snapshot import Snapshot
from imaged.statuspage.page import status_page

SLOW_S = 1.5
"""The duration of a slow answer: longer than the interval of the page's requests."""


class SnapshotServer:
    """Serves the page of `first` at `/`, and that of `now` at `/status`, which the script fetches, and at `/now`."""

    def __init__(self, first: Snapshot, now: Snapshot) -> None:
        self.first, self.now = first, now
        self.slow = False
        self.requests = self.in_flight = self.most_at_once = 0
        self._page = status_page()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

        self._serving = ExitStack()
        self.url = f"http://127.0.0.1:{self._serving.enter_context(serving(Handler))}"

    def close(self) -> None:
        """Stop the server."""
        self._serving.close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if handler.path == "/status":
            with self._lock:
                self.requests += 1
                self.in_flight += 1
                self.most_at_once = max(self.most_at_once, self.in_flight)
            if self.slow:
                time.sleep(SLOW_S)  # the test is about a slow server
            with self._lock:
                self.in_flight -= 1
        body = self._page.render(now=self.first if handler.path == "/" else self.now)
        handler.send_response(200)
        handler.send_header("Content-Type", "text/html; charset=utf-8")
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Content-Security-Policy", self._page.policy())
        handler.end_headers()
        handler.wfile.write(body)
