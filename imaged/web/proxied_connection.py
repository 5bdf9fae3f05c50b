"""A connection that a trusted proxy begins with the address of its client, in the PROXY protocol."""

from __future__ import annotations

from typing import Any

from imaged.core.errors import MalformedRequestError
from imaged.core.proxy_protocol import read_proxy_header
from imaged.web.connection import Connection
from imaged.web.connections import Connections


class ProxiedConnection(Connection):
    """A connection whose first bytes are a PROXY header. Until that has come, it counts as one of the proxy.

    It is anonymous if the header has no address: the proxy does not say who wrote the requests, so that their
    `X-Forwarded-For` may be false.

    A header that does not come within the idle timeout of the port ends the connection: its bytes do not prolong that.
    """

    def __init__(self, connections: Connections, make_request: Any) -> None:
        super().__init__(connections, make_request)
        self._header: bytes | None = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  # Twisted's name
        """Read the header, then requests."""
        if self._header is None or self._is_refused:
            super().dataReceived(data)
            return
        self._header += data
        try:
            found = read_proxy_header(self._header)
        except MalformedRequestError as error:
            self._connections.clients.warn_of_header(self.peer)
            self.refuse(error)
            return
        if found is None:
            return
        rest, self._header, self.is_proxied = self._header[found.size_bytes :], None, True
        self.is_anonymous = found.address is None
        if found.address is not None:
            self._connections.discard(self)
            self.join(found.address)
        if rest:
            super().dataReceived(rest)
