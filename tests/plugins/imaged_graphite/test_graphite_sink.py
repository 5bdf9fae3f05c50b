"""Totals reach carbon, also after it was away, stalled or restarted; a total that is sent twice counts once."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from twisted.internet.task import Clock

from imaged.api import OutputRendered, Uploaded
from imaged_graphite.link import FIRST_PAUSE_S, LONGEST_PAUSE_S, Link
from imaged_graphite.sink import MAXIMUM_AT_ONCE, GraphiteSink
from imaged_graphite.slots import Slots

RENDERED = OutputRendered("p", "x300.jpg", "jpg", 0.0125)

MakeSink = Callable[[int], GraphiteSink]


class Carbon:
    """Accepts one connection at a time, and keeps the last value of each metric and time, as carbon does."""

    def __init__(self, port: int = 0) -> None:
        self._listener = socket.create_server(("127.0.0.1", port))
        self._listener.settimeout(10)
        self.port: int = self._listener.getsockname()[1]
        self._connection: socket.socket | None = None
        self.values: dict[tuple[str, int], float] = {}
        self.taken = 0

    def take(self, last: str) -> None:
        """Read lines, from the next connection if there is none, until one is `that`."""
        if self._connection is None:
            self._connection, _ = self._listener.accept()
            self._connection.settimeout(10)
        text = ""
        while not (text.endswith("\n") and last in text):
            received = self._connection.recv(65_536).decode()
            assert received, "the connection was closed"
            text += received
        for line in text.splitlines():
            name, value, began_s = line.split(" ")
            self.values[name, int(began_s)] = float(value)
            self.taken += 1

    def hang_up(self) -> None:
        """Close the connection, and keep listening."""
        assert self._connection is not None
        self._connection.close()
        self._connection = None

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()
        if self._connection is not None:
            self.hang_up()


@pytest.fixture
def clock() -> Clock:
    """Return the common clock."""
    clock = Clock()
    clock.rightNow = 1_000_000.0
    return clock


@pytest.fixture
def slots(clock: Clock) -> Slots:
    """Return slots at the start of an interval that they may send."""
    slots = Slots(10, clock.seconds)
    clock.rightNow += 10
    return slots


@pytest.fixture
def carbon() -> Iterator[Carbon]:
    """Return a carbon on loopback."""
    carbon = Carbon()
    yield carbon
    carbon.close()


@pytest.fixture
def make_sink(clock: Clock, slots: Slots) -> Iterator[MakeSink]:
    """Return a function that makes a sink for a port and closes it after the test."""
    with ExitStack() as ends:

        def make(port: int) -> GraphiteSink:
            sink = GraphiteSink("s.i", Link("127.0.0.1", port, clock.seconds, timeout_s=0.5), slots)
            ends.callback(sink.close)
            return sink

        yield make


def test_totals_of_an_interval_are_sent(make_sink: MakeSink, carbon: Carbon) -> None:
    """It sends counts, and the number, mean and largest of timings; without events it sends nothing."""
    sink = make_sink(carbon.port)
    sink.flush()
    sink.record(RENDERED)
    sink.record(OutputRendered("p", "x300.png", "png", 0.0375))
    sink.flush()
    carbon.take("s.i.render_time.upper")
    assert carbon.values == {
        ("s.i.image_request", 1_000_010): 2,
        ("s.i.image_request.jpg", 1_000_010): 1,
        ("s.i.image_request.png", 1_000_010): 1,
        ("s.i.render_time.count", 1_000_010): 2,
        ("s.i.render_time.mean", 1_000_010): 25,
        ("s.i.render_time.upper", 1_000_010): 37.5,
    }


def test_a_total_that_has_grown_is_sent_again(make_sink: MakeSink, carbon: Carbon, clock: Clock) -> None:
    """It uses the same connection; the last value of an interval is its whole total."""
    sink = make_sink(carbon.port)
    for began_s in (1_000_010, 1_000_020):
        clock.rightNow = began_s
        for _ in range(3):
            sink.record(Uploaded("p", 1, 0.1))
            sink.flush()
            sink.flush()
            carbon.take("s.i.upload_time.upper")
    assert (carbon.values["s.i.file_uploaded", 1_000_010], carbon.values["s.i.file_uploaded", 1_000_020]) == (3, 3)
    assert carbon.taken == 6 * 4


def test_a_carbon_that_is_away_gets_the_counts_later(make_sink: MakeSink, carbon: Carbon, clock: Clock) -> None:
    """Carbon gets every total; until then only the attempts raise, not the flushes during a pause."""
    sink = make_sink(carbon.port)
    carbon.close()
    failures = []
    for _ in range(100):
        sink.record(RENDERED)
        try:
            sink.flush()
        except OSError as error:
            failures.append(str(error))
        clock.rightNow += 2
    # After 1, 2, 4, 8 and 16 seconds, and then every 30.
    assert failures == [f"no connection to 127.0.0.1:{carbon.port}: Connection refused"] * 11
    again = Carbon(carbon.port)
    clock.rightNow += LONGEST_PAUSE_S
    sink.flush()
    again.take("s.i.render_time.upper 12.500 1000200")
    assert sum(value for (name, _), value in again.values.items() if name == "s.i.image_request") == 100
    again.close()


def test_after_a_long_outage_totals_are_sent_in_parts(make_sink: MakeSink, carbon: Carbon, clock: Clock) -> None:
    """No flush takes long."""
    sink = make_sink(carbon.port)
    for _ in range(MAXIMUM_AT_ONCE + 1):
        sink.record(RENDERED)
        clock.rightNow += 10
    sink.flush()
    carbon.take(f"s.i.render_time.upper 12.500 {1_000_000 + 10 * MAXIMUM_AT_ONCE}")
    assert carbon.taken == MAXIMUM_AT_ONCE * 5
    sink.flush()
    carbon.take("s.i.render_time.upper")
    assert carbon.taken == (MAXIMUM_AT_ONCE + 1) * 5


def test_a_carbon_that_restarts_gets_what_it_may_have_lost(make_sink: MakeSink, carbon: Carbon) -> None:
    """The sink notices before it sends, and sends the kept totals again."""
    sink = make_sink(carbon.port)
    sink.record(RENDERED)
    sink.flush()
    carbon.take("s.i.render_time.upper")
    carbon.hang_up()
    carbon.values.clear()
    sink.flush()  # although nothing has happened since
    carbon.take("s.i.render_time.upper")
    assert carbon.values["s.i.image_request", 1_000_010] == 1
    carbon.hang_up()
    sink.record(RENDERED)
    sink.flush()
    carbon.take("s.i.render_time.upper")
    assert carbon.values["s.i.image_request", 1_000_010] == 2


def test_a_carbon_that_stalls_holds_nothing_up_for_long(clock: Clock, carbon: Carbon) -> None:
    """The send ends with the timeout, the connection is dropped, and a pause begins."""
    link = Link("127.0.0.1", carbon.port, clock.seconds, timeout_s=0.2)
    with pytest.raises(OSError, match=r"127\.0\.0\.1:\d+ took too long, over 0\.2 s"):
        link.send(b"x" * 50_000_000)
    assert link.paused
    clock.rightNow += FIRST_PAUSE_S
    assert not link.paused
    link.close()


def test_a_send_that_failed_is_sent_again_whole(make_sink: MakeSink, carbon: Carbon, clock: Clock) -> None:
    """It uses a new connection; totals that were sent by half or twice count once."""
    sink = make_sink(carbon.port)
    sink.record(RENDERED)
    sink.flush()
    carbon.take("s.i.render_time.upper")
    assert sink._link._socket is not None
    sink._link._socket.shutdown(socket.SHUT_WR)
    sink.record(RENDERED)
    with pytest.raises(OSError, match="is gone: Broken pipe"):
        sink.flush()
    assert not sink.flush()  # too soon
    carbon.hang_up()
    clock.rightNow += FIRST_PAUSE_S
    sink.record(RENDERED)
    sink.flush()
    carbon.take("s.i.render_time.upper")
    assert carbon.values["s.i.image_request", 1_000_010] == 3


def test_the_last_flush_of_a_generation_is_not_lost(make_sink: MakeSink, carbon: Carbon) -> None:
    """Totals that were sent before the close arrive, and the next generation sends them again, added up."""
    old, new = make_sink(carbon.port), make_sink(carbon.port)
    old.record(RENDERED)
    new.record(RENDERED)
    old.flush()
    old.close()
    carbon.take("s.i.render_time.upper")
    carbon.hang_up()
    new.flush()
    carbon.take("s.i.render_time.upper")
    assert carbon.values["s.i.image_request", 1_000_010] == 2
