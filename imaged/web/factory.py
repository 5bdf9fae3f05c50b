"""The Twisted factory of a port."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IAddress
from twisted.web.http import HTTPFactory, Request

from imaged.core.client_addresses import peer_of
from imaged.web.connection import Connection
from imaged.web.proxied_connection import ProxiedConnection
from imaged.web.requests import IDLE_S, ImagedRequest, Site


class ImagedFactory(HTTPFactory):
    """Makes the connections of one port."""

    def __init__(self, reactor: Any, site: Site) -> None:
        super().__init__(timeout=IDLE_S, reactor=reactor)
        self.noisy = False  # the service logs that a port is open
        self._site = site

    def buildProtocol(self, addr: IAddress | None) -> Any:  # noqa: N802  # Twisted's name
        """Return the protocol of a new connection."""
        site = self._site
        has_header = site.connections.clients.sends_header(peer_of(addr))
        make: Any = ProxiedConnection if has_header else Connection
        connection: Any = make(site.connections, lambda channel, _queued: ImagedRequest(channel, site))
        connection.factory = self
        connection.callLater = self.reactor.callLater
        connection.timeOut = self.timeOut
        return connection

    def log(self, request: Request) -> None:
        """Record the end of a request, when it has been answered."""
        if isinstance(request, ImagedRequest):
            request.end()
