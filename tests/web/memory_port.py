"""A port in memory, whose clock and clients the test controls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import gettempdir

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from imaged.config.access import LimitsSettings
from imaged.fetch.budget import Budget
from imaged.web.answers import send_text
from imaged.web.bodies import Body
from imaged.web.clients import Clients
from imaged.web.connections import Connections
from imaged.web.factory import ImagedFactory
from imaged.web.request_log import RequestLog, StatusRequestLog
from imaged.web.requests import ImagedRequest, Site

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def answer_shortly(request: ImagedRequest) -> None:
    """Answer with a short body."""
    send_text(request, "here")


class Transport(StringTransport):
    """Receives what the server writes."""

    is_half_closed = False

    def loseWriteConnection(self) -> None:  # noqa: N802  # Twisted's name
        """Close the writing half."""
        self.is_half_closed = True


class Port:
    """A port whose requests the test answers."""

    def __init__(
        self,
        request_log: RequestLog | None = None,
        maximum_bytes: int = 1000,
        answer: Callable[[ImagedRequest], None] = answer_shortly,
        limits: LimitsSettings = LimitsSettings(),  # noqa: B008  # frozen
    ) -> None:
        self.limits = limits
        self._give = answer
        self._at_once = False
        self.clock = Clock()
        self.budget = Budget(self.clock.seconds)
        clients = Clients(lambda: self.limits, self.clock.seconds)
        self.connections = Connections(self.clock, clients=clients)
        self.asked: list[Deferred[None]] = []
        self._factory = ImagedFactory(
            self.clock,
            Site(
                self._answer,
                lambda _: maximum_bytes,
                self.clock.seconds,
                self.connections,
                request_log or StatusRequestLog(lambda _: None),
                lambda: False,
                lambda announced, give_up: Body(
                    self.budget.reserve(maximum_bytes, 1 << 40, announced, give_up), lambda: Path(gettempdir())
                ),
            ),
        )

    def connect(self, address: str = "127.0.0.1") -> Client:
        """Return a new client."""
        return Client(self, address)

    def build(self, address: str) -> tuple[object, Transport]:
        """Return the server's end of a new connection."""
        peer = (IPv6Address if ":" in address else IPv4Address)("TCP", address, 50_000)
        protocol, transport = self._factory.buildProtocol(peer), Transport(peerAddress=peer)
        protocol.makeConnection(transport)
        return protocol, transport

    def answer_at_once(self) -> None:
        """Answer each request from now on when it comes."""
        self._at_once = True

    def ending(self, quiet_s: float) -> Deferred[None]:
        """Begin to end all connections."""
        return Deferred.fromCoroutine(self.connections.gone(quiet_s))

    async def _answer(self, request: ImagedRequest) -> None:
        asked: Deferred[None] = Deferred()
        self.asked.append(asked)
        if not self._at_once:
            await asked
        self._give(request)


class Client:
    """One connection."""

    def __init__(self, port: Port, address: str) -> None:
        self._clock = port.clock
        self._protocol, self._transport = port.build(address)

    def send(self, data: bytes = ASK) -> None:
        """Send bytes."""
        self._protocol.dataReceived(data)  # type: ignore[attr-defined]

    def stop_reading(self) -> None:
        """Make the server notice that its buffer for this client is full."""
        self._transport.producer.pauseProducing()

    def read_on(self) -> None:
        """Make the server notice that the buffer is empty."""
        self._transport.producer.resumeProducing()

    def leave(self) -> None:
        """Close the connection, and report that to the server."""
        self._protocol.connectionLost(Failure(ConnectionLost()))  # type: ignore[attr-defined]

    @property
    def received(self) -> bytes:
        """All bytes from the server."""
        return self._transport.value()

    @property
    def aborted(self) -> bool:
        """Whether the server aborted the connection."""
        return bool(self._transport.disconnected)

    @property
    def half_closed(self) -> bool:
        """Whether the server sends no more."""
        return self._transport.is_half_closed

    @property
    def closed(self) -> bool:
        """Whether the server closed the connection. If so, the client closes its end, too."""
        if self._transport.disconnecting and not self._transport.disconnected:
            self._transport.disconnected = True
            self.leave()
        return bool(self._transport.disconnecting)
