"""The figures of the status, as Prometheus wants them: nothing is kept from one scrape to the next."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

GAUGES = (
    ("uptime_seconds", "Time since the start of the process.", ("uptime_s",)),
    ("config_generation", "How many configurations have been in effect.", ("generation", "number")),
    ("requests_in_flight", "Requests of the public port that are being answered.", ("requests", "current")),
    ("renders_in_flight", "Outputs that are being rendered.", ("processing", "current")),
    ("renders_waiting", "Renders that wait for a thread.", ("processing", "waiting")),
    ("render_threads", "Threads that render.", ("processing", "threads")),
    ("render_threads_busy", "Threads that render at this moment.", ("processing", "busy")),
    ("downloads_in_flight", "Originals that are being fetched from their sources.", ("downloads", "current")),
    ("posts_in_flight", "Posts of originals that are being worked on.", ("posting", "current")),
    ("uploads_in_flight", "Files on their way to the remote store.", ("uploads", "current")),
    ("promised_renders_in_flight", "Outputs that were promised and are being made.", ("promised", "current")),
    ("remote_comparison_images", "Images that the comparison has looked at.", ("remote", "comparison", "images")),
    ("remote_comparison_missing", "Files that it found missing.", ("remote", "comparison", "missing")),
    ("store_bytes", "Bytes of all files in the local store.", ("store", "bytes")),
    ("store_files", "Files in the local store.", ("store", "files")),
    ("store_free_bytes", "Bytes that are free on the disk of the local store.", ("store", "free_bytes")),
    ("state_free_bytes", "Bytes that are free on the disk of the job queue.", ("queue", "free_bytes")),
)
"""Name, help and place in the snapshot."""

JOBS = {"render": "promised", "upload": "uploads"}
"""The kinds of jobs of the queue, and the section of the snapshot that each is in."""

JOB_GAUGES = (
    ("jobs_queued", "Jobs that wait in the queue.", "queued"),
    ("jobs_parked", "Jobs that have failed and wait for somebody to look at them.", "parked"),
    ("jobs_oldest_seconds", "Age of the oldest job of the queue that is not parked.", "oldest_s"),
)

SINK_COUNTERS = (
    ("metrics_events_recorded", "Events that a metrics sink of this configuration was told of.", "recorded"),
    ("metrics_events_failed", "Events that a metrics sink of this configuration failed at.", "failed"),
    ("metrics_events_lost", "Events that were lost to a metrics sink of this configuration.", "lost"),
    ("metrics_flushes_failed", "Times that a metrics sink of this configuration failed to send.", "flushes_failed"),
    ("metrics_scrapes_failed", "Times that a metrics sink of this configuration failed to show.", "scrapes_failed"),
)

PREFIX = "imaged_"


class Figures(Collector):
    """What one snapshot says; of a figure that is not known there is no sample."""

    def __init__(self, snapshot: Mapping[str, Any]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """Yield a metric for each figure."""
        for name, text, path in GAUGES:
            yield _gauge(name, text, {(): self._at(*path)})
        for name, text, key in JOB_GAUGES:
            yield _gauge(name, text, {(kind,): self._at(section, key) for kind, section in JOBS.items()}, ("kind",))
        yield from self._health()
        yield from self._settings()
        yield from self._logs()
        yield from self._stalls()
        yield from self._sinks()
        yield from self._programs()

    def _health(self) -> Iterator[Metric]:
        message = self._at("message")
        yield _gauge("healthy", "1 when the health check answers OK, else 0.", {(): int(message == "OK")})
        yield _gauge("draining", "1 while the daemon takes no more requests, else 0.", {(): int(message == "draining")})
        fault = int(self._at("remote", "fault") is not None)
        yield _gauge("remote_store_fault", "1 while the remote store does not work, else 0.", {(): fault})
        running = self._at("remote", "comparison", "unfinished")
        text = "1 until the local store has been compared with the remote one: more may be owed than is queued."
        yield _gauge("remote_comparison_unfinished", text, {(): None if running is None else int(running)})
        fault = int(self._at("queue", "fault") is not None)
        yield _gauge("queue_fault", "1 while the job queue cannot be used, else 0.", {(): fault})

    def _settings(self) -> Iterator[Metric]:
        refused = self._at("generation", "last_reload", "ok") is False  # before the first reload there is none
        yield _gauge(
            "config_last_reload_successful", "1 when the last reload was taken, else 0.", {(): int(not refused)}
        )
        loaded_at = self._at("generation", "loaded_at")
        loaded_at_s = None if loaded_at is None else datetime.fromisoformat(loaded_at).timestamp()
        text = "When the settings were loaded that are in effect, in seconds of Unix time."
        yield _gauge("config_last_reload_success_timestamp_seconds", text, {(): loaded_at_s})

    def _logs(self) -> Iterator[Metric]:
        text = "Lines that the disk of a log file of this configuration has not taken."
        yield CounterMetricFamily(f"{PREFIX}log_lines_lost", text, value=self._at("log", "lost"))

    def _stalls(self) -> Iterator[Metric]:
        text = "Times that the reactor was held up, so that nobody was answered, for a second or more."
        yield CounterMetricFamily(f"{PREFIX}reactor_stalls", text, value=self._at("stalls", "total"))
        hanging = self._at("stalls", "hanging")
        text = "Calls into plugins that are under way though their time is over."
        yield _gauge("plugin_calls_hanging", text, {(): None if hanging is None else len(hanging)})

    def _sinks(self) -> Iterator[Metric]:
        sinks = {sink["name"]: sink for sink in self._at("metrics") or ()}
        for name, text, key in SINK_COUNTERS:
            counter = CounterMetricFamily(PREFIX + name, text, labels=("sink",))
            for sink, told in sinks.items():
                counter.add_metric((sink,), told[key])
            yield counter
        faults: dict[tuple[str, ...], float] = {(name,): int(sink["fault"] is not None) for name, sink in sinks.items()}
        yield _gauge("metrics_sink_fault", "1 while a metrics sink does not work, else 0.", faults, ("sink",))

    def _programs(self) -> Iterator[Metric]:
        versions: dict[tuple[str, ...], float] = {(str(self._at("version")), platform.python_version()): 1}
        yield _gauge("build_info", "The program that runs; always 1.", versions, ("version", "python"))
        in_use = self._at("plugins") or ()
        plugins: dict[tuple[str, ...], float] = {(each["name"], each["kind"], each["version"]): 1 for each in in_use}
        yield _gauge("plugin_info", "The plugins in use; always 1.", plugins, ("plugin", "kind", "version"))

    def _at(self, *path: str) -> Any:
        """Return what the snapshot has there, or None."""
        found: Any = self._snapshot
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return found


def _gauge(
    name: str, text: str, values: Mapping[tuple[str, ...], float | None], labels: tuple[str, ...] = ()
) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for labelled, value in values.items():
        if value is not None:
            gauge.add_metric(labelled, value)
    return gauge
