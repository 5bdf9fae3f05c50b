"""Refusals over TLS reach their client, which then sees the end of the connection."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest
from certificates import write_certificate
from raw_client import ClientConnection, pause, read_answer, request
from real_reactor import reactor
from service_case import HOME, IMAGE, ServiceTestCase, until
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.ssl import Certificate, optionsForClientTLS

from imaged.core.files import ORIGINAL, RECORD
from imaged.core.pictures import ImageInfo
from imaged.process.endpoints import PUBLIC
from imaged.store.records import encode
from imaged.web.connection import Connection
from imaged.web.slow_readers import UNSENT_BYTES, _acked_bytes

REFUSED = {
    b"GET /status_check HTTP/1.1\r\nHost : a\r\n\r\n": 400,
    b"POST /p HTTP/1.1\r\nHost : a\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000): 400,
    b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000): 413,
    b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + bytes(3_000_000): 413,
}


def position(path: Path) -> int:
    """Return where this process stands in a file that it has open."""
    (opened,) = [each for each in Path("/proc/self/fd").iterdir() if os.path.realpath(each) == str(path)]
    return int(Path("/proc/self/fdinfo", opened.name).read_text().split()[1])


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
    async def test_a_connection_too_many_ends_at_once(self) -> None:
        """Nothing counts it, so that it does not stay open until its client begins the handshake."""
        pem = self.folder / "certificate.pem"
        write_certificate(pem)
        await self.serve(listen=f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1", limits={"connections": 1})
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", int(self.url.rpartition(":")[2]))
        first, *others = [await connectProtocol(endpoint, ClientConnection()) for _ in range(4)]
        for each in others:
            await each.ended
        assert not first.ended.called
        first.leave()

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

    @pytest.mark.filterwarnings("ignore:Passing pyOpenSSL:DeprecationWarning")  # as above
    async def test_a_large_file_is_read_at_the_pace_of_its_client(self) -> None:
        """A client that does not read has the file open, not in memory; then it gets all of it."""
        pem = self.folder / "certificate.pem"
        write_certificate(pem)
        await self.serve(listen=f"ssl:0:privateKey={pem}:certKey={pem}:interface=127.0.0.1")
        original = self.store.path(IMAGE, ORIGINAL)
        original.parent.mkdir(parents=True)
        original.write_bytes(large := os.urandom(12_000_000))
        facts = ImageInfo(IMAGE.hash, 1, 1, "image/jpeg", len(large), "")
        self.store.path(IMAGE, RECORD).write_bytes(encode(facts, (3, 3)))
        trusted = optionsForClientTLS("127.0.0.1", Certificate.loadPEM(pem.read_bytes()))
        endpoint: Any = TCP4ClientEndpoint(reactor, "127.0.0.1", int(self.url.rpartition(":")[2]))
        connection = await connectProtocol(wrapClientTLS(trusted, endpoint), ClientConnection())
        connection.send(request("GET", f"{HOME}/original"))
        await until(lambda: connection.received)
        connection.transport.pauseProducing()
        await pause(0.2)
        assert 0 < position(original) < len(large)
        connection.transport.resumeProducing()
        assert (await connection.answer()).body == large
