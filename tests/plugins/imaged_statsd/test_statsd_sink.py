"""Figures arrive over UDP in few datagrams, and wait while the name of StatsD does not resolve."""

from __future__ import annotations

import random
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import pytest

from imaged.api import Counted, OutputRendered, RequestFailed, Timing, Uploaded
from imaged_statsd.lines import MAXIMUM_DATAGRAM_BYTES, datagrams, lines
from imaged_statsd.sink import StatsdSink
from imaged_statsd.wire import LOOK_UP_EVERY_S, Wire

RENDERED = OutputRendered("p", "x300.jpg", "jpg", 0.0125)
EACH_JPEG = {"i.image_request:1|c", "i.image_request.jpg:1|c", "i.render_time:12.500|ms"}

MakeSink = Callable[..., StatsdSink]


class Receiver:
    """A StatsD that only listens, on a port of its own."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self._socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self._socket.settimeout(10)
        self.port: int = self._socket.getsockname()[1]

    def datagram(self) -> list[str]:
        """Return the lines of the next datagram."""
        return self._socket.recv(65_536).decode().split("\n")

    def silent(self) -> bool:
        """Say whether nothing has come; loopback delivers at once."""
        self._socket.setblocking(False)
        try:
            return not self._socket.recv(65_536, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        finally:
            self._socket.settimeout(10)

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


class Hours:
    """A clock that stands still."""

    now_s = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.now_s


class Names:
    """Resolves names as the system does, except those in `known`; `asked` counts the lookups."""

    def __init__(self) -> None:
        self.known: dict[str, list[str]] = {}
        self.asked = 0
        self._look_up = socket.getaddrinfo

    def __call__(self, host: str, port: int, **how: Any) -> list[Any]:
        """Resolve a name."""
        self.asked += 1
        addresses = self.known.get(host, [host])
        if not addresses:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [found for address in addresses for found in self._look_up(address, port, **how)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """Return the names that a test can change."""
    names = Names()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    return names


@pytest.fixture
def hours() -> Hours:
    """Return the clock of the sinks."""
    return Hours()


@pytest.fixture
def statsd() -> Iterator[Receiver]:
    """Return a receiver on loopback."""
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def make_sink(hours: Hours) -> Iterator[MakeSink]:
    """Return a function that makes a sink and closes it after the test."""
    with ExitStack() as ends:

        def make(port: int, host: str = "127.0.0.1") -> StatsdSink:
            sink = StatsdSink("i", Wire(host, port, hours), random.randrange)
            ends.callback(sink.close)
            return sink

        yield make


def test_counts_arrive_once(make_sink: MakeSink, statsd: Receiver) -> None:
    """Several events make one datagram, which is sent once; no event makes none."""
    sink = make_sink(statsd.port)
    for event in (RENDERED, RENDERED, RequestFailed("p", "png", 404, "output"), RequestFailed("p", None, 415, "post")):
        sink.record(event)
    assert sink.flush()
    assert not sink.flush(), "nothing is left"
    assert statsd.datagram() == [
        "i.image_request:2|c",
        "i.image_request.jpg:2|c",
        "i.image_request_fail:1|c",
        "i.image_request_fail.png:1|c",
        "i.render_time:12.500|ms",
        "i.render_time:12.500|ms",
    ]
    sink.flush()
    assert statsd.silent()


def test_many_timings_are_several_datagrams(make_sink: MakeSink, statsd: Receiver) -> None:
    """No datagram exceeds an Ethernet frame; many timings are sampled, counts never."""
    sink = make_sink(statsd.port)
    for _ in range(4000):
        sink.record(Uploaded("p", 1, 0.5))
    sink.flush()
    received = [statsd.datagram()]
    while not statsd.silent():
        received.append(statsd.datagram())
    assert received[0][0] == "i.file_uploaded:4000|c"
    timings = [line for each in received for line in each[each is received[0] :]]
    assert set(timings) == {"i.upload_time:500.000|ms|@0.250000000"}


def test_datagrams_fit_a_frame() -> None:
    """Each is as full as possible, and holds whole lines."""
    counted = Counted({"a" * length: length for length in range(1, 200)}, {"t": Timing(2, 3.0, 2.0, (1.0, 2.0))})
    written = list(lines("p", counted))
    joined = list(datagrams(written))
    assert [line for each in joined for line in each.decode().split("\n")] == written
    assert all(len(each) <= MAXIMUM_DATAGRAM_BYTES for each in joined)
    assert all(len(one) + 1 + len(other.split(b"\n")[0]) > MAXIMUM_DATAGRAM_BYTES for one, other in pairwise(joined))


def test_ipv6(make_sink: MakeSink) -> None:
    """An IPv6 address works as well."""
    try:
        statsd = Receiver("::1")
    except OSError:
        pytest.skip("no IPv6 on loopback")
    sink = make_sink(statsd.port, "::1")
    sink.record(RENDERED)
    sink.flush()
    assert set(statsd.datagram()) == EACH_JPEG
    statsd.close()


def test_a_name_that_is_unknown_loses_nothing(make_sink: MakeSink, statsd: Receiver, names: Names) -> None:
    """Events until the name resolves are sent then, added up."""
    names.known["statsd.example"] = []
    sink = make_sink(statsd.port, "statsd.example")
    for _ in range(3):
        sink.record(RENDERED)
        with pytest.raises(OSError, match=r"statsd\.example cannot be looked up: Name or service not known"):
            sink.flush()
    names.known["statsd.example"] = ["127.0.0.1"]
    sink.flush()
    received = statsd.datagram()
    while not statsd.silent():
        received += statsd.datagram()
    assert [line for line in received if "request:" in line] == ["i.image_request:1|c", "i.image_request:2|c"]
    assert received.count("i.render_time:12.500|ms") == 3


def test_no_server_listens(make_sink: MakeSink, statsd: Receiver) -> None:
    """Datagrams are lost, the flush after each raises, and a StatsD that starts then gets the next."""
    sink = make_sink(statsd.port)
    statsd.close()
    sink.record(RENDERED)
    sink.flush()
    sink.record(RENDERED)
    with pytest.raises(ConnectionRefusedError, match=rf"nothing listens on udp 127\.0\.0\.1:{statsd.port}"):
        sink.flush()
    again = Receiver(port=statsd.port)
    sink.record(RENDERED)
    with pytest.raises(ConnectionRefusedError):  # of the datagram before
        sink.flush()
    assert set(again.datagram()) == EACH_JPEG
    assert again.silent()
    again.close()


def test_a_name_of_two_machines(make_sink: MakeSink, statsd: Receiver, names: Names, hours: Hours) -> None:
    """If nothing listens on the first, the sink uses the second, and stays with it."""
    names.known["statsd.example"] = ["127.0.0.2", "127.0.0.1"]
    sink = make_sink(statsd.port, "statsd.example")
    sink.record(RENDERED)
    sink.flush()
    sink.record(RENDERED)
    with pytest.raises(ConnectionRefusedError):
        sink.flush()
    assert set(statsd.datagram()) == EACH_JPEG
    hours.now_s += LOOK_UP_EVERY_S
    sink.record(RENDERED)
    sink.flush()
    assert set(statsd.datagram()) == EACH_JPEG


def test_a_name_that_moves_is_followed(make_sink: MakeSink, statsd: Receiver, names: Names, hours: Hours) -> None:
    """The sink looks it up once a minute, not with each flush."""
    other = Receiver("127.0.0.2", statsd.port)
    names.known["statsd.example"] = ["127.0.0.1"]
    sink = make_sink(statsd.port, "statsd.example")
    for _ in range(3):
        sink.record(RENDERED)
        sink.flush()
        assert set(statsd.datagram()) == EACH_JPEG
    assert names.asked == 1
    names.known["statsd.example"] = ["127.0.0.2"]
    hours.now_s += LOOK_UP_EVERY_S
    sink.record(RENDERED)
    sink.flush()
    assert set(other.datagram()) == EACH_JPEG
    assert statsd.silent()
    other.close()
