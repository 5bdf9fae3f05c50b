"""The sink of one generation: it counts events, and exposes the counts with the figures of a snapshot."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from imaged.api import Event, Snapshot

from .counts import Counts
from .figures import Figures


class PrometheusSink:
    """Counts events in `counts`, which outlive it. `namespaces` are those of the settings; each has its own label."""

    def __init__(self, counts: Counts, namespaces: Collection[str]) -> None:
        self.detail = f"prometheus_client {version('prometheus_client')}"
        self._counts = counts
        self._namespaces = namespaces

    def record(self, event: Event) -> None:
        """Count `event`."""
        self._counts.record(event, self._namespaces)

    def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text in the format that `accept` prefers, OpenMetrics or Prometheus's own.

        An unknown version in `accept` gets Prometheus's own.
        """
        shown = CollectorRegistry()
        shown.register(self._counts)
        shown.register(Figures(snapshot))
        try:
            encode, content_type = choose_encoder(accept)
        except Exception:  # prometheus_client's errors for a malformed header differ between versions
            encode, content_type = choose_encoder("")
        return content_type, encode(shown)
