"""Connections end without cutting a client off: each answer says when it is the last."""

from __future__ import annotations

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport

from imaged.web.answers import send_text
from imaged.web.connections import FIRST_WORD_S, HEAD_WITHIN_S, Connections
from imaged.web.requests import Door, ImagedFactory, ImagedRequest
from imaged.web.visits import PrivateVisits

ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Port:
    """A port whose requests are answered when the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.connections = Connections(self.clock)
        self.asked: list[Deferred[None]] = []
        self._factory = ImagedFactory(
            self.clock,
            Door(
                self._answer,
                lambda: 1000,
                self.clock.seconds,
                self.connections,
                PrivateVisits(lambda _: None),
                lambda: False,
            ),
        )

    def connect(self) -> Client:
        """Return a new client."""
        return Client(self)

    def build(self) -> tuple[object, StringTransport]:
        """Return the server's end of a new connection."""
        protocol, transport = self._factory.buildProtocol(None), StringTransport()
        protocol.makeConnection(transport)
        return protocol, transport

    def ending(self, quiet_s: float) -> Deferred[None]:
        """Begin to end all connections."""
        return Deferred.fromCoroutine(self.connections.gone(quiet_s))

    async def _answer(self, request: ImagedRequest) -> None:
        asked: Deferred[None] = Deferred()
        self.asked.append(asked)
        await asked
        send_text(request, "here")


class Client:
    """One connection."""

    def __init__(self, port: Port) -> None:
        self._clock = port.clock
        self._protocol, self._transport = port.build()

    def say(self, data: bytes = ASK) -> None:
        """Send bytes."""
        self._protocol.dataReceived(data)  # type: ignore[attr-defined]

    @property
    def heard(self) -> bytes:
        """All that the server has said."""
        return self._transport.value()

    @property
    def aborted(self) -> bool:
        """Whether the server has hung up."""
        return bool(self._transport.disconnected)

    @property
    def closed(self) -> bool:
        """Whether the server has ended the connection; then it is told that the client has, too."""
        if self._transport.disconnecting and not self._transport.disconnected:
            self._transport.disconnected = True
            self._protocol.connectionLost(None)  # type: ignore[attr-defined]
        return bool(self._transport.disconnecting)


@pytest.fixture
def port() -> Port:
    """Return a port."""
    return Port()


def test_an_answer_says_when_it_is_the_last(port: Port) -> None:
    """Also that to a request which came before; and no more when the daemon stays after all."""
    one, other, third = port.connect(), port.connect(), port.connect()
    one.say()
    port.connections.leave()
    other.say()
    for asked in port.asked:
        asked.callback(None)
    assert one.heard.count(b"Connection: close\r\n") == other.heard.count(b"Connection: close\r\n") == 1
    assert one.closed
    assert other.closed
    port.connections.stay()
    third.say()
    port.asked[-1].callback(None)
    assert b"Connection: close" not in third.heard
    assert not third.closed


def test_quiet_connections_stay_while_any_is_busy(port: Port) -> None:
    """They may still ask something, and have an answer: a load balancer that the daemon leaves, say."""
    busy, quiet = port.connect(), port.connect()
    quiet.say()
    port.asked[0].callback(None)
    busy.say()
    ended = port.ending(quiet_s=0)
    port.clock.advance(30)
    assert not quiet.closed
    port.connections.leave()
    port.asked[1].callback(None)
    assert busy.closed
    port.clock.pump([0.1] * 3)
    assert quiet.closed
    port.clock.pump([0.1] * 3)
    assert ended.called


def test_half_a_request_is_busy(port: Port) -> None:
    """Its client gets an answer when the rest has come."""
    half = port.connect()
    half.say(ASK[:-2])
    port.ending(quiet_s=0)
    port.clock.pump([1] * 5)
    assert not half.closed
    port.connections.leave()
    half.say(ASK[-2:])
    port.asked[0].callback(None)
    assert half.heard.startswith(b"HTTP/1.1 200 OK")


def test_each_is_closed_when_it_has_been_quiet_long_enough(port: Port) -> None:
    """Counted from its last word or the end of its last answer."""
    client = port.connect()
    client.say()
    port.clock.advance(50)
    port.asked[0].callback(None)
    ended = port.ending(quiet_s=5)
    port.clock.pump([0.1] * 48)
    assert not client.closed
    port.clock.pump([0.1] * 3)
    assert client.closed
    port.clock.advance(1)
    assert ended.called


def test_a_new_connection_is_given_time_for_its_first_word(port: Port) -> None:
    """Its request is on the way, most likely."""
    client = port.connect()
    port.ending(quiet_s=0)
    port.clock.advance(FIRST_WORD_S - 0.1)
    assert not client.closed
    port.clock.advance(0.2)
    assert client.closed


def test_who_trickles_the_head_of_a_request_is_hung_up_on(port: Port) -> None:
    """However little it is each time; a keep-alive connection has its time anew for each request."""
    client = port.connect()
    for _ in range(3):
        client.say()
        port.asked[-1].callback(None)
        port.clock.advance(HEAD_WITHIN_S - 10)
    for letter in ASK[:-1]:
        client.say(bytes([letter]))
        port.clock.advance(4)
    assert client.aborted
    assert len(port.asked) == 3


def test_without_connections_there_is_nothing_to_wait_for(port: Port) -> None:
    """Not even for a moment."""
    assert port.ending(quiet_s=5).called
