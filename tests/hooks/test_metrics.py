"""Metrics passes every event to every sink."""

from __future__ import annotations

from snapshots import QUIET
from twisted.internet import reactor
from twisted.trial.unittest import TestCase

from imaged.core.events import Event, RequestFailed, Uploaded
from imaged.core.snapshot import Snapshot
from imaged.hooks.metrics import Metrics
from imaged.hooks.sink_runner import SinkRunner
from imaged.testing.fakes import RecordingSink
from imaged.workers.threads import Threads

EVENTS: list[Event] = [RequestFailed("p", "jpg", 404), Uploaded("p", 81_234, 0.5)]


class Page(RecordingSink):
    """A sink that exposes the number of its events."""

    def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
        """Return it."""
        return f"{accept};{snapshot.message}", str(len(self.events)).encode()


def make_metrics(**sinks: RecordingSink) -> Metrics:
    """Return the fan-out to these sinks."""
    return Metrics([SinkRunner(name, sink, reactor, Threads(reactor, name, 1)) for name, sink in sinks.items()])


class TestMetrics(TestCase):
    """On real threads."""

    timeout = 30

    async def test_each_sink_gets_every_event_in_order(self) -> None:
        """A sink that raises takes nothing from the others, and `close` waits for what is still queued."""
        first, broken, last = RecordingSink(), RecordingSink(), RecordingSink()
        broken.failure = OSError("no route")
        metrics = make_metrics(first=first, broken=broken, last=last)
        for event in EVENTS:
            metrics.record(event)
        await metrics.close()
        assert [sink.events for sink in (first, broken, last)] == [EVENTS] * 3
        assert [(each.name, each.recorded, each.failed) for each in metrics.statuses] == [
            ("first", 2, 0),
            ("broken", 2, 2),
            ("last", 2, 0),
        ]

    async def test_a_scrape_gets_the_first_sink_that_exposes_figures(self) -> None:
        """They include every event so far; without such a sink there is no answer."""
        metrics = make_metrics(silent=RecordingSink(), page=Page(), other=Page())
        metrics.record(EVENTS[0])
        assert await metrics.expose(QUIET, "text/plain") == ("text/plain;OK", b"1")
        await metrics.close()
        silent = make_metrics(silent=RecordingSink())
        assert await silent.expose(QUIET, "") is None
        await silent.close()

    async def test_a_server_without_sinks_works(self) -> None:
        """There is nothing to record, to show or to close."""
        metrics = make_metrics()
        metrics.record(EVENTS[0])
        await metrics.close()
        assert metrics.statuses == []
