"""Requests as imaged takes them: bodies bounded while they come and never read as forms, one log line for each."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IAddress
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import HTTPFactory, Request

from imaged.core.errors import ImagedError, TooLargeError
from imaged.core.hashes import shorten
from imaged.web.errors import send_error

IDLE_S = 60.0
"""How long a connection may say nothing before it is closed."""

_log = Logger(namespace="imaged.access")

LINGER_S = 30.0
"""How long a body that was refused is read and thrown away, so that its sender lives to read the answer."""


@dataclass(frozen=True)
class Door:
    """What stands behind one port: who answers its requests, and how large their bodies may be, asked each time."""

    handle: Callable[[ImagedRequest], Coroutine[Deferred[Any], Any, None]]
    maximum_bytes: Callable[[], int]
    seconds: Callable[[], float]


class ImagedRequest(Request):
    """A request on the way to its door."""

    def __init__(self, channel: Any, door: Door) -> None:
        super().__init__(channel)
        self._door = door
        self._began_s = door.seconds()
        self._received_bytes = 0
        self._refused = False
        self._answering: Deferred[None] | None = None
        self.content_type = b""

    def gotLength(self, length: int | None) -> None:  # noqa: N802  # Twisted's name
        """Refuse a body that announces too much, else make room for it: in memory or, if large, in a file."""
        refuse = length is not None and length > self._door.maximum_bytes()
        super().gotLength(0 if refuse else length)
        if refuse:
            self._refuse()

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take a part of the body, or throw it away after a refusal."""
        self._received_bytes += len(data)
        if not self._refused and self._received_bytes > self._door.maximum_bytes():
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:  # noqa: N802  # Twisted's name
        """Handle a complete request.

        Twisted would read a body that calls itself a form as one, all of it on the reactor thread, and curl calls any
        body a form: so the type is put aside first.
        """
        if self._refused:
            self.channel.loseConnection()
            return
        self.content_type = self.getHeader(b"content-type") or b""
        self.requestHeaders.removeHeader(b"content-type")
        super().requestReceived(command, path, version)

    def process(self) -> None:
        """Have the door answer; when the client leaves, the handler is cancelled."""
        self.setHeader(b"Server", b"imaged")
        self._answering = Deferred.fromCoroutine(self._door.handle(self))
        self._answering.addErrback(self._failed)

    def connectionLost(self, reason: Failure) -> None:  # noqa: N802  # Twisted's name
        """Stop waiting for an answer that nobody will read."""
        super().connectionLost(reason)
        if self._answering is not None:
            self._answering.cancel()

    def log_line(self) -> None:
        """Log what was asked and how it was answered."""
        _log.info(
            "{method} {path} {status} {bytes} bytes {elapsed_ms:.1f} ms",
            method=self.method.decode("ascii", "backslashreplace"),
            path=self._shown(),
            status=self.code,
            bytes=self.sentLength,
            elapsed_ms=1000 * (self._door.seconds() - self._began_s),
        )

    def _shown(self) -> str:
        return shorten(self.uri.decode("ascii", "backslashreplace"), 400)

    def _failed(self, failure: Failure) -> None:
        if self._disconnected:
            failure.trap(CancelledError, ImagedError)
            return
        error = failure.value
        if not isinstance(error, ImagedError):
            _log.failure("{method} {path} broke down", failure, method=self.method, path=self.path)
            error = ImagedError("an unexpected failure, which the log tells")
        elif error.status >= ImagedError.status:
            _log.warn("{method} {path}: {error}", method=self.method.decode("latin-1"), path=self._shown(), error=error)
        if self.startedWriting:
            self.loseConnection()
        else:
            send_error(self, error)

    def _refuse(self) -> None:
        """Answer 413 before the body has come, and read on for a while so that the sender is not cut off."""
        self._refused = True
        self.requestHeaders.removeHeader(b"expect")  # else Twisted would ask for the body
        message = f"the body has more than {self._door.maximum_bytes()} bytes: send a smaller picture"
        body = json.dumps({"error": message}).encode() + b"\n"
        transport: Any = self.channel.transport
        transport.write(
            b"HTTP/1.1 %d Request Entity Too Large\r\nServer: imaged\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s"
            % (TooLargeError.status, len(body), body)
        )
        transport.loseWriteConnection()
        _log.info("refused a body of more than {limit} bytes: 413", limit=self._door.maximum_bytes(), status=413)
        abort = self.channel.callLater(LINGER_S, transport.abortConnection)
        self.notifyFinish().addErrback(lambda _: abort.active() and abort.cancel())


class ImagedFactory(HTTPFactory):
    """Makes the connections of one port."""

    def __init__(self, reactor: Any, door: Door) -> None:
        super().__init__(timeout=IDLE_S, reactor=reactor)
        self.noisy = False  # ports say themselves when they open
        self._door = door

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802  # Twisted's name
        """Return the protocol of a new connection."""
        protocol: Any = super().buildProtocol(addr)
        protocol.requestFactory = lambda channel, _queued=False: ImagedRequest(channel, self._door)
        return protocol

    def log(self, request: Request) -> None:
        """Write the one line of a request, when it has been answered."""
        if isinstance(request, ImagedRequest):
            request.log_line()
