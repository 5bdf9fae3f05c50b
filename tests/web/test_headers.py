"""Header values that are no text count as unknown values, and break nothing."""

from __future__ import annotations

from raw_client import Answer, connect, read_answer
from service_case import HOME, PICTURE, ServiceTestCase, until
from source_tree import ROOT
from twisted.web.http_headers import _nameEncoder

NO_TEXT = b"\xff\xfe\xe9"
CONDITIONS = (b"If-Match", b"If-None-Match", b"If-Modified-Since", b"If-Unmodified-Since", b"Range", b"If-Range")
OTHERS = (b"X-Request-Id", b"Origin", b"Accept", b"Cookie", b"User-Agent", b"Connection", b"Expect", b"Content-Type")


class TestBytes(ServiceTestCase):
    """Bytes that are no UTF-8, in each header that imaged reads."""

    settings = "status: {try_page: true}"

    async def send(self, url: str, start: bytes, name: bytes, body: bytes = b"", more: bytes = b"") -> Answer:
        """Return the answer to a request with such bytes in one header."""
        host = b"" if name == b"Host" else b"Host: localhost\r\n"
        length = b"Content-Length: %d\r\n" % len(body) if body else b""
        lines = b"%s: %s\r\n%s%s%sConnection: close\r\n" % (name, NO_TEXT, host, length, more)
        connection = await connect(url)
        connection.send(b"%s HTTP/1.1\r\n%s\r\n%s" % (start, lines, body))
        if name == b"Connection":  # which is then no `close`
            await until(lambda: b"\r\n\r\n" in connection.received)
            connection.leave()
        await connection.ended
        return read_answer(connection.received)

    async def test_the_public_port(self) -> None:
        """An undecodable condition is ignored; an undecodable list of tags matches nothing."""
        await self.serve()
        await self.post()
        original = b"GET %s/original" % HOME.encode()
        for name in (*CONDITIONS, *OTHERS):
            answer = await self.send(self.url, original, name)
            assert answer.status == {b"If-Match": 412, b"Expect": 417}.get(name, 200), name
        condition = await self.send(self.url, original, b"If-Range", more=b"Range: bytes=0-1\r\n")
        assert condition.body == PICTURE

    async def test_posts(self) -> None:
        """Accepted posts, malformed forms, and bodies that are too large."""
        await self.serve(sources={"maximum_bytes": 100_000}, access={"open": True})
        for name in (*OTHERS, b"Content-Disposition"):
            status = {b"Expect": 417}.get(name)
            assert (await self.send(self.url, b"POST /p", name, PICTURE)).status == (status or 200), name
            assert (await self.send(self.url, b"POST /p", name, PICTURE + bytes(100_000))).status == (status or 413)
        form = b"Content-Type: multipart/form-data; boundary=%s\r\n" % NO_TEXT
        assert (await self.send(self.url, b"POST /p", b"Accept", PICTURE, form)).status == 400

    async def test_the_status_port(self) -> None:
        """An undecodable Host is refused."""
        await self.serve(metrics=["prometheus"])
        for path, name, status in (
            (b"GET /metrics", b"Accept", 200),
            (b"GET /try", b"Host", 400),
            (b"POST /reload", b"Accept", 200),
            (b"POST /reload", b"Forwarded", 403),
            (b"POST /reload", b"X-Forwarded-For", 403),
            (b"POST /reload", b"X-Real-IP", 403),
            (b"POST /reload", b"Via", 403),
            (b"POST /reload", b"Origin", 403),
            (b"POST /reload", b"Sec-Fetch-Site", 403),
        ):
            assert (await self.send(self.status_url, path, name)).status == status, (path, name)

    async def test_later_requests_on_the_connection_are_answered(self) -> None:
        """Later requests on the connection are answered, and each has one line and one count."""
        await self.serve()
        connection = await connect(self.url)
        request = b"GET /status_check HTTP/1.1\r\nHost: a\r\nX-Request-Id: \xff\r\n%s\r\n"
        connection.send(request % b"" + request % b"" + request % b"Connection: close\r\n")
        await connection.ended
        assert connection.received.count(b"HTTP/1.1 200 OK") == 3
        requests = (await self.status())["requests"]
        assert (requests["total"], requests["current"]) == (3, 0)

    async def test_a_long_name_is_431(self) -> None:
        """Twisted keeps thousands of names for ever."""
        await self.serve()
        for length, status in ((256, 200), (257, 431)):
            connection = await connect(self.url)
            name = b"Name" + b"a" * (length - 4)
            connection.send(b"GET /status_check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%s: b\r\n\r\n" % name)
            await connection.ended
            assert read_answer(connection.received).status == status
        assert [name for name in _nameEncoder._canonicalHeaderCache if len(name) > 256] == []

    async def test_a_length_of_thousands_of_digits_is_400(self) -> None:
        """Python does not parse such a number; the client gets an answer."""
        await self.serve()
        connection = await connect(self.url)
        connection.send(b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\n" % (b"9" * 5000))
        await connection.ended
        assert connection.received.startswith(b"HTTP/1.1 400 ")


def test_headers_are_read_in_one_way() -> None:
    """Twisted decodes a header as UTF-8 if it is requested by a str."""
    files = [path for path in (ROOT / "imaged" / "web").glob("*.py") if path.name != "headers.py"]
    texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    assert [name for name, text in texts.items() if 'getHeader("' in text or 'getRawHeaders("' in text] == []
