"""The open connections of one port: their number, and a shutdown that cuts off no request."""

from __future__ import annotations

import math
import resource
from typing import Any, Protocol

from twisted.internet.task import deferLater

LOOK_EVERY_S = 0.02
"""How often a shutdown checks the connections."""

MAXIMUM_CONNECTIONS = 4096
"""How many connections a port has at most. Each may hold an open file, and the received part of a request in memory."""

IDLE_WHEN_FULL_S = 1.0
"""How long a connection must be quiet before a full port may close it."""


class Member(Protocol):
    """What a port knows of one connection."""

    @property
    def busy(self) -> bool:
        """Whether a request has begun and its answer has not ended."""

    @property
    def quiet_since_s(self) -> float:
        """When the client last sent bytes, or the last answer ended."""

    def is_idle(self, now_s: float) -> bool:
        """Return whether a full port may close it."""

    def abort(self) -> None:
        """Close the connection at once, without an answer."""

    def close_when_quiet(self, quiet_s: float) -> None:
        """Close the connection if it has been quiet for `quiet_s` seconds."""


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
        self._open: set[Member] = set()

    def add(self, connection: Member) -> bool:
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

    def discard(self, connection: Member) -> None:
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


def most_connections() -> int:
    """Return how many connections a port may have. Each uses one file, and one or two more during a transfer."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAXIMUM_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAXIMUM_CONNECTIONS, files // 4)
