"""Metrics made from a snapshot at each scrape; nothing is kept between scrapes."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from imaged.api import Jobs, SinkStatus, Snapshot

Labels = tuple[str, ...]
Read = Callable[[Snapshot], float | None]


def _worker_memory_bytes(now: Snapshot) -> int:
    return sum(each.memory_bytes or 0 for each in now.processing.workers)


GAUGES: tuple[tuple[str, str, Read], ...] = (
    ("uptime_seconds", "Time since the start of the process.", lambda now: now.uptime_s),
    ("config_generation", "How many configurations have been in effect.", lambda now: now.generation.number),
    ("requests_in_flight", "Requests of the public port in flight.", lambda now: now.requests.current),
    ("renders_in_flight", "Outputs that are being rendered.", lambda now: now.processing.current),
    ("renders_waiting", "Renders that wait for a thread.", lambda now: now.processing.waiting),
    ("render_threads", "Threads that render.", lambda now: now.processing.threads),
    ("render_threads_busy", "Threads that render at this moment.", lambda now: now.processing.busy),
    ("worker_processes", "Worker processes that live.", lambda now: len(now.processing.workers)),
    ("worker_memory_bytes", "Memory of all worker processes, shared pages once for each.", _worker_memory_bytes),
    ("workers_fault", "1 while workers cannot be started.", lambda now: now.processing.workers_fault is not None),
    ("refused_pictures", "Pictures refused after they ended a worker.", lambda now: now.processing.refused_pictures),
    ("downloads_in_flight", "Originals that are being fetched from their sources.", lambda now: now.downloads.current),
    ("posts_in_flight", "Posts of originals in flight.", lambda now: now.posting.current),
    ("uploads_in_flight", "Files on their way to the remote store.", lambda now: now.uploads.current),
    ("promised_renders_in_flight", "Queued renders that run now.", lambda now: now.pending_renders.current),
    ("store_bytes", "Bytes of all files in the local store.", lambda now: now.store.bytes),
    ("store_files", "Files in the local store.", lambda now: now.store.files),
    ("store_free_bytes", "Free bytes on the disk of the local store.", lambda now: now.store.free_bytes),
    ("store_fault", "1 while the local store does not keep outputs.", lambda now: now.store.fault is not None),
    ("store_full", "1 while a disk of the local store is full.", lambda now: now.store.is_full),
    ("store_read_only", "1 while the local store cannot be written to.", lambda now: now.store.is_read_only),
    ("store_occupied_bytes", "What the local store occupies on its disk.", lambda now: now.store.occupied_bytes),
    ("store_maximum_bytes", "What it may occupy; 0: any amount.", lambda now: now.store.maximum_bytes),
    ("store_keep_free_bytes", "Free bytes that imaged keeps on its disk.", lambda now: now.store.keep_free_bytes),
    ("store_bound_fault", "1 while it is beyond its bounds.", lambda now: now.store.bound_fault is not None),
    ("state_free_bytes", "Free bytes on the disk of the job queue.", lambda now: now.queue.free_bytes),
    ("queue_disk_full", "1 while the disk of the job queue is full.", lambda now: now.queue.is_full),
    ("healthy", "1 when the health check answers OK, else 0.", lambda now: now.message == "OK"),
    ("draining", "1 while the daemon refuses new requests because it stops.", lambda now: now.message == "draining"),
    ("remote_store_fault", "1 while the remote store does not work.", lambda now: now.remote.fault is not None),
    ("queue_fault", "1 while the job queue cannot be used.", lambda now: now.queue.fault is not None),
    ("plugin_calls_hanging", "Calls into plugins that are overdue.", lambda now: len(now.stalls.hanging)),
)
"""Name, help and value."""

JOB_GAUGES: tuple[tuple[str, str, Callable[[Jobs], float | None]], ...] = (
    ("jobs_queued", "Jobs that wait in the queue.", lambda jobs: jobs.queued),
    ("jobs_parked", "Jobs that failed for good and wait for an operator.", lambda jobs: jobs.failed),
    ("jobs_oldest_seconds", "Age of the oldest job in the queue that is not parked.", lambda jobs: jobs.oldest_s),
)

COUNTERS: tuple[tuple[str, str, Callable[[Snapshot], int]], ...] = (
    ("store_forgotten_files", "Files that the local store has forgotten.", lambda now: now.store.forgotten_files),
    ("store_forgotten_bytes", "Bytes of the files that it has forgotten.", lambda now: now.store.forgotten_bytes),
    ("store_refused_saves", "Outputs that had no room within its bounds.", lambda now: now.store.refused_saves),
    ("output_hit_bytes", "Bytes sent of outputs that had been made before.", lambda now: now.requests.hit_bytes),
    ("output_made_bytes", "Bytes sent of outputs that were rendered.", lambda now: now.requests.made_bytes),
    ("erasures", "Pictures that DELETE has erased.", lambda now: now.erasures.total),
    ("reactor_stalls", "Times that the reactor was blocked for a second or more.", lambda now: now.stalls.total),
    ("log_lines_lost", "Log lines that could not be written, since the last reload.", lambda now: now.log.lost),
)

SINK_COUNTERS: tuple[tuple[str, str, Callable[[SinkStatus], int]], ...] = (
    ("metrics_events_recorded", "Events that a metrics sink has received.", lambda sink: sink.recorded),
    ("metrics_events_failed", "Events for which a metrics sink raised.", lambda sink: sink.failed),
    ("metrics_events_lost", "Events that a metrics sink was too slow for.", lambda sink: sink.lost),
    ("metrics_flushes_failed", "Times that a metrics sink failed to send.", lambda sink: sink.flushes_failed),
    ("metrics_scrapes_failed", "Times that a metrics sink failed a scrape.", lambda sink: sink.scrapes_failed),
)
"""Of the sinks of the current configuration."""

ORIGIN_OUTCOMES = ("fetched", "unchanged", "missing", "failed")

PREFIX = "imaged_"


class Figures(Collector):
    """The metrics of one snapshot; a figure that is unknown has no sample."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._now = snapshot

    def collect(self) -> Iterable[Metric]:
        """Yield a metric for each figure."""
        for name, text, read in GAUGES:
            yield _gauge(name, text, {(): read(self._now)})
        now = self._now
        jobs: dict[Labels, Jobs] = {
            ("render",): now.pending_renders.jobs,
            ("upload",): now.uploads.jobs,
            ("erase",): now.erasures.jobs,
        }
        for name, text, read_jobs in JOB_GAUGES:
            yield _gauge(name, text, {kind: read_jobs(each) for kind, each in jobs.items()}, ("kind",))
        refused = CounterMetricFamily(f"{PREFIX}limited", "What a limit of clients has refused.", labels=("limit",))
        for limit, count in now.limits.items():
            refused.add_metric((limit,), count)
        yield refused
        yield from self._comparison()
        yield from self._origins()
        yield from self._settings()
        yield from self._counters()
        yield from self._sinks()
        yield from self._programs()

    def _comparison(self) -> Iterator[Metric]:
        now = self._now.remote.comparison
        text = "1 until the local store has been compared with the remote one: more uploads may be pending than queued."
        yield _gauge("remote_comparison_unfinished", text, {(): None if now is None else now.unfinished})
        text = "Images that the comparison has checked."
        yield _gauge("remote_comparison_images", text, {(): None if now is None else now.images})
        text = "Files that the comparison found missing."
        yield _gauge("remote_comparison_missing", text, {(): None if now is None else now.missing})

    def _origins(self) -> Iterator[Metric]:
        text = "What origins answered: a picture, that one is unchanged, that there is none, or an error."
        answers = CounterMetricFamily(f"{PREFIX}origin_answers", text, labels=("origin", "outcome"))
        stale = CounterMetricFamily(
            f"{PREFIX}origin_stale_answers", "Answers with pictures whose time was over.", labels=("origin",)
        )
        faults: dict[Labels, float | None] = {}
        for each in self._now.origins:
            name = each.name
            for outcome in ORIGIN_OUTCOMES:
                answers.add_metric((name, outcome), getattr(each, outcome))
            stale.add_metric((name,), each.stale)
            faults[name,] = each.fault is not None
        yield answers
        yield stale
        yield _gauge("origin_fault", "1 while an origin fails.", faults, ("origin",))

    def _settings(self) -> Iterator[Metric]:
        generation = self._now.generation
        taken = generation.last_reload is None or generation.last_reload.ok
        yield _gauge("config_last_reload_successful", "1 unless the last reload was refused.", {(): taken})
        text = "When the settings in effect were loaded, in seconds of Unix time."
        loaded_at_s = generation.loaded_at.timestamp()
        yield _gauge("config_last_reload_success_timestamp_seconds", text, {(): loaded_at_s})

    def _counters(self) -> Iterator[Metric]:
        for name, text, read in COUNTERS:
            yield CounterMetricFamily(PREFIX + name, text, value=read(self._now))

    def _sinks(self) -> Iterator[Metric]:
        sinks = {sink.name: sink for sink in self._now.metrics}
        for name, text, read in SINK_COUNTERS:
            counter = CounterMetricFamily(PREFIX + name, text, labels=("sink",))
            for sink, status in sinks.items():
                counter.add_metric((sink,), read(status))
            yield counter
        faults: dict[Labels, float] = {(name,): sink.fault is not None for name, sink in sinks.items()}
        yield _gauge("metrics_sink_fault", "1 while a metrics sink does not work.", faults, ("sink",))

    def _programs(self) -> Iterator[Metric]:
        versions: dict[Labels, float] = {(self._now.version, platform.python_version()): 1}
        yield _gauge("build_info", "The running program; always 1.", versions, ("version", "python"))
        plugins: dict[Labels, float] = {(each.name, each.kind, each.version): 1 for each in self._now.plugins}
        yield _gauge("plugin_info", "The plugins in use; always 1.", plugins, ("plugin", "kind", "version"))


def _gauge(name: str, text: str, values: Mapping[Labels, float | None], labels: Labels = ()) -> GaugeMetricFamily:
    gauge = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for labelled, value in values.items():
        if value is not None:
            gauge.add_metric(labelled, value)
    return gauge
