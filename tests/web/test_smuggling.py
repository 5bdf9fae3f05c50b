"""Requests that two servers may read in two ways are refused, and nothing behind them is read as a request."""

from __future__ import annotations

from raw_client import connect, read_answer
from service_case import ServiceTestCase

NEXT = b"GET /status_check HTTP/1.1\r\nHost: smuggled\r\nConnection: close\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"

LENGTHS: dict[bytes, int] = {
    b"Content-Length: 5\r\n" + CHUNKED: 400,
    CHUNKED + b"Content-Length: 5\r\n": 400,
    b"Content-Length: 0\r\nContent-Length: 5\r\n": 400,
    b"Content-Length: 5\r\nContent-Length: 5\r\n": 400,
    b"Content-Length: 5, 5\r\n": 400,
    b"Content-Length: +5\r\n": 400,
    b"Content-Length: -5\r\n": 400,
    b"Content-Length: 0x5\r\n": 400,
    b"Content-Length: 0_5\r\n": 400,
    b"Content-Length: 5 0\r\n": 400,
    b"Content-Length: 5.0\r\n": 400,
    b"Content-Length: \xb2\r\n": 400,
    b"Content-Length: \r\n": 400,
    b"Content-Length : 5\r\n": 400,
    b"Content-Length\t: 5\r\n": 400,
    b"Content-Length: 0\r\n 5\r\n": 400,
    b"X: a\r\n Content-Length: 5\r\n": 400,
    b"X: a\nContent-Length: 5\r\n": 400,
    b"X: a\rContent-Length: 5\r\n": 400,
    b"X: a\0Content-Length: 5\r\n": 400,
    b"Transfer-Encoding : chunked\r\n": 400,
    b"Transfer-Encoding:\r\n chunked\r\n": 400,
    b"Transfer-Encoding: \x0bchunked\r\n": 400,
    b"Transfer-Encoding: xchunked\r\n": 400,
    b'Transfer-Encoding: "chunked"\r\n': 400,
    b"Transfer-Encoding: chunked;q=1\r\n": 400,
    b"Transfer-Encoding: \r\n": 400,
    b"Transfer-Encoding: identity\r\n": 400,
    b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n": 400,
    b"Transfer-Encoding: identity\r\n" + CHUNKED: 400,
    CHUNKED + b"Transfer-Encoding: identity\r\n": 400,
    CHUNKED + CHUNKED: 400,
    b"Transfer-Encoding: chunked, chunked\r\n": 400,
    b"Transfer-Encoding: chunked, gzip\r\n": 400,
    b"Transfer-Encoding: gzip\r\n": 400,
    b"Transfer-Encoding: gzip, chunked\r\n": 501,
    b"Transfer-Encoding: , chunked\r\n": 501,
}
HEADERS = [
    b" X: a\r\n",
    b"X: a\r\n b\r\n",
    b"X: a\r\n\tb\r\n",
    b"X: a\nY: b\r\n",
    b"X: a\rY: b\r\n",
    b"X: a\r\r\n",
    b"X: a\0b\r\n",
    b"X: a\x01b\r\n",
    b"X: a\x7fb\r\n",
    b"X\0: a\r\n",
    b"X(: a\r\n",
    b"\xc3\xa9: a\r\n",
    b": a\r\n",
    b"no colon\r\n",
]
LINES = {
    b"GET /status_check": 400,  # HTTP/0.9
    b"GET /status_check HTTP/2.0": 505,
    b"GET /status_check HTTP/1.2": 505,
    b"PRI * HTTP/2.0": 505,
    b"GET /status_check HTTP/1.10": 400,
    b"GET /status_check http/1.1": 400,
    b"GET /status_check HTTP/1.1 ": 400,
    b"GET  /status_check HTTP/1.1": 400,
    b"GET /status_check  HTTP/1.1": 400,
    b"GET\t/status_check HTTP/1.1": 400,
    b" GET /status_check HTTP/1.1": 400,
    b"G(T /status_check HTTP/1.1": 400,
    b"GET /status check HTTP/1.1": 400,
    b"GET /status_check\n HTTP/1.1": 400,
    b"GET /status_check HTTP/1.1\nX: a": 400,
    b"GET /\0 HTTP/1.1": 400,
    b"GET /\xff HTTP/1.1": 400,
    b"GET * HTTP/1.1": 400,
    b"GET a:80 HTTP/1.1": 400,
    b"GET status_check HTTP/1.1": 400,
    b"GET ftp://a/status_check HTTP/1.1": 400,
    b"GET http:///status_check HTTP/1.1": 400,
    b"GET http://u@a/status_check HTTP/1.1": 400,
    b"GET http://<a>/status_check HTTP/1.1": 400,
    b"CONNECT a:80 HTTP/1.1": 405,
    b"CONNECT /status_check HTTP/1.1": 405,
    b"OPTIONS * HTTP/1.1": 405,
}
CHUNKS = [
    b"0x3\r\nabc\r\n",
    b"+3\r\nabc\r\n",
    b"-3\r\nabc\r\n",
    b" 3\r\nabc\r\n",
    b"3 \r\nabc\r\n",
    b"3 ;a\r\nabc\r\n",
    b"\r\nabc\r\n",
    b"g\r\nabc\r\n",
    b"00000000000000003\r\nabc\r\n",
    b"fffffffffffffffff\r\nabc\r\n",
    b"3\nabc\r\n",
    b"3\r\nabc\n",
    b"3\r\nabcd\r\n",
    b"3\r\nabc",
    b"3;a\nb\r\nabc\r\n",
    b"3;a\rb\r\nabc\r\n",
    b"3;\r\nabc\r\n",
    b"3;a=\r\nabc\r\n",
    b'3;a="\r\nabc\r\n',
    b"3;" + b"a" * 20_000 + b"\r\nabc\r\n",
    b"1;" + b"a" * 4_000 + b"\r\na\r\n" + (b"1;" + b"a" * 4_000 + b"\r\na\r\n") * 4,
]
TRAILERS = [
    b"no colon\r\n",
    b" folded: a\r\n",
    b"X: a\nY: b\r\n",
    b"X: \0\r\n",
    b"X : a\r\n",
    b"GET /status_check HTTP/1.1\r\n",
    b"X: " + b"a" * 20_000 + b"\r\n",
    (b"X: " + b"a" * 4_000 + b"\r\n") * 5,
]


class TestSmuggling(ServiceTestCase):
    """Each request is sent with another one behind it, on one connection of the public port."""

    async def send(self, data: bytes, url: str | None = None) -> bytes:
        """Return all bytes of the answers when the server has ended the connection."""
        connection = await connect(url or self.url)
        connection.send(data)
        await connection.ended
        return connection.received

    async def check_refused(self, data: bytes, status: int = 400) -> None:
        """Check that the answer is one error, on both ports, and that nothing else was read."""
        for url in (self.url, self.status_url):
            received = await self.send(data + NEXT, url)
            assert received.count(b"\r\nDate: ") == 1, (data[:80], received)
            answer = read_answer(received)
            assert (answer.status, answer.headers["connection"]) == (status, "close"), (data[:80], received)
            assert answer.error

    async def test_doubtful_lengths(self) -> None:
        """A body has one length, in one form."""
        await self.serve()
        for headers, status in LENGTHS.items():
            await self.check_refused(b"POST /p HTTP/1.1\r\nHost: localhost\r\n" + headers + b"\r\n" + END, status)

    async def test_transfer_encoding_in_http_1_0(self) -> None:
        """HTTP/1.0 has no transfer codings, so a proxy may have passed on bytes that it did not read as chunks."""
        await self.serve()
        await self.check_refused(b"POST /p HTTP/1.0\r\n" + CHUNKED + b"\r\n" + END)

    async def test_bodies_of_get_and_head(self) -> None:
        """A proxy may not expect the body of a GET, and take it for the next request."""
        await self.serve()
        for method in (b"GET", b"HEAD"):
            for header in (b"Content-Length: %d\r\n" % len(NEXT), CHUNKED):
                head = method + b" /status_check HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n"
                received = await self.send(head + NEXT)
                assert received.startswith(b"HTTP/1.1 400 ")
                assert received.count(b"\r\nDate: ") == 1
            received = await self.send(
                method + b" /status_check HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n" + NEXT
            )
            assert received.count(b"HTTP/1.1 200 ") == 2

    async def test_malformed_headers(self) -> None:
        """A header is one line of printable characters."""
        await self.serve()
        for header in HEADERS:
            await self.check_refused(b"GET /status_check HTTP/1.1\r\nHost: localhost\r\n" + header + b"\r\n")
        await self.check_refused(b"GET /status_check HTTP/1.1\r\n folded\r\nHost: localhost\r\n\r\n")
        await self.check_refused(b"GET /status_check HTTP/1.1\r\nHost: localhost\r\n\n")

    async def test_malformed_request_lines(self) -> None:
        """A request line is a method, a target and a version, with a space between each."""
        await self.serve()
        for line, status in LINES.items():
            await self.check_refused(line + b"\r\nHost: localhost\r\n\r\n", status)
        await self.check_refused(b"GET /status_check HTTP/1.1\nHost: a\n\n")

    async def test_malformed_chunks(self) -> None:
        """A chunk has a size in hexadecimal digits, and ends where the size says."""
        await self.serve()
        head = b"POST /p HTTP/1.1\r\nHost: localhost\r\n" + CHUNKED + b"\r\n"
        for chunk in CHUNKS:
            await self.check_refused(head + chunk + END)
        for trailer in TRAILERS:
            await self.check_refused(head + b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n")

    async def test_what_is_valid_is_read(self) -> None:
        """Extensions and trailers are ignored, an empty line before a request is, and letters have no case."""
        await self.serve()
        host = b"Host: localhost\r\n"
        for data, status in (
            (b"\r\nPOST /p HTTP/1.1\r\nhost: a\r\ntransfer-ENCODING:CHUNKED\r\n\r\n" + END, 400),
            (b"POST /p HTTP/1.1\r\n" + host + CHUNKED + b'\r\n3;a;b=c;d="e\\"f"\r\nabc\r\n0;a\r\n\r\n', 415),
            (b"POST /p HTTP/1.1\r\n" + host + CHUNKED + b"\r\n003\r\nabc\r\n000\r\nContent-Length: 9\r\n\r\n", 415),
            (b"POST /p HTTP/1.1\r\n" + host + b"Content-Length: 003\r\n\r\nabc", 415),
            (b"GET /status_check HTTP/1.1\r\n" + host + b"X: \t caf\xe9\t\r\nContent_Length: 5\r\n\r\n", 200),
            (b"GET http://b:80/status_check HTTP/1.1\r\n" + host + b"\r\n", 200),
        ):
            received = await self.send(data + NEXT)
            assert received.startswith(b"HTTP/1.1 %d " % status), (data, received)
            assert received.count(b"\r\nDate: ") == 2, data
            assert received.endswith(b"\r\n\r\nOK\n"), data

    async def test_the_host_of_an_absolute_target_counts(self) -> None:
        """It replaces the Host header, which the status port checks (RFC 9112, 3.2.2)."""
        await self.serve()
        for target, status in (("http://localhost/status.json", 200), ("http://evil.example/status.json", 421)):
            request = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            assert read_answer(await self.send(request.encode(), self.status_url)).status == status

    async def test_a_refused_body_hides_no_request(self) -> None:
        """Bytes behind a body that is refused early are not read as a request."""
        await self.serve(sources={"maximum_bytes": 1000})
        for head in (b"Content-Length: 1001\r\n\r\n", b"Content-Length: 1001\r\n\r\n" + bytes(1001)):
            received = await self.send(b"POST /p HTTP/1.1\r\nHost: localhost\r\n" + head + NEXT)
            assert received.count(b"\r\nDate: ") == received.count(b"HTTP/1.1 413 ") == 1
        for size in (b"3e9\r\n", b"3e8\r\n" + bytes(1000) + b"\r\n1\r\na"):
            received = await self.send(b"POST /p HTTP/1.1\r\nHost: localhost\r\n" + CHUNKED + b"\r\n" + size + NEXT)
            assert received.count(b"\r\nDate: ") == received.count(b"HTTP/1.1 413 ") == 1
