"""The open connections of one port: their number, and a shutdown that cuts off no request."""

from __future__ import annotations

import math
import resource
from functools import lru_cache
from typing import Any, Protocol

from twisted.internet.task import deferLater
from twisted.logger import Logger

from imaged.config.access import LimitsSettings
from imaged.core.clients import client_key
from imaged.core.errors import TooManyRequestsError
from imaged.fetch.networks import forbidden_network
from imaged.web.clients import Clients
from imaged.web.raw_answers import full_port, refusal

LOOK_EVERY_S = 0.02
"""How often a shutdown checks the connections."""

MAXIMUM_CONNECTIONS = 4096
"""How many connections a port has at most. Each may hold an open file, and the received part of a request in memory."""

IDLE_WHEN_FULL_S = 1.0
"""How long a connection must be quiet before a full port may close it."""

KEPT = 1 / 8
"""The part of a port's places that is kept for clients with few connections."""

FEW = 1 / 64
"""How many connections are few, as a part of a port's places."""

LEAST_FEW = 8
"""How many connections are few on any port: a browser opens six."""


WARN_EVERY_S = 60.0

_log = Logger(namespace="imaged.connections")


class Member(Protocol):
    """What a port knows of one connection."""

    @property
    def peer(self) -> str:
        """The address of its other end, or `unix`."""

    @property
    def busy(self) -> bool:
        """Whether a request has begun and its answer has not ended."""

    @property
    def quiet_since_s(self) -> float:
        """When the client last sent bytes, or the last answer ended."""

    def is_idle(self, now_s: float) -> bool:
        """Return whether a full port may close it."""

    def evict(self) -> None:
        """Close the connection at once, to make room."""

    def close_when_quiet(self, quiet_s: float) -> None:
        """Close the connection if it has been quiet for `quiet_s` seconds."""


class Connections:
    """The open connections of one port, at most `most`, and its clients. Reactor thread only.

    HTTP has one way to end a connection without cutting off a request: `Connection: close` on an answer (RFC 9112,
    9.6). To close a quiet connection instead may cut off a request on the way. The longer the connection has been
    quiet, the less likely that is.
    """

    def __init__(
        self, clock: Any, most: int = MAXIMUM_CONNECTIONS, name: str = "public", clients: Clients | None = None
    ) -> None:
        self.clock = clock
        self.most = most
        self.clients = clients or Clients(LimitsSettings, clock.seconds)
        self._name = name
        self._warned_s = -math.inf
        self._made_room_s = -math.inf
        self.leaving = False
        self._open: dict[Member, str | None] = {}  # with their clients, the oldest first
        self._limited: dict[Member, str] = {}
        self._by_client: dict[str, dict[Member, None]] = {}

    @property
    def few(self) -> int:
        """How many connections a client may have on a full port."""
        return max(LEAST_FEW, int(self.most * FEW))

    def add(self, connection: Member) -> bytes | None:
        """Add a new connection, or return the answer that refuses it: 429 to a client that has too many connections.

        Return 503 if the port has no place for its client.
        """
        try:
            limited = self.clients.connect(connection.peer)
        except TooManyRequestsError as error:
            return refusal(error)
        client = None if limited is None else counted_client(connection.peer)
        if limited is not None:
            self._limited[connection] = limited
        if not self._has_place(client):
            self._warn()
            self.discard(connection)
            return full_port()
        self._open[connection] = client
        if client is not None:
            self._by_client.setdefault(client, {})[connection] = None
        return None

    def _has_place(self, client: str | None) -> bool:
        has_many = len(self._by_client.get(client or "", ())) >= self.few
        if has_many and len(self._open) >= self.most * (1 - KEPT):
            return False
        if len(self._open) >= self.most:
            self._make_room()
        return len(self._open) < self.most

    def _warn(self) -> None:
        """Log that a connection was refused, once in WARN_EVERY_S."""
        now_s = self.clock.seconds()
        if now_s - self._warned_s < WARN_EVERY_S:
            return
        self._warned_s = now_s
        client, theirs = max(self._by_client.items(), key=lambda each: len(each[1]), default=("", ()))
        _log.warn(
            "the {name} port refuses connections: {count} of {most} are open{largest}; limit clients in front of "
            "imaged, or raise LimitNOFILE",
            name=self._name,
            count=len(self._open),
            most=self.most,
            largest=f", {len(theirs)} of them from {client}" if client else "",
        )

    def _make_room(self) -> None:
        """Evict a tenth of all connections at most, the quietest first. Search once a second at most.

        Idle ones are evicted first, those of the client with the most connections before others. If none is idle, busy
        ones of this client are evicted, until it has few.
        """
        now_s = self.clock.seconds()
        if now_s - self._made_room_s < IDLE_WHEN_FULL_S:
            return
        self._made_room_s = now_s
        largest = max(self._by_client.values(), key=len, default={})
        surplus = max(0, len(largest) - self.few)
        idle = [each for each in self._open if each.is_idle(now_s)]
        theirs = [each for each in idle if each in largest] if surplus else []
        chosen = theirs or idle or sorted(largest, key=_quiet_since)[:surplus]
        for each in sorted(chosen, key=_quiet_since)[: max(1, self.most // 10)]:
            self.discard(each)
            each.evict()

    def discard(self, connection: Member) -> None:
        """Remove a lost connection."""
        client = self._open.pop(connection, None)
        if client is not None:
            theirs = self._by_client[client]
            del theirs[connection]
            if not theirs:
                del self._by_client[client]
        if (limited := self._limited.pop(connection, None)) is not None:
            self.clients.disconnect(limited)

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


@lru_cache(maxsize=MAXIMUM_CONNECTIONS)
def counted_client(address: str) -> str | None:
    """Return the client of an address, if they are counted: a public IPv4 address, or the /64 of a public IPv6 one.

    An address of this machine or of a private network may be a proxy's, with all clients of the world behind it.
    """
    return None if forbidden_network(address, ()) is not None else client_key(address)


def _quiet_since(connection: Member) -> float:
    return connection.quiet_since_s


def most_connections() -> int:
    """Return how many connections a port may have. Each uses one file, and one or two more during a transfer."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAXIMUM_CONNECTIONS if files == resource.RLIM_INFINITY else min(MAXIMUM_CONNECTIONS, files // 4)
