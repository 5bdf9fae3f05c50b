"""A web server for one file on loopback, whose answers a test may delay."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from loopback_site import listen
from twisted.web.http import Request


class Source:
    """Answers every request with `body` and `code`; while the body is None, it keeps them in `asked`."""

    def __init__(self, body: bytes | None, code: int) -> None:
        self._body = body
        self._code = code
        self.asked: list[Request] = []
        self.url = ""

    def ask(self, request: Request) -> None:
        """Take a request."""
        self.asked.append(request)
        if self._body is not None:
            self.send(self._body, request)

    def send(self, body: bytes, *requests: Request) -> None:
        """Answer requests, all if none are named."""
        for request in requests or self.asked:
            request.setResponseCode(self._code)
            request.setHeader(b"content-length", str(len(body)))
            request.write(body)
            request.finish()


@asynccontextmanager
async def origin(body: bytes | None, code: int = 200) -> AsyncIterator[Source]:
    """Serve `body` at `url` for as long as the block runs."""
    source = Source(body, code)
    port = listen(source.ask)
    source.url = f"http://127.0.0.1:{port.getHost().port}/a.jpg"
    try:
        yield source
    finally:
        await port.stopListening()
