"""A proxy for an HTTP store that simulates failures and records uploads."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing sends RST, see socket(7)."""


FAULTS = ("stopped", "hung", "500", "503", "reset", "slow")


class FaultyProxy:
    """Forwards requests to `upstream`, or simulates `fault`, for new and for waiting requests.

    `calls` counts the requests by method and path, `kept` the responses 200 to PUTs by path. `twice` lists paths with
    overlapping PUTs of two running clients.
    """

    def __init__(self, upstream: str, slow_s: float = 2.0) -> None:
        self.upstream = urlsplit(upstream)
        self.slow_s = slow_s
        self.fault: str | None = None
        self.calls: Counter[tuple[str, str]] = Counter()
        self.kept: Counter[str] = Counter()
        self.failed: Counter[str] = Counter()
        self.twice: list[str] = []
        self.most_at_once = 0
        self._putting: dict[str, socket.socket] = {}
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.proxy = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """Stop accepting connections."""
        self.fault = "stopped"
        self._server.shutdown()
        self._server.server_close()

    def begin(self, path: str, client: socket.socket) -> None:
        """Record the start of a PUT."""
        with self._lock:
            other = self._putting.get(path)
            if other is not None and _lives(other):
                self.twice.append(path)
            self._putting[path] = client
            self.most_at_once = max(self.most_at_once, len(self._putting))

    def end(self, path: str, client: socket.socket) -> None:
        """Record the end of a PUT."""
        with self._lock:
            if self._putting.get(path) is client:
                del self._putting[path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    proxy: FaultyProxy

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log nothing: tests kill clients in the middle of their requests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    timeout = 60

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""

    def _serve(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = urlsplit(self.path).path
        proxy.calls[self.command, path] += 1
        put = self.command == "PUT"
        if put:
            proxy.begin(path, self.connection)
        try:
            status = self._pass_on(proxy, body)
        finally:
            if put:
                proxy.end(path, self.connection)
        if put:
            (proxy.kept if status == http.client.OK else proxy.failed)[path] += 1

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _serve  # noqa: N815  # names of http.server

    def _pass_on(self, proxy: FaultyProxy, body: bytes) -> int:
        fault = proxy.fault
        if fault == "hung":
            while proxy.fault == "hung":
                time.sleep(0.05)
            return self._drop()
        if fault in {"reset", "stopped"}:
            return self._drop()
        if fault in {"500", "503"}:
            self._answer(int(fault), [], b"<Error><Code>InternalError</Code><Message>no</Message></Error>")
            return int(fault)
        if fault == "slow":
            time.sleep(proxy.slow_s)
        connection = http.client.HTTPConnection(proxy.upstream.hostname or "", proxy.upstream.port, timeout=30)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            answer = response.read()
            headers = [
                pair for pair in response.getheaders() if pair[0].lower() not in {"connection", "content-length"}
            ]
            length = response.getheader("Content-Length") if self.command == "HEAD" else str(len(answer))
            self._answer(response.status, [*headers, ("Content-Length", length or "0")], answer)
            return response.status
        finally:
            connection.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers or [("Content-Length", str(len(body))), ("Content-Type", "application/xml")]:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _drop(self) -> int:
        self.close_connection = True
        with suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()
        return 0


def _lives(client: socket.socket) -> bool:
    """Return whether the other end is open; its process may have been killed."""
    try:
        return client.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
