"""Defects of imaged: each is logged, and fails one request only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from memory_port import ASK, Port
from service_case import HOME, ServiceTestCase, until
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from imaged.logs.request_lines import RequestRecord
from imaged.web.request_log import StatusRequestLog
from imaged.web.requests import MAXIMUM_METHOD_CHARACTERS

POST = b"POST /p?source=http://h/a.jpg?sig=s3cr3t HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"


def failing(_: RequestRecord) -> None:
    """Raise instead of writing a line."""
    raise ZeroDivisionError("a defect")


@pytest.fixture
def events() -> Iterator[list[LogEvent]]:
    """Return the logged failures."""
    events: list[LogEvent] = []
    observer: Any = events.append  # Twisted types observers by a zope interface
    globalLogPublisher.addObserver(observer)
    yield events
    globalLogPublisher.removeObserver(observer)


def test_a_request_that_cannot_be_logged_is_answered(events: list[LogEvent]) -> None:
    """The client gets its answer, and so do later requests on the connection."""
    port = Port(StatusRequestLog(failing))
    client = port.connect()
    client.send(POST + POST + ASK)
    for number in range(3):
        port.asked[number].callback(None)
        port.clock.advance(0)
    assert client.received.count(b"HTTP/1.1 200 OK") == 3
    lines = [formatEvent(event) for event in events if "log_failure" in event]
    assert lines == ["POST /p?source=http://h/a.jpg?... was answered, but is missing in the log or the counts"] * 2


def test_a_failure_names_the_request(events: list[LogEvent]) -> None:
    """The log names the request as text, without possible signatures."""
    request_log: list[RequestRecord] = []
    port = Port(StatusRequestLog(request_log.append))
    client = port.connect()
    client.send(POST)
    port.asked[0].errback(ZeroDivisionError("a defect"))
    assert client.received.startswith(b"HTTP/1.1 500 ")
    lines = [formatEvent(event) for event in events if "log_failure" in event]
    assert lines == ["POST /p?source=http://h/a.jpg?... failed unexpectedly"]
    assert [(record.method, record.target, record.status) for record in request_log] == [
        ("POST", "/p?source=http://h/a.jpg?...", 500)
    ]


class TestLines(ServiceTestCase):
    """Lines for operators."""

    async def test_a_method_is_shortened(self) -> None:
        """A method may be any word, of any length."""
        await self.serve()
        assert (await self.ask("A" * 15_000, f"{HOME}/x30.jpg")).status == 405
        (error,) = (await self.status())["errors"]
        assert error["request"] == f"{'A' * (MAXIMUM_METHOD_CHARACTERS - 1)}… {HOME}/x30.jpg"
        await until(lambda: "405" in self.log.getvalue())
        assert "A" * MAXIMUM_METHOD_CHARACTERS not in self.log.getvalue()
