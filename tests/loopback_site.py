"""An HTTP server on loopback, in the process of the test, whose requests a function answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.web.http import HTTPFactory, Request


def listen(take: Callable[[Request], object], number: int = 0) -> Any:
    """Call `take` with each request, and return the port that listens: a free one, or that of this number."""

    class TakenRequest(Request):
        def process(self) -> None:
            take(self)

    class Site(HTTPFactory):
        noisy = False

        def buildProtocol(self, addr: Any) -> Any:  # noqa: N802  # Twisted's name
            protocol = super().buildProtocol(addr)
            protocol.requestFactory = TakenRequest
            return protocol

        def log(self, request: Request) -> None:
            pass

    net: Any = reactor
    return net.listenTCP(number, Site(reactor=reactor), interface="127.0.0.1")
