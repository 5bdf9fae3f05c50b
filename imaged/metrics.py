"""Tells every metrics sink what happens; one that fails costs a log line, never a request."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.logger import Logger

from imaged.core.events import Event
from imaged.hooks.contracts import MetricsSink


class Metrics:
    """Fan-out of events to the sinks of one generation. Reactor thread only."""

    _log = Logger()

    def __init__(self, sinks: Sequence[MetricsSink]) -> None:
        self._sinks = tuple(sinks)

    def record(self, event: Event) -> None:
        """Hand `event` to each sink."""
        for sink in self._sinks:
            try:
                sink.record(event)
            except Exception:
                self._log.failure("metrics sink {sink} failed on {event}", sink=type(sink).__name__, event=event)
