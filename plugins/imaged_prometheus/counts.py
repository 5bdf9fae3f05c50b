"""Counts events of all generations from the start of the process."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from imaged.api import (
    Event,
    OriginalDownloaded,
    OriginalUnavailable,
    OutputFailed,
    OutputRendered,
    RequestAnswered,
    RequestFailed,
    Uploaded,
    WorkerDied,
)

from .labels import NONE, OUTCOMES, FewLabels

MAXIMUM_NAMESPACES = 100
"""How many namespaces have labels of their own, besides those of the settings."""

MAXIMUM_REASONS = 30
"""How many classes of errors have labels of their own. imaged has fewer; plugins may add more."""

MAXIMUM_CAUSES = 30
"""How many causes of death of a worker process have labels of their own."""

REQUEST_LABELS = ("route", "namespace", "format", "status", "outcome")

REQUEST_BUCKETS_S = (
    *(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1),
    *(0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0),
)
"""A stored output takes half a millisecond, a render up to half a minute; an alert watches two seconds."""

WORK_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_REFUSED = 400  # RFC 9110, 15.5


class Counts(Collector):
    """Counters and histograms in a registry of their own. Any thread; two generations may record at once.

    Histograms have few labels, since each set of labels is many time series.
    """

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"imaged_{name}_total", text, labels, registry=registry)

        def histogram(name: str, text: str, *labels: str, buckets_s: tuple[float, ...] = WORK_BUCKETS_S) -> Histogram:
            return Histogram(f"imaged_{name}_duration_seconds", text, labels, registry=registry, buckets=buckets_s)

        self._namespaces = FewLabels(MAXIMUM_NAMESPACES)
        self._reasons = FewLabels(MAXIMUM_REASONS)
        self._causes = FewLabels(MAXIMUM_CAUSES)
        self._series: dict[object, tuple[Counter, Counter, Histogram]] = {}
        self._requests = counter("requests", "Requests of the public port that have ended.", *REQUEST_LABELS)
        self._response_bytes = counter(
            "response_bytes", "Bytes of bodies sent by the public port.", "namespace", "format"
        )
        self._request_s = histogram(
            "request",
            "Time from the first line of a request to the last byte of its answer.",
            "route",
            "outcome",
            buckets_s=REQUEST_BUCKETS_S,
        )
        self._renders = counter("renders", "Outputs rendered.", "namespace", "format")
        self._rendering_s = counter("render_seconds", "Time spent on renders that went well.", "namespace", "format")
        self._render_failures = counter(
            "render_failures", "Outputs that could not be rendered.", "namespace", "format", "reason"
        )
        self._render_s = histogram("render", "Time of one render, without the wait for a thread.", "format")
        self._downloads = counter("originals_downloaded", "Originals fetched from their sources.", "namespace")
        self._download_bytes = counter(
            "originals_downloaded_bytes", "Bytes of originals fetched from their sources.", "namespace"
        )
        self._download_s = histogram("download", "Time of fetching one original from its source.")
        self._unavailable = counter(
            "originals_unavailable",
            "Originals that neither their sources nor the remote store gave.",
            "namespace",
            "reason",
        )
        self._uploads = counter("uploads", "Files that reached the remote store.", "namespace")
        self._upload_bytes = counter("upload_bytes", "Bytes of files that reached the remote store.", "namespace")
        self._upload_s = histogram("upload", "Time of one upload to the remote store.")
        self._deaths = counter("worker_deaths", "Worker processes that died in a job.", "cause")
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)

    def collect(self) -> Iterable[Metric]:
        """Yield all metrics, without the creation time of each series, which would double their number."""
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            if metric.samples or not metric.name.endswith("_created"):
                yield metric

    def record(self, event: Event, settings_namespaces: Collection[str]) -> None:
        """Count `event`. Each of `settings_namespaces` has its own label in any case."""

        def own(namespace: str | None, *, well: bool = True) -> str:
            return self._namespaces.label(namespace, admit=well, always=settings_namespaces)

        match event:
            case RequestAnswered():
                self._answered(event, settings_namespaces)
            case OutputRendered(namespace, _, extension, elapsed_s):
                name, format = own(namespace), extension or NONE
                self._renders.labels(name, format).inc()
                self._rendering_s.labels(name, format).inc(elapsed_s)
                self._render_s.labels(format).observe(elapsed_s)
            case OutputFailed(namespace, _, extension, reason):
                name = own(namespace, well=False)
                self._render_failures.labels(name, extension or NONE, self._reasons.label(reason)).inc()
            case OriginalDownloaded(namespace, size_bytes, elapsed_s):
                name = own(namespace)
                self._downloads.labels(name).inc()
                self._download_bytes.labels(name).inc(size_bytes)
                self._download_s.observe(elapsed_s)
            case OriginalUnavailable(namespace, reason):
                self._unavailable.labels(own(namespace, well=False), self._reasons.label(reason)).inc()
            case Uploaded(namespace, size_bytes, elapsed_s):
                name = own(namespace)
                self._uploads.labels(name).inc()
                self._upload_bytes.labels(name).inc(size_bytes)
                self._upload_s.observe(elapsed_s)
            case WorkerDied(cause):
                self._deaths.labels(self._causes.label(cause)).inc()
            case RequestFailed():
                pass  # RequestAnswered counts the same request

    def _answered(self, event: RequestAnswered, settings_namespaces: Collection[str]) -> None:
        """Count a request. Thousands may come each second, so the series of each set of labels are kept."""
        key = (event.route, event.namespace, event.extension, event.status, event.outcome)
        series = self._series.get(key)
        if series is None:
            well = event.status < _REFUSED
            name = self._namespaces.label(event.namespace, admit=well, always=settings_namespaces)
            format, outcome = event.extension or NONE, OUTCOMES.get(event.outcome or "", NONE)
            series = (
                self._requests.labels(event.route, name, format, str(event.status), outcome),
                self._response_bytes.labels(name, format),
                self._request_s.labels(event.route, outcome),
            )
            if name == event.namespace:  # a label that many namespaces share would keep a series for each
                self._series[key] = series
        requests, response_bytes, request_s = series
        requests.inc()
        response_bytes.inc(event.size_bytes)
        request_s.observe(event.elapsed_s)
