"""Heads of requests that are valid HTTP, and too large or not to be met, get their own status."""

from __future__ import annotations

from raw_client import connect, read_answer
from service_case import HASH, PICTURE, ServiceTestCase, until

LARGE = {
    b"GET /" + b"a" * 16_400 + b" HTTP/1.1\r\nHost: a\r\n\r\n": 414,
    b"GET /" + b"a" * 100_000: 414,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 16_400 + b"\r\n\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 100_000: 431,
    b"GET / HTTP/1.1\r\nHost: a\r\n" + (b"X: " + b"a" * 4_000 + b"\r\n") * 5 + b"\r\n": 431,
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 500 + b"\r\n": 431,
}
EXPECTED: list[tuple[bytes, list[int]]] = [
    (b"Expect: 100-continue\r\n", [100, 200]),
    (b"Expect: 100-Continue\r\n", [100, 200]),
    (b"Expect: 100-continue\r\nExpect: 100-continue\r\n", [100, 200]),
    (b"Expect: \r\n", [200]),
    (b"Expect: 200-ok\r\n", [417]),
    (b"Expect: 100-continue, 200-ok\r\n", [417]),
    (b"Expect: 100-continue\r\nExpect: 200-ok\r\n", [417]),
    (b"Expect: 100-continue;a\r\n", [417]),
]
CLOSING = [b"close", b"Close", b"keep-alive,close", b"a, close", b"keep-alive\r\nConnection: close"]


class TestHeads(ServiceTestCase):
    """Heads on sockets."""

    async def answers(self, data: bytes) -> bytes:
        """Send bytes, and return all answers when the server has ended the connection."""
        connection = await connect(self.url)
        connection.send(data)
        await connection.ended
        return connection.received

    async def test_large_heads(self) -> None:
        """The client reads which part is too large, also when it sends on."""
        await self.serve()
        for data, status in LARGE.items():
            answer = read_answer(await self.answers(data))
            assert (answer.status, answer.headers["connection"]) == (status, "close"), data[:40]
            assert answer.error
        many = b"GET /status_check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + b"X: a\r\n" * 498 + b"\r\n"
        assert read_answer(await self.answers(many)).status == 200

    async def test_expectations(self) -> None:
        """Only 100-continue is met (RFC 9110, 10.1.1), when a body follows, and in HTTP/1.1."""
        await self.serve()
        body = b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(PICTURE) + PICTURE
        for header, statuses in EXPECTED:
            received = await self.answers(b"POST /p HTTP/1.1\r\nHost: a\r\n" + header + body)
            assert [status for status in (100, 200, 417) if b"HTTP/1.1 %d " % status in received] == statuses, header
        for request in (
            b"GET /status_check HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\n\r\n",
            b"POST /p HTTP/1.1\r\nHost: a\r\nConnection: close\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            b"POST /p HTTP/1.0\r\nExpect: 100-continue\r\n" + body,
            b"POST /p HTTP/1.0\r\nExpect: 200-ok\r\n" + body,
        ):
            received = await self.answers(request)
            assert (b" 100 " in received, b" 417 " in received) == (False, False), request[:200]

    async def test_an_unmet_expectation_is_answered_before_the_body(self) -> None:
        """So is a body that is too large, and no 100 comes first."""
        await self.serve(sources={"maximum_bytes": 1000})
        for header, status in ((b"Expect: 200-ok", 417), (b"Expect: 100-continue", 413)):
            connection = await connect(self.url)
            connection.send(b"POST /p HTTP/1.1\r\nHost: a\r\n" + header + b"\r\nContent-Length: 1001\r\n\r\n")
            await until(lambda: connection.received.endswith(b"}\n"))  # noqa: B023  # awaited in this turn
            assert read_answer(connection.received).status == status
            assert b" 100 " not in connection.received
            connection.leave()

    async def test_connections_end_when_the_client_says_so(self) -> None:
        """`close` may stand anywhere in several lists, in any case (RFC 9110, 7.6.1)."""
        await self.serve()
        await self.post()
        for option in CLOSING:
            request = f"GET /p/{HASH}/original HTTP/1.1\r\nHost: a\r\nConnection: ".encode() + option + b"\r\n\r\n"
            received = await self.answers(request * 2)
            assert received.count(b"\r\nDate: ") == 1
            assert received.endswith(PICTURE)
