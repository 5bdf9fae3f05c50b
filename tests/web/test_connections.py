"""Connections close without cutting off an answer: the last answer says so."""

from __future__ import annotations

import resource

import pytest
from memory_port import ASK, Port

from imaged.web.connection import FIRST_WORD_S, HEAD_WHEN_FULL_S, HEAD_WITHIN_S, LINGER_S
from imaged.web.connections import IDLE_WHEN_FULL_S, MAXIMUM_CONNECTIONS, most_connections


@pytest.fixture
def port() -> Port:
    """Return a port."""
    return Port()


def test_the_last_answer_announces_the_close(port: Port) -> None:
    """Also for an earlier request; and no longer when the daemon stays."""
    one, other, third = port.connect(), port.connect(), port.connect()
    one.send()
    port.connections.leave()
    other.send()
    for asked in port.asked:
        asked.callback(None)
    assert one.received.count(b"Connection: close\r\n") == other.received.count(b"Connection: close\r\n") == 1
    assert one.closed
    assert other.closed
    port.connections.stay()
    third.send()
    port.asked[-1].callback(None)
    assert b"Connection: close" not in third.received
    assert not third.closed


def test_quiet_connections_stay_while_any_is_busy(port: Port) -> None:
    """Idle connections stay usable while any is busy: a load balancer may send requests."""
    busy, quiet = port.connect(), port.connect()
    quiet.send()
    port.asked[0].callback(None)
    busy.send()
    ended = port.ending(quiet_s=0)
    port.clock.advance(30)
    assert not quiet.closed
    port.connections.leave()
    port.asked[1].callback(None)
    assert busy.closed
    port.clock.pump([0.1] * 3)
    assert quiet.closed
    port.clock.pump([0.1] * 3)
    assert ended.called


def test_half_a_request_is_busy(port: Port) -> None:
    """A client that sent half a request gets its answer after the rest."""
    half = port.connect()
    half.send(ASK[:-2])
    port.ending(quiet_s=0)
    port.clock.pump([1] * 5)
    assert not half.closed
    port.connections.leave()
    half.send(ASK[-2:])
    port.asked[0].callback(None)
    assert half.received.startswith(b"HTTP/1.1 200 OK")


def test_a_quiet_connection_is_closed(port: Port) -> None:
    """The time counts from the last byte, or the end of the last answer."""
    client = port.connect()
    client.send()
    port.clock.advance(50)
    port.asked[0].callback(None)
    ended = port.ending(quiet_s=5)
    port.clock.pump([0.1] * 48)
    assert not client.closed
    port.clock.pump([0.1] * 3)
    assert client.closed
    port.clock.advance(1)
    assert ended.called


def test_a_new_connection_stays_for_a_second(port: Port) -> None:
    """A new connection stays for a second: its request is probably on the way."""
    client = port.connect()
    port.ending(quiet_s=0)
    port.clock.advance(FIRST_WORD_S - 0.1)
    assert not client.closed
    port.clock.advance(0.2)
    assert client.closed


def test_a_client_that_trickles_a_head_is_disconnected(port: Port) -> None:
    """The head of each request has one limit of time, however often bytes come."""
    client = port.connect()
    for _ in range(3):
        client.send()
        port.asked[-1].callback(None)
        port.clock.advance(HEAD_WITHIN_S - 10)
    for letter in ASK[:-1]:
        client.send(bytes([letter]))
        port.clock.advance(4)
    assert client.aborted
    assert len(port.asked) == 3


def test_without_connections_the_end_is_immediate(port: Port) -> None:
    """The end is immediate."""
    assert port.ending(quiet_s=5).called


def test_a_full_port_closes_idle_connections() -> None:
    """A full port closes the tenth that is idle longest; busy connections stay, and new ones find room."""
    port = Port()
    port.connections.most = 20
    idle = [port.connect() for _ in range(18)]
    busy, half = port.connect(), port.connect()
    busy.send()
    half.send(ASK[:-2])
    port.clock.advance(IDLE_WHEN_FULL_S)
    idle[0].send()
    port.asked[-1].callback(None)
    new = port.connect()
    new.send()
    port.asked[-1].callback(None)
    assert b" 200 " in new.received
    assert [each.aborted for each in idle].count(True) == 20 // 10
    assert not idle[0].aborted
    assert not busy.aborted
    assert not half.aborted


def test_a_full_port_of_busy_connections_answers_503() -> None:
    """A new connection gets 503 and is closed; the next finds room when one has ended."""
    port = Port()
    port.connections.most = 2
    busy = [port.connect() for _ in range(2)]
    for each in busy:
        each.send()
    refused = port.connect()
    assert refused.received.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nDate: " in refused.received
    assert b"\r\nRetry-After: 1\r\n" in refused.received
    refused.send()
    assert len(port.asked) == 2
    assert refused.closed
    busy[0].leave()
    new = port.connect()
    new.send()
    assert len(port.asked) == 3


def test_a_full_port_closes_connections_with_a_partial_head() -> None:
    """A partial head does not keep a connection open on a full port."""
    port = Port()
    port.connections.most = 3
    trickling = [port.connect() for _ in range(3)]
    for each in trickling:
        each.send(ASK[:-4])
    port.clock.advance(HEAD_WHEN_FULL_S - 1)
    assert port.connect().received.startswith(b"HTTP/1.1 503 ")
    port.clock.advance(1)
    for each in trickling:
        each.send(b"a")
    new = port.connect()
    new.send()
    assert len(port.asked) == 1
    assert [each.aborted for each in trickling].count(True) == 1


@pytest.mark.parametrize(
    ("files", "most"), [(1024, 256), (1 << 20, MAXIMUM_CONNECTIONS), (resource.RLIM_INFINITY, MAXIMUM_CONNECTIONS)]
)
def test_the_file_limit_bounds_the_connections(files: int, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections may use a quarter of the file limit, with an upper bound where there is none (-1)."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (files, files))
    assert most_connections() == most


def test_a_shutdown_does_not_wait_for_a_refused_client(port: Port) -> None:
    """Its answer is complete, though it may send more for half a minute."""
    client = port.connect()
    client.send(b"nonsense\r\n")
    assert client.half_closed
    ended = port.ending(quiet_s=1)
    port.clock.pump([0.3] * 3)
    client.send(b"more")
    assert not client.closed
    port.clock.pump([0.3])
    assert client.closed
    port.clock.advance(1)
    assert ended.called


def test_a_refused_client_that_never_closes_is_disconnected(port: Port) -> None:
    """It may send for half a minute, which is discarded."""
    client = port.connect()
    client.send(b"nonsense\r\n")
    answer = client.received
    for _ in range(3):
        port.clock.advance(LINGER_S / 3 - 0.1)
        client.send(ASK)
    assert (client.received, client.aborted, port.asked) == (answer, False, [])
    port.clock.advance(1)
    assert client.aborted


def test_a_full_port_closes_refused_connections_first() -> None:
    """Their answers are complete."""
    port = Port()
    port.connections.most = 2
    refused, busy = port.connect(), port.connect()
    refused.send(b"nonsense\r\n")
    busy.send()
    new = port.connect()
    new.send()
    assert len(port.asked) == 2
    assert refused.aborted
    assert not busy.aborted
