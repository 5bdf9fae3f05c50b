"""The sink of one generation: it counts in what outlives it, and shows that with the figures of the moment."""

from __future__ import annotations

from collections.abc import Collection
from importlib.metadata import version

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from imaged.api import Event, Snapshot

from .counts import Counts
from .figures import Figures


class PrometheusSink:
    """Counts events in `counts`; those of `namespaces`, which the settings name, under their own names."""

    def __init__(self, counts: Counts, namespaces: Collection[str]) -> None:
        self.detail = f"prometheus_client {version('prometheus_client')}"
        self._counts = counts
        self._namespaces = namespaces

    def record(self, event: Event) -> None:
        """Count `event`."""
        self._counts.record(event, self._namespaces)

    def expose(self, snapshot: Snapshot, accept: str) -> tuple[str, bytes]:
        """Return the content type and the text in the format that `accept` prefers, OpenMetrics or Prometheus's own.

        A client that asks for a version that there is not gets Prometheus's own.
        """
        shown = CollectorRegistry()
        shown.register(self._counts)
        shown.register(Figures(snapshot))
        try:
            encode, content_type = choose_encoder(accept)
        except Exception:  # what prometheus_client makes of a stranger's header, no two versions alike
            encode, content_type = choose_encoder("")
        return content_type, encode(shown)
