"""The open connections of one port, and how they end without cutting a client off."""

from __future__ import annotations

import math
import resource
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

MAXIMUM_CONNECTIONS = 4096
"""The most connections of a port: each costs an open file, and memory for a partial request."""

IDLE_WHEN_FULL_S = 1.0
"""How long a connection is quiet before it has to make room, when there is none."""

HEAD_WHEN_FULL_S = 10.0
"""The same of one that is in the midst of the head of a request."""

_BODY = b'{"error": "the request is no HTTP that is understood here: look at its first line, headers and chunks"}\n'
_NO_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nDate: %%s\r\nServer: imaged\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nDate: %s\r\nServer: imaged\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
)


class Connections:
    """The open connections of one port, `most` of them. Reactor thread only.

    HTTP has one way to end a connection without a risk of cutting off a request: `Connection: close` on an answer
    (RFC 9112, 9.6). Closing an idle connection without that may cut off a request on the way; the longer it was
    idle, the less likely.
    """

    def __init__(self, clock: Any, most: int = MAXIMUM_CONNECTIONS) -> None:
        self.clock = clock
        self.most = most
        self._made_room_s = -math.inf
        self.leaving = False
        self._open: set[Connection] = set()

    def add(self, connection: Connection) -> bool:
        """Count a connection that has been made, or return False: there is no room for it."""
        if len(self._open) >= self.most:
            self._make_room()
        if len(self._open) >= self.most:
            return False
        self._open.add(connection)
        return True

    def _make_room(self) -> None:
        """End a tenth of the connections, those that are idle for the longest; look for them once a second at most."""
        now_s = self.clock.seconds()
        if now_s - self._made_room_s < IDLE_WHEN_FULL_S:
            return
        self._made_room_s = now_s
        idle = sorted((each for each in self._open if each.is_idle(now_s)), key=lambda each: each.quiet_since_s)
        for each in idle[: max(1, self.most // 10)]:
            self._open.discard(each)
            each.abort()

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
        self._closing = self._is_refused = False
        self.requestFactory = make_request

    @property
    def busy(self) -> bool:
        """Whether the first line of a request has come and its answer has not been given."""
        return bool(self.requests)

    @property
    def quiet_since_s(self) -> float:
        """When it was heard of last, or its last answer ended."""
        return float(self._quiet_since_s)

    def is_idle(self, now_s: float) -> bool:
        """Whether nothing is asked on it, or not in the time that the head of a request takes."""
        if self._in_head and self._head_since_s < math.inf:
            return now_s - self._head_since_s >= HEAD_WHEN_FULL_S
        return not self.busy and now_s - self._quiet_since_s >= IDLE_WHEN_FULL_S

    def abort(self) -> None:
        """End it without a word."""
        transport: Any = self.transport
        transport.abortConnection()

    def close_when_quiet(self, quiet_s: float) -> None:
        """Close it if nothing has been said for so long."""
        quiet_for_s = self._connections.clock.seconds() - self._quiet_since_s
        if not self._closing and quiet_for_s >= (quiet_s if self._has_spoken else max(quiet_s, FIRST_WORD_S)):
            self._closing = True
            self.loseConnection()

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Begin."""
        super().connectionMade()
        self._is_refused = not self._connections.add(self)
        if self._is_refused:
            self.write(_FULL % http_date())
            self.loseConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Take bytes from the network; hang up on who trickles the head of a request."""
        if self._is_refused:
            return
        now_s = self._connections.clock.seconds()
        self._quiet_since_s, self._has_spoken = now_s, True
        if self._in_head:
            self._head_since_s = min(self._head_since_s, now_s)
            if now_s - self._head_since_s > HEAD_WITHIN_S:
                self.abort()
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


def most_connections() -> int:
    """Return how many a port may have: each takes a file, and another or two while it sends or is sent something."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAXIMUM_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAXIMUM_CONNECTIONS, files // 4)
