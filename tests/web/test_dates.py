"""Every answer has a Date (RFC 9110, 6.6.1), on both ports, whatever its status."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime

from raw_client import Answer, begin, connect, read_answer
from service_case import HOME, ServiceTestCase


class TestDates(ServiceTestCase):
    """The date of answers."""

    def check(self, answer: Answer, began_s: float) -> None:
        """Check that the Date is the present, in the preferred form (RFC 9110, 5.6.7)."""
        text = answer.headers["date"]
        assert int(began_s) <= parsedate_to_datetime(text).timestamp() <= time.time()
        assert time.strftime("%a, %d %b %Y %H:%M:%S GMT", parsedate_to_datetime(text).utctimetuple()) == text

    async def test_answers_of_the_public_port(self) -> None:
        """Files, parts, 304, JSON, and refusals before and after a body have a Date."""
        began_s = time.time()
        await self.serve()
        answers = [
            await self.post(),
            await self.get(f"{HOME}/original"),
            await self.get(f"{HOME}/x30.jpg"),
            await self.get(f"{HOME}/original", Range="bytes=0-1"),
            await self.get(f"{HOME}/original", Range="bytes=99999999-"),
            await self.get(f"{HOME}/original", If_None_Match="*"),
            await self.get(f"{HOME}/original", If_Match="no"),
            await self.ask("HEAD", f"{HOME}/original"),
            await self.ask("OPTIONS", f"{HOME}/original"),
            await self.ask("POST", "/p", Content_Length=str(10**9)),
            await self.post(body=b"no picture"),
            await self.get("/status_check"),
            await self.get("/nothing"),
        ]
        assert [each.status for each in answers] == [200, 200, 200, 206, 416, 304, 412, 200, 405, 413, 415, 200, 405]
        for answer in answers:
            self.check(answer, began_s)

    async def test_answers_of_the_status_port(self) -> None:
        """Pages, JSON and refusals have a Date."""
        began_s = time.time()
        await self.serve()
        for target in ("/", "/status.json", "/status_check", "/metrics", "/nothing"):
            self.check(await (await begin(self.status_url, "GET", target)).answer(), began_s)

    async def test_malformed_http_gets_a_date(self) -> None:
        """Malformed HTTP gets one JSON error with a Date, and the connection closes."""
        began_s = time.time()
        await self.serve()
        for head in (
            "nonsense",
            "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1",
            "POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5,5",
        ):
            connection = await connect(self.url)
            connection.send(head.encode() + b"\r\n\r\n")
            answer = await connection.answer()
            assert (answer.status, answer.headers["connection"], "not valid HTTP" in answer.error) == (
                400,
                "close",
                True,
            )
            self.check(answer, began_s)
        connection = await connect(self.url)
        connection.send(
            b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        )
        await connection.ended
        assert read_answer(connection.received).status == 400
