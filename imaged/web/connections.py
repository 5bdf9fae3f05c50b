"""The open connections of one port, and how they end without cutting a client off."""

from __future__ import annotations

import math
from typing import Any

from twisted.internet.protocol import connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from imaged.core.errors import MalformedRequestError, TooSlowError
from imaged.web.headers import http_date

LOOK_EVERY_S = 0.02
"""How often connections are looked at while they are being ended."""

HEAD_WITHIN_S = 60.0
"""How long the head of a request may take, from its first byte: an idle timeout alone lets one trickle for days."""

FIRST_WORD_S = 1.0
"""How long a connection that has not asked anything yet is waited for: its first request is likely on the way."""

_BODY = b'{"error": "the request is no HTTP that is understood here: look at its first line, headers and chunks"}\n'
_NO_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nDate: %%s\r\nServer: imaged\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


class Connections:
    """The open connections of one port. Reactor thread only.

    HTTP has one way to end a connection without a risk of cutting off a request: `Connection: close` on an answer
    (RFC 9112, 9.6). Whoever closes a quiet one instead may cross a request on the way, the less likely the longer it
    has been quiet.
    """

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.leaving = False
        self._open: set[Connection] = set()

    def add(self, connection: Connection) -> None:
        """Count a connection that has been made."""
        self._open.add(connection)

    def discard(self, connection: Connection) -> None:
        """Count no more a connection that is lost."""
        self._open.discard(connection)

    def leave(self) -> None:
        """Let every answer from now on be the last of its connection."""
        self.leaving = True

    def stay(self) -> None:
        """Take `leave` back."""
        self.leaving = False

    async def gone(self, quiet_s: float) -> None:
        """Return when no connection is left.

        While any request is in flight all of them stay: what they still ask has an answer. Then each is closed when it
        has been quiet for `quiet_s` seconds.
        """
        while self._open:
            if not any(each.busy for each in self._open):
                for each in list(self._open):
                    each.close_when_quiet(quiet_s)
            await deferLater(self.clock, LOOK_EVERY_S)


class Connection(HTTPChannel):
    """One connection: it knows whether it is busy, and bounds how long the head of a request takes. HTTP/1.1 alone."""

    def __init__(self, connections: Connections, make_request: Any) -> None:
        super().__init__()
        self._connections = connections
        self._quiet_since_s = connections.clock.seconds()
        self._has_spoken = False
        self._in_head, self._head_since_s = True, math.inf
        self._closing = False
        self.requestFactory = make_request

    @property
    def busy(self) -> bool:
        """Whether the first line of a request has come and its answer has not been given."""
        return bool(self.requests)

    def close_when_quiet(self, quiet_s: float) -> None:
        """Close it if nothing has been said for so long."""
        quiet_for_s = self._connections.clock.seconds() - self._quiet_since_s
        if not self._closing and quiet_for_s >= (quiet_s if self._has_spoken else max(quiet_s, FIRST_WORD_S)):
            self._closing = True
            self.loseConnection()

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Begin."""
        self._connections.add(self)
        super().connectionMade()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take bytes from the network; hang up on who trickles the head of a request."""
        now_s = self._connections.clock.seconds()
        self._quiet_since_s, self._has_spoken = now_s, True
        if self._in_head:
            self._head_since_s = min(self._head_since_s, now_s)
            if now_s - self._head_since_s > HEAD_WITHIN_S:
                transport: Any = self.transport
                transport.abortConnection()
                return
        super().dataReceived(data)

    def headerReceived(self, line: bytes) -> bool:  # noqa: N802  # Twisted's name
        """Take a header; refuse a length with more digits than Python reads, which Twisted does not expect."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:  # noqa: N802  # Twisted's name
        """Begin to take a body."""
        self._in_head, self._head_since_s = False, math.inf
        self.requests[-1].begin(self._command, self._path, self._version)
        super().allHeadersReceived()

    def timeoutConnection(self) -> None:  # noqa: N802  # Twisted's name
        """End a connection that has said nothing for too long: in the midst of a body, if a request is there."""
        for request in self.requests:
            request.give_up(TooSlowError(f"nothing of the body came for {self.timeOut:.0f} seconds"))
        super().timeoutConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802  # Twisted's name
        """Answer 400 to what is no HTTP, and end the connection. A request is counted, if its head was well formed."""
        if not any(request.startedWriting for request in self.requests):
            self.write(_NO_HTTP % http_date())
        self.loseConnection()
        for request in self.requests:
            request.give_up(MalformedRequestError("the body is no HTTP: its chunks are broken"))

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:  # noqa: N802
        """Begin an answer, which says so when it is the last one."""
        if self._connections.leaving:
            self.persistent = False
            headers.setRawHeaders(b"Connection", [b"close"])
        super().writeHeaders(version, code, reason, headers)

    def requestDone(self, request: Any) -> None:  # noqa: N802  # Twisted's name
        """End an answer."""
        self._quiet_since_s, self._in_head = self._connections.clock.seconds(), True
        super().requestDone(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """End."""
        self._connections.discard(self)
        super().connectionLost(reason)
