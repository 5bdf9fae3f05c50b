"""Every sink is told what happens."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from imaged.core.events import Event, RequestFailed, Uploaded
from imaged.hooks.metrics import Metrics
from imaged.hooks.sink_runner import DELAY_S, SinkRunner
from imaged.testing.fakes import NoThreads, RecordingSink
from imaged.testing.waiting import wait

EVENTS: list[Event] = [RequestFailed("p", "jpg", 404), Uploaded("p", 81_234, 0.5)]


class Page(RecordingSink):
    """A sink that shows its figures."""

    def expose(self, snapshot: Any, accept: str) -> tuple[str, bytes]:
        """Show them."""
        return f"{accept};{snapshot}", str(len(self.events)).encode()


def metrics(clock: Clock, **sinks: RecordingSink) -> Metrics:
    """Return the fan-out to these sinks."""
    return Metrics([SinkRunner(name, sink, clock, NoThreads()) for name, sink in sinks.items()])


def test_each_sink_is_told_everything_in_order() -> None:
    """One that fails takes nothing from the others."""
    clock, first, broken, last = Clock(), RecordingSink(), RecordingSink(), RecordingSink()
    broken.failure = OSError("no route")
    fan_out = metrics(clock, first=first, broken=broken, last=last)
    for event in EVENTS:
        fan_out.record(event)
    clock.advance(DELAY_S)
    assert [sink.events for sink in (first, broken, last)] == [EVENTS] * 3
    assert [(told.name, told.recorded, told.failed) for told in fan_out.told] == [
        ("first", 2, 0),
        ("broken", 2, 2),
        ("last", 2, 0),
    ]


def test_the_first_sink_that_shows_is_asked() -> None:
    """With all that has happened in it; where none shows, there is nothing."""
    clock = Clock()
    fan_out = metrics(clock, silent=RecordingSink(), page=Page(), other=Page())
    fan_out.record(EVENTS[0])
    assert wait(fan_out.expose({}, "text/plain")) == ("text/plain;{}", b"1")
    assert wait(metrics(clock, silent=RecordingSink()).expose({}, "")) is None


def test_no_sinks_are_no_fault() -> None:
    """A server that counts nothing serves all the same."""
    fan_out = metrics(Clock())
    fan_out.record(EVENTS[0])
    wait(fan_out.close())
    assert fan_out.told == []


def test_the_end_has_what_still_waited() -> None:
    """Nothing is left behind in a feed."""
    sink = RecordingSink()
    fan_out = metrics(Clock(), only=sink)
    fan_out.record(EVENTS[0])
    wait(fan_out.close())
    assert sink.events == EVENTS[:1]
