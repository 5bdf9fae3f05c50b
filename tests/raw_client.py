"""An HTTP client that sends and receives exact bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure


@dataclass(frozen=True)
class Answer:
    """One answer: its status, its headers by lower-case name, and its body as it was sent."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON; check the content type."""
        assert self.headers["content-type"].startswith("application/json")
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """Return the message of an error; check its form and that it is not cacheable."""
        assert self.status >= 400
        assert self.headers["cache-control"] == "no-store"
        (message,) = [self.json()["error"]]
        assert list(self.json()) == ["error"]
        return str(message)


@dataclass
class ClientConnection(Protocol):
    """One connection of a client. `received` has all received bytes; `ended` fires when the connection ends."""

    received: bytes = b""
    ended: Deferred[None] = field(default_factory=Deferred)
    transport: Any = None

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Append the bytes."""
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802  # as above
        """Resolve the wait for the end."""
        self.ended.callback(None)

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.transport.write(data)

    async def answer(self) -> Answer:
        """Wait for the end, and read the last answer."""
        await self.ended
        return read_answer(self.received)

    def leave(self) -> None:
        """Abort the connection."""
        self.transport.abortConnection()


async def connect(base_url: str) -> ClientConnection:
    """Open a connection."""
    parts = urlsplit(base_url)
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return await connectProtocol(TCP4ClientEndpoint(reactor, host, parts.port), ClientConnection())


async def begin(
    base_url: str, method: str, target: str | bytes, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> ClientConnection:
    """Send a request without waiting for its answer. `target` is sent unchanged."""
    connection = await connect(base_url)
    connection.send(request(method, target, headers, body))
    return connection


def request(method: str, target: str | bytes, headers: Mapping[str, str] | None = None, body: bytes = b"") -> bytes:
    """Return a request that asks for the connection to be closed."""
    lines = {"Host": "localhost", "Connection": "close", **(headers or {})}
    if body and "Transfer-Encoding" not in lines:
        lines.setdefault("Content-Length", str(len(body)))
    target = target.encode() if isinstance(target, str) else target
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return b"%s %s HTTP/1.1\r\n%s\r\n%s" % (method.encode(), target, head.encode(), body)


def read_answer(received: bytes) -> Answer:
    """Read the one answer in `received`, after a 100 if there is one."""
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode().split("\r\n")
    status = int(status_line.split()[1])
    if status == 100:
        return read_answer(body)
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("transfer-encoding") == "chunked":
        body = _joined(body)
    return Answer(status, headers, body)


def _joined(body: bytes) -> bytes:
    joined = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        length = int(size, 16)
        joined, body = joined + rest[:length], rest[length + 2 :] if length else b""
    return joined


async def pause(seconds: float = 0.02) -> None:
    """Let the reactor run for a moment."""
    await task.deferLater(reactor, seconds, lambda: None)
