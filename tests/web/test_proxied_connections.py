"""Connections that begin with a PROXY header, and the limit of connections by address."""

from __future__ import annotations

from typing import Any

import pytest
from memory_port import ASK, Client, Port

from imaged.config.access import LimitsSettings
from imaged.logs.request_lines import RequestRecord
from imaged.web.clients import WARN_EVERY_S
from imaged.web.connection import FIRST_WORD_S
from imaged.web.connections import IDLE_WHEN_FULL_S, LOOK_EVERY_S
from imaged.web.request_log import StatusRequestLog
from imaged.web.requests import IDLE_S

PROXY, CLIENT = "10.0.0.1", "198.51.100.7"
HEADER_1 = b"PROXY TCP4 198.51.100.7 10.0.0.9 4660 80\r\n"
HEADER_2 = b"\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + bytes([198, 51, 100, 7, 10, 0, 0, 9, 0x12, 0x34, 0, 80])
LOCAL = b"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00"
FORWARDED = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nX-Forwarded-For: 203.0.113.5\r\n\r\n"


class LoggedPort(Port):
    """A port that keeps the clients of its requests."""

    def __init__(self, **limits: Any) -> None:
        self.records: list[RequestRecord] = []
        super().__init__(
            StatusRequestLog(self.records.append),
            limits=LimitsSettings.model_validate({"trusted_proxies": ["10.0.0.0/8", "unix"], **limits}),
        )
        self.answer_at_once()

    def client_of(self, client: Client, *pieces: bytes) -> str:
        """Send the pieces of a request, and return its client as the log has it."""
        before = len(self.records)
        for piece in pieces:
            client.send(piece)
        (record,) = self.records[before:]
        return record.client


@pytest.fixture
def port() -> LoggedPort:
    """Return a port whose trusted proxies send the header."""
    return LoggedPort(proxy_protocol=True)


POST = FORWARDED.replace(b"X-Forwarded-For: 203.0.113.5\r\n", b"")


@pytest.mark.parametrize("header", [HEADER_1, HEADER_2])
def test_the_header_tells_the_client(port: LoggedPort, header: bytes) -> None:
    """In one piece with a request, in two, or byte by byte; also for the next request."""
    for pieces in ([header + POST], [header, POST], [header[at : at + 1] for at in range(len(header))] + [POST]):
        client = port.connect(PROXY)
        assert port.client_of(client, *pieces) == CLIENT
        assert port.client_of(client, POST) == CLIENT


def test_a_client_in_the_header_is_not_believed(port: LoggedPort) -> None:
    """What a client behind the proxy writes in X-Forwarded-For counts for nothing."""
    assert port.client_of(port.connect(PROXY), HEADER_1 + FORWARDED) == CLIENT


def test_a_trusted_proxy_in_the_header_is_believed(port: LoggedPort) -> None:
    """A load balancer speaks PROXY for an nginx that sends X-Forwarded-For."""
    header = HEADER_1.replace(b"198.51.100.7", b"10.0.0.77")
    assert port.client_of(port.connect(PROXY), header + FORWARDED) == "203.0.113.5"


@pytest.mark.parametrize("header", [LOCAL, b"PROXY UNKNOWN\r\n"])
def test_a_health_check_is_one_of_the_proxy(port: LoggedPort, header: bytes) -> None:
    """A header without an address leaves that of the connection; who wrote X-Forwarded-For is not known then."""
    assert port.client_of(port.connect(PROXY), header + POST) == PROXY
    assert port.client_of(port.connect(PROXY), header + FORWARDED) == PROXY


@pytest.mark.parametrize("header", [LOCAL[:13] + b"\x31" + LOCAL[14:], HEADER_2[:12] + b"\x21\x00" + HEADER_2[14:]])
def test_a_header_of_an_unknown_family_tells_no_client(port: LoggedPort, header: bytes) -> None:
    """Whatever comes behind it."""
    assert port.client_of(port.connect(PROXY), header + FORWARDED) == PROXY


def test_an_ipv4_mapped_peer_has_an_ipv4_address() -> None:
    """So does a client of a socket that takes both, in the log as for limits; other addresses stay as they are."""
    port = LoggedPort()
    for peer, client in (("::ffff:198.51.100.7", CLIENT), ("2001:db8::1", "2001:db8::1"), ("fe80::1%lo", "fe80::1%lo")):
        assert port.client_of(port.connect(peer), POST) == client


def test_a_proxy_without_a_header_is_refused(port: LoggedPort, log_lines: list[str]) -> None:
    """It is not guessed whether it has one. The log says it once a minute."""
    for _ in range(3):
        client = port.connect(PROXY)
        client.send(ASK)
        assert client.received.startswith(b"HTTP/1.1 400 ")
        assert client.half_closed
        client.send(HEADER_1 + ASK)
    assert not port.asked
    assert [each.partition(",")[0] for each in log_lines] == [f"refused a connection of the trusted proxy {PROXY}"]
    port.clock.advance(WARN_EVERY_S)
    port.connect(PROXY).send(ASK)
    assert sum(each.startswith("refused a connection") for each in log_lines) == 2


@pytest.mark.parametrize("header", [HEADER_1, HEADER_2])
def test_a_header_of_another_client_is_refused(port: LoggedPort, header: bytes) -> None:
    """It is no HTTP; and without the setting, that of a trusted proxy is none either."""
    for each in (port.connect("203.0.113.9"), LoggedPort().connect(PROXY)):
        each.send(header + POST)
        assert each.received.startswith(b"HTTP/1.1 400 ")
    assert not port.asked
    assert port.client_of(port.connect("203.0.113.9"), FORWARDED) == "203.0.113.9"


def test_a_header_takes_a_bounded_time(port: LoggedPort) -> None:
    """A proxy that trickles it, or sends nothing, loses the connection."""
    trickling, silent = port.connect(PROXY), port.connect(PROXY)
    for at in range(10):
        trickling.send(HEADER_2[at : at + 1])
        port.clock.advance(IDLE_S / 10)
    assert trickling.closed
    assert silent.closed


def test_a_long_header_is_refused_at_once(port: LoggedPort) -> None:
    """By the length that it announces."""
    client = port.connect(PROXY)
    client.send(HEADER_2[:14] + b"\xff\xff")
    assert client.received.startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize("peer", [CLIENT, "127.0.0.1", "2001:db8::1"])
def test_connections_of_a_client(peer: str) -> None:
    """One too many is answered 429 and closed; when another ends, a new one is accepted."""
    port = LoggedPort(connections=3)
    own = [port.connect(peer) for _ in range(3)]
    extra = port.connect(peer)
    assert extra.received.startswith(b"HTTP/1.1 429 Too Many Requests\r\n")
    assert b"\r\nRetry-After: 1\r\n" in extra.received
    assert b"\r\nConnection: close\r\n" in extra.received
    assert extra.closed
    assert port.client_of(port.connect("203.0.113.9"), POST) == "203.0.113.9"
    assert all(port.client_of(each, POST) == peer for each in own)
    own[0].leave()
    assert port.client_of(port.connect(peer), POST) == peer
    assert port.connect(peer).received.startswith(b"HTTP/1.1 429 ")


def test_connections_of_a_subnet() -> None:
    """A /64 of IPv6 is one client, and an IPv4-mapped address is that of IPv4."""
    port = LoggedPort(connections=2)
    given = [port.connect(f"2001:db8:1:2::{number}").received[:12] for number in range(3)]
    assert given == [b"", b"", b"HTTP/1.1 429"]
    assert port.connect("2001:db8:1:3::1").received == b""
    mapped = [port.connect(each).received[:12] for each in ("::ffff:198.51.100.7", CLIENT, CLIENT)]
    assert mapped == [b"", b"", b"HTTP/1.1 429"]


def test_connections_of_a_proxy_are_not_limited() -> None:
    """It has many clients; also through a UNIX socket."""
    port = LoggedPort(connections=2)
    assert [port.connect(PROXY).received for _ in range(9)] == [b""] * 9


def test_connections_of_a_client_behind_the_header() -> None:
    """Each connection with a PROXY header belongs to the client that it names."""
    port = LoggedPort(connections=2, proxy_protocol=True)
    own = [port.connect(PROXY) for _ in range(9)]
    assert [port.client_of(each, HEADER_1 + POST) for each in own[:2]] == [CLIENT] * 2
    own[2].send(HEADER_2 + POST)
    assert own[2].received.startswith(b"HTTP/1.1 429 ")
    assert own[2].closed
    assert len(port.records) == 2
    other = HEADER_1.replace(b"198.51.100.7", b"198.51.100.8")
    assert port.client_of(own[3], other + POST) == "198.51.100.8"
    own[0].leave()
    assert port.client_of(own[4], HEADER_2 + POST) == CLIENT


def test_a_header_takes_no_second_place() -> None:
    """On a full port, a connection whose header has come keeps its own place."""
    port = LoggedPort(proxy_protocol=True)
    port.connections.most = 1
    assert port.client_of(port.connect(PROXY), HEADER_1, POST) == CLIENT


def test_a_missing_header_does_not_hold_up_a_shutdown(port: LoggedPort) -> None:
    """Such a connection is closed as one without a request is. A full port closes it, too."""
    waiting = port.connect(PROXY)
    waiting.send(HEADER_1[:9])
    ended = port.ending(0.0)
    port.clock.advance(FIRST_WORD_S)
    assert waiting.closed
    port.clock.advance(LOOK_EVERY_S)
    assert ended.called
    port.connections.most = 1
    quiet = port.connect(PROXY)
    port.clock.advance(IDLE_WHEN_FULL_S)
    assert port.client_of(port.connect(PROXY), HEADER_1, POST) == CLIENT
    assert quiet.aborted


def test_no_connection_is_counted_for_ever() -> None:
    """When all have ended, refused ones too, nothing is kept of them."""
    port = LoggedPort(connections=2, proxy_protocol=True)
    for peer, header in ((PROXY, HEADER_1), (PROXY, LOCAL), (CLIENT, b""), ("2001:db8::1", b"")):
        for each in [port.connect(peer) for _ in range(5)]:
            each.send(header + POST)
            each.leave()
    assert port.connections.clients._open == {}
    assert vars(port.connections)["_limited"] == {}


def test_a_reload_changes_the_limit() -> None:
    """Open connections stay, and count for the new limit; a proxy that is no longer trusted is a client."""
    port = LoggedPort()
    own = [port.connect(CLIENT) for _ in range(3)]
    port.limits = LimitsSettings(connections=3)
    assert port.connect(CLIENT).received.startswith(b"HTTP/1.1 429 ")
    assert all(port.client_of(each, POST) == CLIENT for each in own)
    assert port.client_of(port.connect(PROXY), FORWARDED) == PROXY
    port.limits = LimitsSettings()
    assert port.connect(CLIENT).received == b""
