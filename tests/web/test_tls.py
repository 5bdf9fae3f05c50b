"""Refusals over TLS reach their client, which then sees the end of the connection."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from certificates import write_certificate
from raw_client import ClientConnection, read_answer
from real_reactor import reactor
from service_case import ServiceTestCase, until
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.ssl import Certificate, optionsForClientTLS

from imaged.process.endpoints import PUBLIC
from imaged.web.connection import Connection
from imaged.web.slow_readers import UNSENT_BYTES, _acked_bytes

REFUSED = {
    b"GET /status_check HTTP/1.1\r\nHost : a\r\n\r\n": 400,
    b"POST /p HTTP/1.1\r\nHost : a\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000): 400,
    b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000): 413,
    b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + bytes(3_000_000): 413,
}


class TestTls(ServiceTestCase):
    """A public port with a certificate of its own."""

    @pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # in Twisted's endpoint
    async def test_a_refusal_is_read_to_its_end(self) -> None:
        """The server closes its half with an alert, and reads on meanwhile."""
        pem = self.folder / "certificate.pem"
        write_certificate(pem)
        await self.serve(
            listen=f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1", sources={"maximum_bytes": 1_000_000}
        )
        trusted = optionsForClientTLS("127.0.0.1", Certificate.loadPEM(pem.read_bytes()))
        for data, status in REFUSED.items():
            endpoint: Any = TCP4ClientEndpoint(reactor, "127.0.0.1", int(self.url.rpartition(":")[2]))
            connection = await connectProtocol(wrapClientTLS(trusted, endpoint), ClientConnection())
            connection.send(data)
            answer = await connection.answer()
            assert (answer.status, answer.headers["connection"]) == (status, "close")
            assert answer.error
            assert connection.received.count(b"\r\nDate: ") == 1
            assert read_answer(connection.received).body.endswith(b"}\n")

    @pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # as above
    async def test_a_reader_is_watched_at_the_socket(self) -> None:
        """The kernel keeps as little for a TLS client as for others, and says what it has taken."""
        pem = self.folder / "certificate.pem"
        write_certificate(pem)
        await self.serve(listen=f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1")
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", int(self.url.rpartition(":")[2]))
        connection = await connectProtocol(endpoint, ClientConnection())
        await until(lambda: self.service.connections[PUBLIC]._open)
        (mine,) = self.service.connections[PUBLIC]._open
        assert isinstance(mine, Connection)
        tls: Any = mine.transport
        handle = tls.transport.getHandle()
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT) == UNSENT_BYTES
        assert _acked_bytes(tls) is not None
        connection.leave()
