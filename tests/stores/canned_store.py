"""An HTTP server that sends one canned response to every request, or none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from threading import Barrier

from http_server import serving

LONGEST_S = 60.0


@dataclass
class CannedStore:
    """The response, and `received`: the method and path of each request. The test may change the response at any time.

    A header without a value is not sent. Requests of the method `refused` get 400 and an error of S3 instead. With a
    `gate`, each response waits for it.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    gate: Barrier | None = None
    url: str = ""
    received: list[tuple[str, str]] = field(default_factory=list)

    def reset(self) -> None:
        """Reset the response and the records."""
        self.status, self.body, self.headers, self.refused, self.received = 200, b"", {}, "", []
        self.gate = None

    def options(self) -> dict[str, str]:
        """Return the section `plugins.s3` for this server."""
        return options_at(self.url)

    def refuse(self, status: int, code: str, message: str = "words") -> None:
        """Make every response an error of S3."""
        self.status = status
        self.body = error_of(code, message)


@contextmanager
def canned_store() -> Iterator[CannedStore]:
    """Run a server, on threads of its own."""
    store = CannedStore()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # which sends 100 Continue; botocore would wait a second for it

        def answer(self) -> None:
            store.received.append((self.command, self.path))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if store.gate:
                store.gate.wait(LONGEST_S)
            refused = self.command == store.refused
            body = error_of("EntityTooLarge", "words") if refused else store.body
            self.send_response(400 if refused else store.status)
            for name, value in {"Content-Length": str(len(body)), **store.headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815  # the library's names

    with serving(Handler) as port:
        store.url = f"http://127.0.0.1:{port}"
        yield store


@contextmanager
def silent_store() -> Iterator[str]:
    """Run a server that accepts connections and sends nothing; the value is its URL."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def options_at(url: str) -> dict[str, str]:
    """Return the section `plugins.s3` for a bucket at an endpoint."""
    return {"bucket": "pictures", "endpoint_url": url, "access_key_id": "AKIAX", "secret_access_key": "hush-hush"}


def error_of(code: str, message: str) -> bytes:
    """Return the body of an error of S3."""
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
