"""Sinks are told everything, and cost nobody anything when they fail."""

from __future__ import annotations

from twisted.logger import capturedLogs

from imaged.core.events import Event, RequestFailed, Uploaded
from imaged.metrics import Metrics

EVENTS: list[Event] = [RequestFailed("p", "jpg", 404), Uploaded("p", 81_234, 0.5)]


class Sink:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def record(self, event: Event) -> None:
        """Remember `event`."""
        self.events.append(event)


class Broken:
    """Fails at whatever it is told."""

    def record(self, event: Event) -> None:
        """Fail."""
        raise OSError(f"no route to the host that counts {type(event).__name__}")


def test_each_sink_is_told_everything_in_order() -> None:
    """Several sinks see the same events."""
    sinks = [Sink(), Sink()]
    metrics = Metrics(sinks)
    for event in EVENTS:
        metrics.record(event)
    assert [sink.events for sink in sinks] == [EVENTS, EVENTS]


def test_a_sink_that_fails_costs_a_log_line() -> None:
    """Neither the request nor the other sinks notice."""
    first, last = Sink(), Sink()
    metrics = Metrics([first, Broken(), last])
    with capturedLogs() as logged:
        metrics.record(EVENTS[0])
    assert (first.events, last.events) == (EVENTS[:1], EVENTS[:1])
    assert [(event["sink"], event["event"]) for event in logged] == [("Broken", EVENTS[0])]


def test_no_sinks_are_no_fault() -> None:
    """A server that counts nothing serves all the same."""
    Metrics([]).record(EVENTS[0])


def test_the_sinks_of_a_generation_stay_as_they_were() -> None:
    """Changing the list afterwards changes nothing."""
    sinks = [Sink()]
    metrics = Metrics(sinks)
    sinks.append(Sink())
    metrics.record(EVENTS[0])
    assert [len(sink.events) for sink in sinks] == [1, 0]
