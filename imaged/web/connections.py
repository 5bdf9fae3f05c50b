"""The open connections of one port: their limits, and a shutdown that cuts off no request."""

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
"""How often a shutdown checks the connections."""

HEAD_WITHIN_S = 60.0
"""How long the head of a request may take, from its first byte. An idle timeout alone would let a client trickle."""

FIRST_WORD_S = 1.0
"""How long a shutdown waits for the first request of a new connection, which is probably on the way."""

MAXIMUM_CONNECTIONS = 4096
"""How many connections a port has at most. Each may hold an open file, and the received part of a request in memory."""

IDLE_WHEN_FULL_S = 1.0
"""How long a connection must be quiet before a full port may close it."""

HEAD_WHEN_FULL_S = 10.0
"""How old an incomplete request head must be before a full port may close its connection."""

_BODY = b'{"error": "the request is not valid HTTP/1.1: check its first line, headers and chunks"}\n'
_NO_HTTP = (
    b"HTTP/1.1 400 Bad Request\r\nDate: %%s\r\nServer: imaged\r\nContent-Type: application/json; charset=utf-8\r\n"
    b"Content-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s" % (len(_BODY), _BODY)
)


_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nDate: %s\r\nServer: imaged\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n\r\n"
)


class Connections:
    """The open connections of one port, at most `most`. Reactor thread only.

    HTTP has one way to end a connection without cutting off a request: `Connection: close` on an answer (RFC 9112,
    9.6). To close a quiet connection instead may cut off a request on the way. The longer the connection has been
    quiet, the less likely that is.
    """

    def __init__(self, clock: Any, most: int = MAXIMUM_CONNECTIONS) -> None:
        self.clock = clock
        self.most = most
        self._made_room_s = -math.inf
        self.leaving = False
        self._open: set[Connection] = set()

    def add(self, connection: Connection) -> bool:
        """Add a new connection and return True, or return False if the port is full."""
        if len(self._open) >= self.most:
            self._make_room()
        if len(self._open) >= self.most:
            return False
        self._open.add(connection)
        return True

    def _make_room(self) -> None:
        """Abort the connections that have been idle longest, a tenth of all at most. Search once a second at most."""
        now_s = self.clock.seconds()
        if now_s - self._made_room_s < IDLE_WHEN_FULL_S:
            return
        self._made_room_s = now_s
        idle = sorted((each for each in self._open if each.is_idle(now_s)), key=lambda each: each.quiet_since_s)
        for each in idle[: max(1, self.most // 10)]:
            self._open.discard(each)
            each.abort()

    def discard(self, connection: Connection) -> None:
        """Remove a lost connection."""
        self._open.discard(connection)

    def leave(self) -> None:
        """Make every answer from now on the last of its connection."""
        self.leaving = True

    def stay(self) -> None:
        """Undo `leave`."""
        self.leaving = False

    async def gone(self, quiet_s: float) -> None:
        """Close all connections, and return when none is left.

        While a request is in flight, all connections stay open, and new requests on them are answered. Then each
        connection is closed after `quiet_s` seconds of silence.
        """
        while self._open:
            if not any(each.busy for each in self._open):
                for each in list(self._open):
                    each.close_when_quiet(quiet_s)
            await deferLater(self.clock, LOOK_EVERY_S)


class Connection(HTTPChannel):
    """One HTTP/1.1 connection: knows whether it is busy, and limits the time for the head of a request."""

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
        """Whether a request has begun and its answer has not ended."""
        return bool(self.requests)

    @property
    def quiet_since_s(self) -> float:
        """When the client last sent bytes, or the last answer ended."""
        return float(self._quiet_since_s)

    def is_idle(self, now_s: float) -> bool:
        """Return whether a full port may close it: no request is in progress, or its head takes too long."""
        if self._in_head and self._head_since_s < math.inf:
            return now_s - self._head_since_s >= HEAD_WHEN_FULL_S
        return not self.busy and now_s - self._quiet_since_s >= IDLE_WHEN_FULL_S

    def abort(self) -> None:
        """Close the connection at once, without an answer."""
        transport: Any = self.transport
        transport.abortConnection()

    def close_when_quiet(self, quiet_s: float) -> None:
        """Close the connection if it has been quiet for `quiet_s` seconds."""
        quiet_for_s = self._connections.clock.seconds() - self._quiet_since_s
        if not self._closing and quiet_for_s >= (quiet_s if self._has_spoken else max(quiet_s, FIRST_WORD_S)):
            self._closing = True
            self.loseConnection()

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Register the connection, or answer 503 if the port is full."""
        super().connectionMade()
        self._is_refused = not self._connections.add(self)
        if self._is_refused:
            self.write(_FULL % http_date())
            self.loseConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Read bytes. Abort the connection of a client that trickles the head of a request."""
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
        """Read a header. Refuse a length with more digits than Python reads, which Twisted does not expect."""
        try:
            return bool(super().headerReceived(line))
        except ValueError:
            self._respondToBadRequestAndDisconnect()
            return False

    def allHeadersReceived(self) -> None:  # noqa: N802  # Twisted's name
        """Begin the request, whose head is complete."""
        self._in_head, self._head_since_s = False, math.inf
        self.requests[-1].begin(self._command, self._path, self._version)
        super().allHeadersReceived()

    def timeoutConnection(self) -> None:  # noqa: N802  # Twisted's name
        """Close an idle connection. If a request is in progress, its body has stalled."""
        for request in self.requests:
            request.give_up(TooSlowError(f"no byte of the body came for {self.timeOut:.0f} seconds"))
        super().timeoutConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:  # noqa: N802  # Twisted's name
        """Answer 400 to invalid HTTP, and close the connection. A request with a valid head is counted."""
        if not any(request.startedWriting for request in self.requests):
            self.write(_NO_HTTP % http_date())
        self.loseConnection()
        for request in self.requests:
            request.give_up(MalformedRequestError("the body is not valid HTTP: its chunks are broken"))

    def writeHeaders(self, version: bytes, code: bytes, reason: bytes, headers: Any) -> None:  # noqa: N802
        """Begin an answer. During a shutdown it announces that it is the last one."""
        if self._connections.leaving:
            self.persistent = False
            headers.setRawHeaders(b"Connection", [b"close"])
        super().writeHeaders(version, code, reason, headers)

    def requestDone(self, request: Any) -> None:  # noqa: N802  # Twisted's name
        """End a request, whose answer is complete."""
        self._quiet_since_s, self._in_head = self._connections.clock.seconds(), True
        super().requestDone(request)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Unregister the connection."""
        self._connections.discard(self)
        super().connectionLost(reason)


def most_connections() -> int:
    """Return how many connections a port may have. Each uses one file, and one or two more during a transfer."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAXIMUM_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAXIMUM_CONNECTIONS, files // 4)
