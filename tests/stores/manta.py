"""A simulated Manta: an HTTP server on the loopback address that verifies signatures as Manta does.

Its responses follow Manta's front end, and the reference client runs against it. It simulates faults on demand.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from manta_identity import PRIVATE, Refused, User, md5_id, verify
from manta_tree import Entry, Tree


@dataclass(frozen=True)
class ReceivedRequest:
    """One received request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class MantaDouble:
    """The store. `tree` has its content, `received` the requests; `unsigned_as` is the account of unsigned requests."""

    def __init__(self, account: str = "poseidon", unsigned_as: str | None = None) -> None:
        self.account = account
        self.unsigned_as = unsigned_as
        self.tree = Tree()
        self.users: dict[str, User] = {f"/{account}": User()}
        self.received: list[ReceivedRequest] = []
        self.most_at_once = 0
        self._at_once = 0
        self._lock = threading.Lock()
        self._faults: list[tuple[str, Callable[[Handler], bool]]] = []
        self.ended = threading.Event()
        self._connections: set[socket.socket] = set()
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The base URL."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def add_key(self, private: PRIVATE, user: str = "", roles: tuple[str, ...] = ()) -> str:
        """Add a key of the account, or of a user with roles. Return its fingerprint."""
        who = f"/{self.account}/{user}" if user else f"/{self.account}"
        self.users.setdefault(who, User(roles=frozenset(roles))).keys[md5_id(private)] = private.public_key()
        return md5_id(private)

    def misbehave(self, fault: str, method: str = "", times: int = 1) -> None:
        """Simulate a fault for the next `times` requests of a method; Handler lists the faults."""

        def is_meant(handler: Handler) -> bool:
            return not method or handler.command == method

        self._faults += [(fault, is_meant)] * times

    def next_sin(self, handler: Handler) -> str:
        """Return the fault to simulate now, "" for none."""
        with self._lock:
            for place, (fault, is_meant) in enumerate(self._faults):
                if is_meant(handler):
                    del self._faults[place]
                    return fault
        return ""

    def note(self, asked: ReceivedRequest, change: int) -> None:
        """Count requests."""
        with self._lock:
            if change > 0:
                self.received.append(asked)
            self._at_once += change
            self.most_at_once = max(self.most_at_once, self._at_once)

    def methods(self) -> list[str]:
        """Return the methods of all requests, in order."""
        return [each.method for each in self.received]

    def start(self) -> MantaDouble:
        """Start the server, with a thread for each connection."""

        class Server(ThreadingHTTPServer):
            daemon_threads = False
            request_queue_size = 100

        def handler(*arguments: Any) -> Handler:
            return Handler(self, *arguments)

        self._server = Server(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Close every connection and end every thread."""
        assert self._server is not None
        self.ended.set()
        self._server.shutdown()
        self.drop_connections()
        self._server.server_close()
        self._thread.join()

    def drop_connections(self) -> None:
        """Close all connections, as a server does with idle ones."""
        with self._lock:
            for connection in self._connections:
                with suppress(OSError):  # its client has reset it
                    connection.shutdown(socket.SHUT_RDWR)

    def connected(self, connection: socket.socket, *, is_open: bool) -> None:
        """Record an opened or closed connection."""
        with self._lock:
            (self._connections.add if is_open else self._connections.discard)(connection)


class Handler(BaseHTTPRequestHandler):
    """One connection.

    Faults: `slow` (a tenth of a second), `hang`, `half` (half a response, then hang), `reset`, `close`, `short` (less
    than Content-Length), `garble` (bytes that do not match the MD5), `forbid`, `early` (a response before the body is
    read), `page` (a 404 of another server), `unsized` (no Content-Length), and a status such as `503`.
    """

    protocol_version = "HTTP/1.1"
    server_version = "Manta"

    def __init__(self, double: MantaDouble, *arguments: Any) -> None:
        self._double = double
        super().__init__(*arguments)

    def setup(self) -> None:
        """Record the connection."""
        super().setup()
        self._double.connected(self.connection, is_open=True)

    def finish(self) -> None:
        """Remove the connection."""
        self._double.connected(self.connection, is_open=False)
        super().finish()

    def handle(self) -> None:
        """Handle requests until the client disconnects."""
        try:
            super().handle()
        except ConnectionError:
            self.close_connection = True

    def do_any(self) -> None:
        """Handle one request."""
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = ReceivedRequest(self.command, unquote(parts.path).rstrip("/"), query, headers)
        self._double.note(asked, 1)
        fault = self._double.next_sin(self)
        try:
            if fault == "early":
                self.close_connection = True  # the body is not read
                raise Refused(503, "ServiceUnavailable", "manta is unable to serve this request")
            body = self._body()
            self._sin(fault)
            self._allowed(asked)
            self._answer(asked, body, fault)
        except Refused as refused:
            self._refuse(refused)
        finally:
            self._double.note(asked, -1)

    do_GET = do_HEAD = do_PUT = do_DELETE = do_any  # noqa: N815  # the library's names

    def log_message(self, *arguments: Any) -> None:
        """Log nothing."""

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b""
        while size_bytes := int(self.rfile.readline(), 16):
            body += self.rfile.read(size_bytes)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _sin(self, fault: str) -> None:
        if fault == "hang":
            self._double.ended.wait()
        if fault == "slow":
            time.sleep(0.1)
        if fault == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        if fault in {"hang", "reset", "close"}:
            self.connection.close() if fault == "reset" else self.connection.shutdown(socket.SHUT_RDWR)
            raise ConnectionAbortedError
        if fault == "forbid":
            raise Refused(403, "AuthorizationFailed", f"{self._double.account} is not allowed to access {self.path}")
        if fault == "page":
            self._send(404, {"Content-Type": "text/html"}, b"<h1>Not here</h1>")
            raise ConnectionAbortedError
        if fault.isdigit():
            raise Refused(int(fault), "InternalError", "an unexpected error occurred")

    def _allowed(self, asked: ReceivedRequest) -> None:
        owner = f"/{asked.path.split('/')[1]}"
        if "authorization" not in asked.headers:
            is_public = asked.method in {"GET", "HEAD"} and re.match(r"/[^/]+/public(/|$)", asked.path)
            if self._double.unsigned_as is None and not is_public:
                raise Refused(403, "AuthorizationFailed", f"anonymous is not allowed to access {asked.path}")
            return
        who = verify(self._double.users, asked.method, self.path, asked.headers)
        if who.count("/") > 1:
            roles = {role.strip() for role in asked.headers.get("role", "").split(",")} - {""}
            for role in sorted(roles - {"*"} - self._double.users[who].roles):
                raise Refused(409, "InvalidRole", f'Role "{role}" is invalid.')
            if not roles:
                raise Refused(403, "NoMatchingRoleTag", "None of your active roles are present on the resource.")
        if owner != f"/{who.split('/')[1]}":
            raise Refused(403, "AuthorizationFailed", f"{who[1:]} is not allowed to access {asked.path}")

    def _answer(self, asked: ReceivedRequest, body: bytes, fault: str) -> None:
        tree = self._double.tree
        if asked.method == "PUT":
            if "type=directory" in asked.headers.get("content-type", "").replace(" ", ""):
                tree.put_directory(asked.path)
                self._send(204, {})
            else:
                entry = tree.put_object(asked.path, body, asked.headers)
                self._send(204, {"Etag": entry.etag, "Computed-MD5": entry.md5})
        elif asked.method == "DELETE":
            tree.delete(asked.path)
            self._send(204, {})
        elif (entry := tree.get(asked.path)).is_directory:
            page = tree.page(asked.path, asked.query.get("limit", "256"), asked.query.get("marker", ""))
            lines = "".join(f"{json.dumps(line)}\n" for line in page).encode()
            headers = {"Content-Type": entry.content_type, "Result-Set-Size": str(len(tree.names(asked.path)))}
            self._send(200, headers, lines, fault)
        elif asked.headers.get("if-none-match") == entry.etag:
            self._send(304, {"Etag": entry.etag})
        else:
            self._send(200, self._headers_of(entry), entry.body, fault)

    def _headers_of(self, entry: Entry) -> dict[str, str]:
        modified = format_datetime(entry.mtime, usegmt=True)
        facts = {"Content-MD5": entry.md5, "Etag": entry.etag, "Last-Modified": modified, "Durability-Level": "2"}
        return {**entry.headers, "Content-Type": entry.content_type, **facts}

    def _refuse(self, refused: Refused) -> None:
        body = json.dumps({"code": refused.code, "message": str(refused)}).encode()
        self._send(refused.status, {"Content-Type": "application/json"}, body)

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"", fault: str = "") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if fault == "unsized":
            self.send_header("Connection", "close")
        elif status not in {204, 304}:  # which have no body, and so no length
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault in {"half", "short"}:
            self.wfile.write(body[: len(body) // 2])
            self.wfile.flush()
            if fault == "half":
                self._double.ended.wait()
            self.close_connection = True
        else:
            self.wfile.write(bytes(len(body)) if fault == "garble" else body)
