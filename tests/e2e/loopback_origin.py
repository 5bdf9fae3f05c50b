"""A source of originals on loopback, with faults by path."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler

from http_server import serving

CHUNK = b"\0" * 65536


class Origin:
    """Serves `pictures` by path; `/404`, `/endless`, `/drip`, `/to?URL` and `/slow/NAME` do what they say.

    `release` ends the wait of slow answers; `hits` counts the requests by path.
    """

    def __init__(self) -> None:
        self.pictures: dict[str, bytes] = {}
        self.hits: dict[str, int] = {}
        self.release = threading.Event()
        origin = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path, _, query = self.path.partition("?")
                origin.hits[path] = origin.hits.get(path, 0) + 1
                try:
                    origin.answer(self, path, query)
                except OSError:
                    self.close_connection = True  # the daemon closed the connection: the source is too large

        self._serving = ExitStack()
        self.url = f"http://127.0.0.1:{self._serving.enter_context(serving(Handler))}"

    def stop(self) -> None:
        """Stop the server."""
        self.release.set()
        self._serving.close()

    def answer(self, handler: BaseHTTPRequestHandler, path: str, query: str) -> None:
        """Answer one request."""
        if path == "/to":
            self._head(handler, 302, Location=query)
        elif path == "/endless":
            self._head(handler, 200)
            for _ in range(20_000):  # a bound for the test's own sake: 1.3 GB
                handler.wfile.write(CHUNK)
        elif path == "/drip":
            self._head(handler, 200)
            while not self.release.wait(0.1):
                handler.wfile.write(b"x")
        elif path.startswith("/slow/"):
            body = self.pictures[path.removeprefix("/slow/")]
            self._head(handler, 200, **{"Content-Length": str(len(body))})
            handler.wfile.write(body[:1000])
            handler.wfile.flush()
            self.release.wait(30)
            handler.wfile.write(body[1000:])
        elif (name := path[1:]) in self.pictures:
            self._head(handler, 200, **{"Content-Length": str(len(self.pictures[name]))})
            handler.wfile.write(self.pictures[name])
        else:
            self._head(handler, 404)

    @staticmethod
    def _head(handler: BaseHTTPRequestHandler, status: int, **headers: str) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
