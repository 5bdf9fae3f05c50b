"""A client that does not read costs bounded memory and bounded time, and one that reads slowly gets everything."""

from __future__ import annotations

import contextlib
import socket
from typing import Any

import pytest
from memory_port import ASK, Port
from raw_client import connect, pause
from service_case import HOME, PICTURE, ServiceTestCase, until
from twisted.internet.task import Clock

from imaged.web.connection import Connection
from imaged.web.requests import IDLE_S
from imaged.web.slow_readers import SLOWEST_READ_BYTES, STALL_S, UNSENT_BYTES, SlowReaderWatch

LAST = ASK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


def answer(port: Port) -> None:
    """Let the port answer the newest request."""
    port.asked[-1].callback(None)
    port.clock.advance(0)


def test_answers_wait_for_their_reader() -> None:
    """The next of several requests is handled when the client has taken the answers so far."""
    port = Port()
    client = port.connect()
    client.send(ASK * 3)
    client.stop_reading()
    answer(port)
    port.clock.advance(IDLE_S - 1)
    assert len(port.asked) == 1
    client.read_on()
    port.clock.advance(0)
    assert len(port.asked) == 2
    answer(port)
    answer(port)
    assert client.received.count(b" 200 OK") == 3
    client.leave()


def test_one_request_is_handled_at_a_time() -> None:
    """A client that sends many requests at once gets one answer, and the others in later turns of the reactor."""
    port = Port()
    port.answer_at_once()
    client, other = port.connect(), port.connect()
    client.send(ASK * 50)
    other.send(ASK)
    assert client.received.count(b" 200 OK") == other.received.count(b" 200 OK") == 1
    port.clock.advance(0)
    assert client.received.count(b" 200 OK") == 50
    client.send(ASK * 50)
    client.leave()
    port.clock.advance(0)
    assert client.received.count(b" 200 OK") == 51


def test_bytes_that_wait_are_kept() -> None:
    """Requests that come while others wait are read behind them, also in pieces."""
    port = Port()
    port.answer_at_once()
    client = port.connect()
    client.send(ASK * 2 + ASK[:5])
    client.send(ASK[5:])
    port.clock.pump([0] * 3)
    assert client.received.count(b" 200 OK") == 3
    client.leave()


def test_a_shutdown_answers_requests_that_wait() -> None:
    """A connection is busy while another request waits on it."""
    port = Port()
    port.answer_at_once()
    client = port.connect()
    client.send(ASK * 2)
    ended = port.ending(quiet_s=0)
    assert not client.closed
    port.clock.pump([0, 0.1, 0.1])
    assert client.received.count(b" 200 OK") == 2
    assert client.closed
    port.clock.advance(0.1)
    assert ended.called


@pytest.mark.parametrize(("request_", "closed_after_s"), [(ASK, IDLE_S), (LAST, 0)])
def test_a_client_that_takes_nothing_loses_its_connection(request_: bytes, closed_after_s: float) -> None:
    """Also when its answers are complete, and the server only waits for them to be taken."""
    port = Port()
    client = port.connect()
    client.send(request_)
    client.stop_reading()
    answer(port)
    port.clock.advance(closed_after_s)
    port.clock.advance(STALL_S - 1)
    assert not client.aborted
    port.clock.advance(1)
    assert client.aborted
    client.leave()
    assert port.clock.getDelayedCalls() == []


class Acknowledging:
    """A transport whose kernel says how many bytes its client has taken."""

    def __init__(self) -> None:
        self.taken_bytes = 0

    def getHandle(self) -> Acknowledging:  # noqa: N802  # Twisted's name
        """Return the socket."""
        return self

    def getsockopt(self, *_: Any) -> bytes:
        """Return a struct tcp_info."""
        return bytes(120) + self.taken_bytes.to_bytes(8, "little")


def test_what_the_client_has_taken_counts() -> None:
    """A slow client stays while the kernel sends what it has; one that takes less than the least does not."""
    clock, transport, reasons = Clock(), Acknowledging(), list[str]()
    watch = SlowReaderWatch(clock.callLater, lambda: 0, reasons.append)
    watch.start(transport)
    for _ in range(3):
        transport.taken_bytes += int(SLOWEST_READ_BYTES * STALL_S)
        clock.advance(STALL_S)
    assert reasons == []
    transport.taken_bytes += int(SLOWEST_READ_BYTES * STALL_S) - 1
    clock.advance(STALL_S)
    assert reasons == ["the client took 29999 bytes of the answer in 300 seconds: too slow"]
    assert clock.getDelayedCalls() == []


class TestSockets(ServiceTestCase):
    """Clients that do not read, on sockets."""

    async def test_the_kernel_says_what_was_taken(self) -> None:
        """The count is that of the bytes that the client's kernel has got."""
        await self.serve()
        connection = await self.begin("GET", "/status_check", Connection="keep-alive")
        await until(lambda: connection.received.endswith(b"OK\n"))
        (mine,) = self.service.connections[("listen",)]._open
        handle: Any = mine
        info = handle.transport.getHandle().getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
        assert int.from_bytes(info[120:128], "little") == len(connection.received)
        connection.leave()

    async def test_the_kernel_keeps_little_for_a_client(self) -> None:
        """A client that reads nothing of a large file holds a few hundred kilobytes of it, and not megabytes."""
        await self.serve()
        large = PICTURE + bytes(8_000_000)
        digits = (await self.post(body=large)).json()["hash"]
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", int(self.url.rpartition(":")[2])))
        client.sendall(f"GET /p/{digits}/original HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        open_ = self.service.connections[("listen",)]._open
        await until(lambda: any(getattr(each, "_waitingForTransport", False) for each in open_))
        (mine,) = (each for each in open_ if isinstance(each, Connection))
        await pause(0.2)
        assert mine._written_bytes < UNSENT_BYTES + 500_000
        client.close()
        await until(lambda: not open_)

    async def test_others_are_answered_between(self) -> None:
        """Another client does not wait until all requests of the first one are answered."""
        await self.serve()
        many, other = await connect(self.url), await connect(self.url)
        many.send(b"GET /status_check HTTP/1.1\r\nHost: a\r\n\r\n" * 500)
        other.send(b"GET /status_check HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        await other.ended
        assert self.service.environment.counters.requests.total < 100
        await until(lambda: many.received.count(b"OK\n") == 500)
        many.leave()

    async def test_many_answers_are_not_kept_in_memory(self) -> None:
        """Thousands of requests without a reader of their answers are handled when it reads."""
        await self.serve(images={"maximum_outputs": 200})
        names = ",".join(f"x{number}.jpg" for number in range(1, 101))
        await self.post(f"/p?outputs={names}")
        request = f"GET {HOME}/info.json HTTP/1.1\r\nHost: a\r\n\r\n".encode()
        client = socket.create_connection(("127.0.0.1", int(self.url.rpartition(":")[2])))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            for _ in range(20_000):
                client.send(request)
        traffic = self.service.environment.counters.requests
        waiting = self.service.connections[("listen",)]
        await until(lambda: any(getattr(each, "_waitingForTransport", False) for each in waiting._open))
        total = traffic.total
        await pause(0.3)
        assert traffic.total == total
        client.setblocking(True)
        client.close()
        await until(lambda: not waiting._open)
