"""Each request whose head was read gets one line and one count, however it ends."""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from memory_port import ASK, Port, answer_shortly

from imaged.core.events import RequestAnswered, RequestFailed
from imaged.core.traffic import CLIENT_LEFT, Traffic
from imaged.logs.request_lines import RequestRecord
from imaged.statuspage.recent import RecentErrors
from imaged.web.bodies import MEMORY_BYTES
from imaged.web.request_log import PublicRequestLog
from imaged.web.requests import IDLE_S, ImagedRequest
from imaged.web.slow_readers import STALL_S

POST = b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"POST /p HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


class Records:
    """All records of the requests of one port."""

    def __init__(self, answer: Callable[[ImagedRequest], None] = answer_shortly) -> None:
        self.traffic = Traffic()
        self.errors = RecentErrors()
        self.request_log: list[RequestRecord] = []
        self.events: list[RequestAnswered | RequestFailed] = []
        now = datetime(2026, 1, 1, tzinfo=UTC)
        taking = PublicRequestLog(self.traffic, self.errors, self.events.append, self.request_log.append, lambda: now)
        self.port = Port(taking, 100_000, answer)

    @property
    def statuses(self) -> list[int]:
        """The statuses of all requests, on which log, counters and sink agree."""
        statuses = [record.status for record in self.request_log]
        assert [event.status for event in self.events if isinstance(event, RequestAnswered)] == statuses
        assert self.traffic.total == len(statuses)
        assert self.traffic.left == statuses.count(CLIENT_LEFT)
        return statuses

    @property
    def why(self) -> list[str]:
        """The errors of all requests."""
        return [str(record.error or "") for record in self.request_log]


@pytest.fixture
def records() -> Records:
    """Return empty records."""
    return Records()


def test_an_upload_that_breaks_off_is_a_client_that_left(records: Records) -> None:
    """A post is in flight from the end of its head on."""
    client = records.port.connect()
    client.send(POST[:-2] % 1000)
    assert records.traffic.current == 0
    client.send(b"\r\nabc")
    assert records.traffic.current == 1
    client.leave()
    assert (records.statuses, records.why, records.traffic.current) == ([CLIENT_LEFT], [""], 0)
    assert (records.request_log[0].method, records.request_log[0].target) == ("POST", "/p")


def test_a_sender_that_trickles_is_disconnected(records: Records) -> None:
    """The record says why."""
    client = records.port.connect()
    client.send(POST % 1000)
    for _ in range(3):
        records.port.clock.advance(IDLE_S / 2)
        client.send(b"a")
    assert client.aborted
    client.leave()
    assert (records.statuses, records.traffic.current) == ([CLIENT_LEFT], 0)
    assert records.why == ["3 bytes of the body came in 90 seconds: too slow"]
    assert [error.status for error in records.errors.newest_first] == [CLIENT_LEFT]
    assert [event for event in records.events if isinstance(event, RequestFailed)] == []


def test_a_silent_sender_is_disconnected(records: Records) -> None:
    """A client that is silent between two requests has no record."""
    client, idle = records.port.connect(), records.port.connect()
    client.send(POST % 1000)
    idle.send(ASK)
    records.port.asked[0].callback(None)
    records.port.clock.advance(IDLE_S + 1)
    assert client.closed
    assert idle.closed
    assert (sorted(records.statuses), records.traffic.current) == ([200, CLIENT_LEFT], 0)
    assert records.why[1] == "no byte of the body came for 60 seconds"


def test_malformed_chunks_are_400(records: Records) -> None:
    """Malformed chunks are 400, and the record has the same status."""
    client = records.port.connect()
    client.send(CHUNKED + b"zz\r\nabc")
    assert client.received.startswith(b"HTTP/1.1 400 ")
    assert client.half_closed
    client.leave()
    assert (records.statuses, records.traffic.current) == ([400], 0)
    assert [event.status for event in records.events if isinstance(event, RequestFailed)] == [400]
    assert "chunk" in records.why[0]


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nno header\r\n\r\n", b"GET /", b""])
def test_malformed_requests_are_not_counted(records: Records, said: bytes) -> None:
    """Bytes without method and target are no request."""
    client = records.port.connect()
    client.send(said)
    client.leave()
    assert (records.statuses, records.traffic.current) == ([], 0)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"POST"])
def test_each_request_counts_once(records: Records, method: bytes, version: bytes) -> None:
    """Each request counts once, whether it was answered or abandoned."""
    body = b"Content-Length: 1\r\n\r\na" if method == b"POST" else b"\r\n"
    ask = b"%s / HTTP/%s\r\nHost: a\r\n%s" % (method, version, body)
    answered, left = records.port.connect(), records.port.connect()
    answered.send(ask)
    left.send(ask)
    assert records.traffic.current == 2
    records.port.asked[0].callback(None)
    answered.leave()
    left.leave()
    assert (records.statuses, records.traffic.current) == ([200, CLIENT_LEFT], 0)
    assert records.request_log[0].size_bytes == (0 if method == b"HEAD" else len(b"here\n"))


def test_pipelined_requests_count_when_their_turn_has_come(records: Records) -> None:
    """A request that the daemon never started does not count."""
    client = records.port.connect()
    client.send(ASK * 3)
    assert records.traffic.current == 1
    records.port.asked[0].callback(None)
    records.port.clock.advance(0)
    assert records.traffic.current == 1
    client.leave()
    assert (records.statuses, records.traffic.current) == ([200, CLIENT_LEFT], 0)


def test_a_refused_head_has_no_body(records: Records) -> None:
    """The answer to HEAD has no body (RFC 9110, 9.3.2)."""
    client = records.port.connect()
    client.send(b"HEAD /p HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n")
    assert client.received.startswith(b"HTTP/1.1 400 ")
    assert client.received.endswith(b"\r\n\r\n")
    client.leave()
    assert (records.statuses, records.traffic.current) == ([400], 0)


def failed(events: list[Any]) -> list[RequestFailed]:
    """Return the failures among events."""
    return [event for event in events if isinstance(event, RequestFailed)]


@pytest.mark.parametrize("start", [POST % 100_001, CHUNKED + b"186a1\r\n" + bytes(100_001) + b"\r\n"])
def test_a_refused_body_is_noted_as_any_refusal(records: Records, start: bytes) -> None:
    """The record has method, path, namespace, bytes, and one failure."""
    client = records.port.connect()
    client.send(start)
    assert client.received.startswith(b"HTTP/1.1 413 ")
    _, _, body = client.received.partition(b"\r\n\r\n")
    for _ in range(3):
        client.send(b"186a1\r\n" + bytes(100_001) + b"\r\n" if b"chunked" in start else b"a")
    client.leave()
    (record,) = records.request_log
    assert (record.method, record.target, record.status, record.size_bytes) == ("POST", "/p", 413, len(body))
    assert (record.trace.route, record.trace.namespace) == ("post", "p")
    assert failed(records.events) == [RequestFailed("p", None, 413, "post")]
    assert [error.request for error in records.errors.newest_first] == ["POST /p"]
    assert (records.statuses, records.traffic.current) == ([413], 0)


def test_a_refused_body_for_no_path_of_ours(records: Records) -> None:
    """A body for an unknown path is refused by its size, too."""
    client = records.port.connect()
    client.send(b"PUT /NO?sig=a HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n")
    client.leave()
    assert (records.request_log[0].target, records.request_log[0].trace.route, records.statuses) == (
        "/NO?sig=...",
        "other",
        [413],
    )


@contextmanager
def full_disk() -> Iterator[None]:
    """Limit the size of files to a little more than bodies use in memory. It affects pytest's files, too."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY_BYTES + 1000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("size_bytes", [2000, 9000])
def test_a_body_that_cannot_be_kept(records: Records, size_bytes: int) -> None:
    """The daemon refuses it when the disk fails: at the latest at its end."""
    client = records.port.connect()
    with full_disk():
        client.send(CHUNKED + b"%x\r\n%s\r\n" % (MEMORY_BYTES, bytes(MEMORY_BYTES)))
        client.send(b"%x\r\n%s\r\n" % (size_bytes, bytes(size_bytes)))
        client.send(b"0\r\n\r\n")
    assert client.received.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: " in client.received
    assert client.closed
    assert (records.statuses, records.traffic.current) == ([503], 0)
    assert failed(records.events) == [RequestFailed("p", None, 503, "post")]


def test_a_body_that_breaks_off_while_the_disk_is_full(records: Records) -> None:
    """Unwritten buffers cause no error."""
    client = records.port.connect()
    with full_disk():
        client.send(CHUNKED + b"%x\r\n%s\r\n" % (MEMORY_BYTES, bytes(MEMORY_BYTES)))
        client.send(b"7d0\r\n" + bytes(2000))
        client.leave()
    assert (records.statuses, records.traffic.current) == ([CLIENT_LEFT], 0)


class Stuck:
    """A producer that is never resumed."""

    def pauseProducing(self) -> None:  # noqa: N802  # Twisted's name
        """Do nothing."""

    def resumeProducing(self) -> None:  # noqa: N802  # as above
        """Do nothing."""

    def stopProducing(self) -> None:  # noqa: N802  # as above
        """Do nothing."""


def stream(request: ImagedRequest) -> None:
    """Begin an endless answer."""
    request.write(b"begun")
    request.registerProducer(Stuck(), streaming=True)


def test_a_reader_that_takes_nothing_is_disconnected() -> None:
    """The record has the reason and the bytes sent."""
    records = Records(stream)
    client = records.port.connect()
    client.send()
    records.port.asked[0].callback(None)
    records.port.clock.advance(STALL_S + 1)
    assert client.aborted
    client.leave()
    assert (records.statuses, records.request_log[0].size_bytes) == ([CLIENT_LEFT], 5)
    assert records.why == ["the client took 0 bytes of the answer in 300 seconds: too slow"]


def break_off(request: ImagedRequest) -> None:
    """Begin an answer and fail."""
    request.write(b"begun")
    raise ZeroDivisionError("a defect")


def test_an_answer_that_the_server_breaks_off_is_a_failure() -> None:
    """It is a failure whatever status was sent."""
    records = Records(break_off)
    client = records.port.connect()
    client.send()
    records.port.asked[0].callback(None)
    assert client.closed
    assert (records.statuses, records.traffic.failed, records.traffic.left) == ([500], 1, 0)
    assert [event.status for event in failed(records.events)] == [500]
