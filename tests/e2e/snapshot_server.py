"""A status port whose snapshot is what a test wants it to be, and that counts how it is asked."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from imaged.core.snapshot import Snapshot
from imaged.statuspage.page_files import status_page
from imaged.statuspage.status_json import to_json

SLOW_S = 1.5
"""How long a slow answer takes: longer than the page waits between two."""


class SnapshotServer:
    """Serves the real page filled with `first` at `/` and with `now` at `/now`, and `now` at `/status.json`."""

    def __init__(self, first: Snapshot, now: Snapshot) -> None:
        self.first, self.now = first, now
        self.slow = False
        self.asked = self.asking = self.most_at_once = 0
        self._page = status_page()
        self._lock = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        """Answer one request."""
        if handler.path == "/status.json":
            with self._lock:
                self.asked += 1
                self.asking += 1
                self.most_at_once = max(self.most_at_once, self.asking)
            if self.slow:
                time.sleep(SLOW_S)  # what is tested is a server that takes its time
            with self._lock:
                self.asking -= 1
            body, content_type = json.dumps(to_json(self.now)).encode(), "application/json"
        else:
            values = self.now if handler.path == "/now" else self.first
            body, content_type = self._page.render(to_json(values)), "text/html; charset=utf-8"
        handler.send_response(200)
        handler.send_header("Content-Type", content_type)
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("Content-Security-Policy", self._page.policy())
        handler.end_headers()
        handler.wfile.write(body)
