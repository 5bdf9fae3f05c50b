"""A store that gives one answer to everything, or none at all."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Barrier, Thread
from typing import Any

LONGEST_S = 60.0


@dataclass
class CannedStore:
    """`url` is where it answers, `asked` each method and path that came. Change the answer whenever you like.

    A method that is `refused` gets 400 and an error of S3 instead. Where there is a `gate`, each answer waits at it.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    gate: Barrier | None = None
    url: str = ""
    asked: list[tuple[str, str]] = field(default_factory=list)

    def reset(self) -> None:
        """Forget what came, and what is to be answered."""
        self.status, self.body, self.headers, self.refused, self.asked = 200, b"", {}, "", []
        self.gate = None

    def options(self) -> dict[str, str]:
        """Return the section `plugins.s3` that uses it."""
        return options_at(self.url)

    def refuse(self, status: int, code: str, message: str = "words") -> None:
        """Answer everything with an error of S3."""
        self.status = status
        self.body = error_of(code, message)


@contextmanager
def canned_store() -> Iterator[CannedStore]:
    """Serve one, on threads of its own."""
    store = CannedStore()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # who says 100 Continue: without it, botocore waits a second for it

        def answer(self) -> None:
            store.asked.append((self.command, self.path))
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if store.gate:
                store.gate.wait(LONGEST_S)
            refused = self.command == store.refused
            body = error_of("EntityTooLarge", "words") if refused else store.body
            self.send_response(400 if refused else store.status)
            for name, value in {"Content-Length": str(len(body)), **store.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815  # the library's names

        def log_message(self, *_words: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        store.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield store
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def silent_store() -> Iterator[str]:
    """Take connections and never say a word; the value is its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def options_at(url: str) -> dict[str, str]:
    """Return the section `plugins.s3` for a bucket at an address."""
    return {"bucket": "pictures", "endpoint_url": url, "access_key_id": "AKIAX", "secret_access_key": "hush-hush"}


def error_of(code: str, message: str) -> bytes:
    """Return the body of an error."""
    return f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
