"""An origin that sends the bytes of a test, on a loopback port of the real reactor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

Answer = Callable[["Asked"], None]


def reply(data: bytes) -> Answer:
    """Send `data` and close."""

    def answer(asked: Asked) -> None:
        asked.transport.write(data)
        asked.transport.loseConnection()

    return answer


def ok(body: bytes, *headers: bytes) -> Answer:
    """Send a complete 200."""
    return reply(b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers, b"", body]))


def redirect(location: str, code: int = 302) -> Answer:
    """Redirect to `location`."""
    return reply(b"HTTP/1.1 %d Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % (code, location.encode()))


def hold(data: bytes) -> Answer:
    """Send `data`, and keep the connection open."""
    return lambda asked: asked.transport.write(data)


def endless(head: bytes, again: bytes) -> Answer:
    """Send `head`, then `again` until the client closes."""

    def answer(asked: Asked) -> None:
        class Source:
            def resumeProducing(self) -> None:  # noqa: N802  # Twisted's name
                asked.transport.write(again)

            def stopProducing(self) -> None:  # noqa: N802  # Twisted's name
                pass

        asked.transport.write(head)
        asked.transport.registerProducer(Source(), False)

    return answer


class Asked(Protocol):
    """One connection to the origin."""

    transport: Any
    head = b""

    def connectionMade(self) -> None:  # noqa: N802  # Twisted's name
        """Prepare to note the end."""
        self.ended: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Answer when the head of a request is complete, or when a TLS handshake begins."""
        self.head += data
        if self.head.endswith(b"\r\n\r\n") or self.head.startswith(b"\x16"):
            self.factory.origin.answer(self)

    def connectionLost(self, _: Failure = connectionDone) -> None:  # noqa: N802  # Twisted's name
        """Note the end."""
        self.ended.callback(None)


class Origin:
    """Sends one of `answers` for each request, then the last one again.

    `heads` are the requests as they came, `asked` the connections they came by, `url` is where a picture would be.
    """

    def __init__(self, *answers: Answer, interface: str = "127.0.0.1", tls: Any = None) -> None:
        self.heads: list[bytes] = []
        self.asked: list[Asked] = []
        self._answers = answers
        factory = Factory.forProtocol(Asked)
        factory.origin = self
        net: Any = reactor
        listen = net.listenTCP if tls is None else lambda *args, **options: net.listenSSL(*args, tls, **options)
        self.port = listen(0, factory, interface=interface)
        self.number = self.port.getHost().port
        self.url = f"{'http' if tls is None else 'https'}://{interface}:{self.number}/a.jpg"

    def answer(self, asked: Asked) -> None:
        """Return the next answer."""
        self.heads.append(asked.head)
        self.asked.append(asked)
        self._answers[min(len(self.heads), len(self._answers)) - 1](asked)
