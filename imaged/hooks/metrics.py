"""Fan-out of events to the metrics sinks of one generation."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.internet.defer import Deferred

from imaged.core.events import Event
from imaged.core.snapshot import SinkStatus, Snapshot
from imaged.hooks.contracts import ExposingSink, MetricsSink
from imaged.hooks.sink_runner import SinkRunner


class Metrics:
    """Passes events to the runners of all sinks. Reactor thread only; no method waits for a sink but `close`."""

    def __init__(self, runners: Sequence[SinkRunner]) -> None:
        self._runners = tuple(runners)

    @property
    def statuses(self) -> list[SinkStatus]:
        """The status of each sink."""
        return [runner.status for runner in self._runners]

    @property
    def hanging(self) -> list[MetricsSink]:
        """The sinks that had not returned when `close` gave up on them."""
        return [runner.sink for runner in self._runners if runner.hangs]

    def record(self, event: Event) -> None:
        """Queue `event` for each sink; returns at once."""
        for runner in self._runners:
            runner.record(event)

    async def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes] | None:
        """Return the figures of the first sink that exposes any, None if there is no such sink."""
        for runner in self._runners:
            if isinstance(runner.sink, ExposingSink):
                return await runner.expose(snapshot, accept)
        return None

    async def close(self) -> None:
        """Let every sink record and send what waits for it, all at the same time."""
        for closing in [Deferred.fromCoroutine(runner.close()) for runner in self._runners]:
            await closing

    def discard(self) -> None:
        """End the threads of a generation that never worked. Returns at once."""
        for runner in self._runners:
            runner.discard()
