"""Each request has one Host, and the status port accepts only its own names."""

from __future__ import annotations

import socket

from raw_client import Answer, ClientConnection, begin, connect, read_answer, request
from service_case import ServiceTestCase
from twisted.internet import reactor
from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol

OWN = (
    "127.0.0.1",
    "127.0.0.1:7002",
    "192.168.7.7:80",
    "[::1]:7002",
    "[fe80::1]",
    "localhost",
    "LOCALHOST:1",
    "a.localhost",
)
FOREIGN = (
    "evil.example",
    "evil.example:7002",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "1.2.3",
    "xlocalhost",
)


class TestHosts(ServiceTestCase):
    """Both ports of a daemon."""

    async def send(self, url: str, head: str) -> Answer:
        """Return the answer to a request with this head."""
        connection = await connect(url)
        connection.send(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        await connection.ended
        return read_answer(connection.received)

    async def private(self, host: str, path: str = "/status.json") -> Answer:
        """Send a request to the status port under a name."""
        return await (await begin(self.status_url, "GET", path, {"Host": host})).answer()

    async def test_one_host_is_demanded(self) -> None:
        """None, two, or a malformed Host are 400 on either port (RFC 9112, 3.2), except HTTP/1.0 without one."""
        await self.serve()
        for url in (self.url, self.status_url):
            for lines in (
                "",
                "\nHost: localhost\nHost: localhost",
                "\nHost: a b",
                "\nHost: a/b",
                "\nHost: u@h",
                "\nHost: a:b",
            ):
                answer = await self.send(url, f"GET /status_check HTTP/1.1{lines}")
                assert (answer.status, "Host header" in answer.error) == (400, True), lines
            for lines in ("\nHost: localhost", "\nHost:"):
                assert (await self.send(url, f"GET /status_check HTTP/1.1{lines}\nConnection: close")).status == 200
            assert (await self.send(url, "GET /status_check HTTP/1.0")).status == 200

    async def test_a_body_without_a_host_is_not_waited_for(self) -> None:
        """The answer comes before the body."""
        await self.serve()
        connection = await connect(self.url)
        connection.send(b"POST /p HTTP/1.1\r\nContent-Length: 1000\r\n\r\n")
        await connection.ended
        assert read_answer(connection.received).status == 400

    async def test_the_status_port_answers_for_its_own(self) -> None:
        """Addresses, the machine's names, and names of the settings are accepted, also after a reload."""
        await self.serve()
        for host in (*OWN, f"{socket.gethostname()}:7002"):
            assert (await self.private(host)).status == 200, host
        assert (await self.private("Status.example.:7002")).status == 421
        self.configure(status={"allow_hosts": ["status.example"]})
        assert (await self.service.reload()).ok
        assert (await self.private("Status.example.:7002")).status == 200

    async def test_a_name_of_a_stranger_reads_nothing(self) -> None:
        """Another name (DNS rebinding) gets 421 on the status port; the public port accepts any name."""
        await self.serve()
        for host in FOREIGN:
            for path in ("/status.json", "/", "/status_check", "/metrics", "/nothing"):
                answer = await self.private(host, path)
                assert (answer.status, "status.allow_hosts" in answer.error) == (421, True), (host, path)
        reload = await (await begin(self.status_url, "POST", "/reload", {"Host": "evil.example"})).answer()
        assert reload.status == 421
        assert (await self.get("/status_check", Host="evil.example")).status == 200


class TestSocket(ServiceTestCase):
    """A status port on a UNIX socket."""

    async def test_a_unix_socket_answers_for_any_name(self) -> None:
        """A proxy in front of the socket may pass any name."""
        await self.serve(status={"listen": f"unix:{self.folder}/s"})
        connection = await connectProtocol(UNIXClientEndpoint(reactor, f"{self.folder}/s"), ClientConnection())
        connection.send(request("GET", "/status_check", {"Host": "status.example"}))
        assert (await connection.answer()).status == 200
