"""Tells every metrics sink what happens; none of them costs a request anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred

from imaged.core.events import Event
from imaged.hooks.contracts import MetricsSink
from imaged.hooks.sink_health import SinkStatus
from imaged.hooks.sink_runner import SinkRunner


class Metrics:
    """Fan-out of events to the feeds of one generation. Reactor thread only."""

    def __init__(self, feeds: Sequence[SinkRunner]) -> None:
        self._feeds = tuple(feeds)

    @property
    def told(self) -> list[SinkStatus]:
        """What each sink has been told."""
        return [feed.told for feed in self._feeds]

    @property
    def hanging(self) -> list[MetricsSink]:
        """The sinks that were still at work when they were closed."""
        return [feed.sink for feed in self._feeds if feed.hangs]

    def record(self, event: Event) -> None:
        """Tell each sink of `event`; returns at once."""
        for feed in self._feeds:
            feed.offer(event)

    async def expose(self, snapshot: Mapping[str, Any], accept: str) -> tuple[str, bytes] | None:
        """Return what the first sink shows that shows its figures; None where none does."""
        for feed in self._feeds:
            if feed.exposing:
                return await feed.expose(snapshot, accept)
        return None

    async def close(self) -> None:
        """Have every sink told the last of it."""
        for closing in [Deferred.fromCoroutine(feed.close()) for feed in self._feeds]:
            await closing

    def let_go(self) -> None:
        """End a generation that never worked."""
        for feed in self._feeds:
            feed.let_go()
