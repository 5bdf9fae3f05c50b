"""A crowded port keeps places for clients with few connections, and takes them from the client with the most."""

from __future__ import annotations

import pytest
from memory_port import ASK, Client, Port
from raw_client import connect, request
from service_case import ServiceTestCase, until

from imaged.process.endpoints import PUBLIC, STATUS
from imaged.web.connections import (
    FEW,
    IDLE_WHEN_FULL_S,
    KEPT,
    LEAST_FEW,
    MAXIMUM_CONNECTIONS,
    WARN_EVERY_S,
    counted_client,
)

MOST = 80
ROOM = int(MOST * (1 - KEPT))
CROWD = "9.9.9.9"
REFUSED = b"HTTP/1.1 503 "


@pytest.fixture
def port() -> Port:
    """Return a port of 80 places, where 8 connections are few."""
    port = Port()
    port.connections.most = MOST
    return port


def busy(port: Port, address: str, number: int) -> list[Client]:
    """Return new connections of one address, each with a request in progress."""
    clients = [port.connect(address) for _ in range(number)]
    for each in clients:
        each.send()
    return clients


def is_served(port: Port, client: Client) -> bool:
    """Return whether the port handles a request of this client."""
    before = len(port.asked)
    client.send()
    return len(port.asked) > before


def test_one_client_does_not_fill_a_port(port: Port) -> None:
    """The last eighth of the places is for others, who get them at once."""
    crowd = busy(port, CROWD, MOST)
    assert [each.received.startswith(REFUSED) for each in crowd] == [False] * ROOM + [True] * (MOST - ROOM)
    assert b"\r\nRetry-After: 1\r\n" in crowd[-1].received
    others = [port.connect(f"8.8.8.{number}") for number in range(MOST - ROOM)]
    assert all(is_served(port, each) for each in others)
    assert not any(each.aborted for each in crowd[:ROOM])


def test_any_number_is_allowed_while_there_is_room(port: Port) -> None:
    """One client has most places of a port that no other client uses, and gets one again when it is free."""
    crowd = busy(port, CROWD, ROOM)
    assert len(port.asked) == ROOM
    assert port.connect(CROWD).received.startswith(REFUSED)
    crowd[0].leave()
    assert is_served(port, port.connect(CROWD))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "100.64.0.1", "::1", "fd00::1"])
def test_a_proxy_nearby_may_use_every_place(port: Port, address: str) -> None:
    """Behind a proxy on this machine or network are many clients."""
    assert not any(each.received for each in busy(port, address, MOST))
    port.clock.advance(IDLE_WHEN_FULL_S)
    assert port.connect("8.8.8.8").received.startswith(REFUSED)


def test_the_client_with_the_most_connections_loses_busy_ones(port: Port) -> None:
    """A full port without idle connections evicts those of the largest client that have been quiet longest."""
    crowd = busy(port, CROWD, 60)
    small = [each for number in range(4) for each in busy(port, f"8.8.8.{number}", 5)]
    port.clock.advance(IDLE_WHEN_FULL_S)
    crowd[0].send(b"GET /")
    assert is_served(port, port.connect("7.7.7.7"))
    assert [each.aborted for each in crowd] == [False] + [True] * (MOST // 10) + [False] * (60 - MOST // 10 - 1)
    assert not any(each.aborted for each in small)


def test_a_client_with_few_connections_loses_none_of_its_busy_ones(port: Port) -> None:
    """When every client has few connections, a new one is refused."""
    clients = [each for number in range(10) for each in busy(port, f"8.8.8.{number}", LEAST_FEW)]
    port.clock.advance(IDLE_WHEN_FULL_S)
    assert port.connect("7.7.7.7").received.startswith(REFUSED)
    assert not any(each.aborted for each in clients)


def test_idle_connections_of_the_largest_client_close_first(port: Port) -> None:
    """Those of others stay, though they have been idle longer."""
    quiet = [port.connect(f"8.8.8.{number}") for number in range(20)]
    port.clock.advance(IDLE_WHEN_FULL_S)
    crowd = [*(port.connect(CROWD) for _ in range(30)), *busy(port, CROWD, 20)]
    busy(port, "127.0.0.1", 10)
    port.clock.advance(IDLE_WHEN_FULL_S)
    assert is_served(port, port.connect("7.7.7.7"))
    assert [each.aborted for each in crowd] == [True] * (MOST // 10) + [False] * (50 - MOST // 10)
    assert not any(each.aborted for each in quiet)


def test_a_subnet_of_ipv6_is_one_client(port: Port) -> None:
    """A customer has a /64 at least, and may use another address for each connection."""
    crowd = [port.connect(f"2a00:1::{number:x}") for number in range(MOST)]
    for each in crowd:
        each.send()
    assert sum(each.received.startswith(REFUSED) for each in crowd) == MOST - ROOM
    assert is_served(port, port.connect("2a00:1:0:1::1"))


def test_the_count_of_a_client_ends_with_its_connections(port: Port) -> None:
    """A port remembers no client that has left."""
    for number in range(200):
        client = port.connect(f"8.8.{number}.8")
        client.send(ASK)
        client.leave()
    assert (port.connections._open, port.connections._by_client) == ({}, {})


def test_the_log_says_once_a_minute_that_connections_are_refused(log_lines: list[str]) -> None:
    """The line names the client with the most."""
    port = Port()
    port.connections.most = MOST
    refused = busy(port, CROWD, MOST)[ROOM:]
    (line,) = log_lines
    assert line == (
        f"the public port refuses connections: {ROOM} of {MOST} are open, {ROOM} of them from {CROWD}; "
        "limit clients in front of imaged, or raise LimitNOFILE"
    )
    assert all(each.closed for each in refused)
    port.clock.advance(WARN_EVERY_S - 1)
    assert port.connect(CROWD).closed
    assert len(log_lines) == 1
    port.clock.advance(1)
    assert port.connect(CROWD).closed
    assert len(log_lines) == 2


def test_few_connections_are_enough_for_a_browser() -> None:
    """On the largest port, and on the smallest."""
    assert int(MAXIMUM_CONNECTIONS * FEW) == 64
    port = Port()
    port.connections.most = 16
    assert port.connections.few == LEAST_FEW


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("unix", None),
        ("9.9.9.9", "9.9.9.9"),
        ("::ffff:9.9.9.9", "9.9.9.9"),
        ("::ffff:10.0.0.1", None),
        ("2a00:1:2:3:4:5:6:7", "2a00:1:2:3::/64"),
        ("fe80::1%eth0", None),
    ],
)
def test_public_addresses_are_counted(address: str, client: str | None) -> None:
    """Those of UNIX sockets, this machine and private networks are not."""
    assert counted_client(address) == client


class TestSockets(ServiceTestCase):
    """Both ports, on sockets."""

    async def test_a_full_port_answers_503(self) -> None:
        """A connection beyond the maximum gets 503 when the others are busy, and a place when one has ended."""
        await self.serve()
        for path, url in ((PUBLIC, self.url), (STATUS, self.status_url)):
            connections = self.service.connections[path]
            await until(lambda: not connections._open)  # noqa: B023  # awaited in this turn of the loop
            connections.most = 3
            busy = [await connect(url) for _ in range(3)]
            for each in busy:
                each.send(b"POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n")
            await until(lambda: all(each.busy for each in connections._open))  # noqa: B023  # as above
            answer = await (await connect(url)).answer()
            assert (answer.status, answer.headers["retry-after"], answer.headers["connection"]) == (503, "1", "close")
            busy[0].leave()
            await until(lambda: len(connections._open) == 2)  # noqa: B023  # as above
            new = await connect(url)
            new.send(request("GET", "/status_check"))
            assert (await new.answer()).status == 200
            for each in busy[1:]:
                each.leave()
