"""The metrics made from a snapshot at each scrape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from snapshots import change, make_reload, make_snapshot

from imaged.core.pending_jobs import Jobs
from imaged.core.snapshot import Comparison, Plugin, SinkStatus, WorkerStatus
from imaged.core.stall_status import Hang
from imaged_prometheus.sink import PrometheusSink

Show = Callable[..., Any]

SNAPSHOT = make_snapshot(
    uptime_s=12.5,
    generation={"loaded_at": datetime(2026, 1, 2, 3, 4, 5, 500_000, UTC)},
    requests={"current": 4},
    processing={
        "current": 2,
        "waiting": 1,
        "threads": 8,
        "busy": 2,
        "workers": (WorkerStatus(1, 1.0, 1, 20, None, None), WorkerStatus(None, 1.0, 1, None, None, None)),
        "workers_fault": "no memory",
        "refused_pictures": 21,
    },
    downloads={"current": 5},
    posting={"current": 6},
    uploads={"current": 7, "jobs": Jobs(8, 9, 10.5)},
    queue={"free_bytes": 17},
    log={"lost": 18},
    stalls={"total": 19, "hanging": (Hang("a", "x", 1.0), Hang("b", "x", 1.0))},
    pending_renders={"current": 11, "jobs": Jobs(12, 13, None)},
    erasures={"jobs": Jobs(14, 15, 16.5)},
    metrics=(SinkStatus("prometheus", 100, 2, 3, 4, 5, None, "hangs"),),
    plugins=(
        Plugin("magick", "processor", "1", "ImageMagick"),
        Plugin("magick", "processor", "1", "named twice"),
    ),
    store={"bytes": 14, "files": 15, "free_bytes": 16, "fault": "full"},
)
UNKNOWN = Jobs(None, None, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("uptime_seconds", 12.5),
        ("config_generation", 3),
        ("requests_in_flight", 4),
        ("renders_in_flight", 2),
        ("renders_waiting", 1),
        ("render_threads", 8),
        ("render_threads_busy", 2),
        ("worker_processes", 2),
        ("worker_memory_bytes", 20),
        ("workers_fault", 1),
        ("store_fault", 1),
        ("refused_pictures", 21),
        ("downloads_in_flight", 5),
        ("posts_in_flight", 6),
        ("uploads_in_flight", 7),
        ("promised_renders_in_flight", 11),
        ("store_bytes", 14),
        ("store_files", 15),
        ("store_free_bytes", 16),
        ("state_free_bytes", 17),
        ("log_lines_lost_total", 18),
        ("reactor_stalls_total", 19),
        ("plugin_calls_hanging", 2),
        ("queue_fault", 0),
        ("healthy", 1),
        ("draining", 0),
        ("remote_store_fault", 0),
        ("config_last_reload_successful", 1),
        ("config_last_reload_success_timestamp_seconds", 1767323045.5),
    ],
)
def test_each_figure_is_that_of_the_snapshot(name: str, value: float, sink: PrometheusSink, show: Show) -> None:
    """At the moment of the scrape; before any reload, the start counts as a successful one."""
    assert show(sink, SNAPSHOT).value(f"imaged_{name}") == value


def test_the_queue(sink: PrometheusSink, show: Show) -> None:
    """Jobs are counted by kind; an empty queue has no oldest job."""
    shown = show(sink, SNAPSHOT)
    assert shown.value("imaged_jobs_queued", kind="upload") == 8
    assert shown.value("imaged_jobs_parked", kind="render") == 13
    assert shown.value("imaged_jobs_queued", kind="erase") == 14
    assert shown.value("imaged_jobs_oldest_seconds", kind="upload") == 10.5
    assert shown.value("imaged_jobs_oldest_seconds", kind="render") is None


def test_a_queue_that_cannot_be_read(sink: PrometheusSink, show: Show) -> None:
    """Its figures have no samples: a zero would look healthy."""
    renders = {"current": None, "jobs": UNKNOWN}
    changes = {"pending_renders": renders, "uploads": {"jobs": UNKNOWN}, "erasures": {"jobs": UNKNOWN}}
    shown = show(sink, change(SNAPSHOT, changes))
    for name in ("jobs_queued", "jobs_parked", "jobs_oldest_seconds"):
        assert shown.labels(f"imaged_{name}", "kind") == set()


def test_the_sinks(sink: PrometheusSink, show: Show) -> None:
    """Each has counters of its events, failures and losses, and a gauge of its fault."""
    shown = show(sink, SNAPSHOT)
    counted = [shown.value(f"imaged_metrics_events_{name}_total", sink="prometheus") for name in ("recorded", "failed")]
    assert counted == [100, 2]
    assert shown.value("imaged_metrics_events_lost_total", sink="prometheus") == 3
    assert shown.value("imaged_metrics_flushes_failed_total", sink="prometheus") == 4
    assert shown.value("imaged_metrics_scrapes_failed_total", sink="prometheus") == 5
    assert shown.value("imaged_metrics_sink_fault", sink="prometheus") == 1


def test_the_program_and_its_plugins(sink: PrometheusSink, show: Show) -> None:
    """Each appears once, without the detail of a plugin, which may be an address."""
    shown = show(sink, SNAPSHOT)
    assert shown.labels("imaged_build_info", "version") == {"2.0"}
    assert shown.value("imaged_plugin_info", plugin="magick", kind="processor", version="1") == 1
    assert not any("ImageMagick" in value for _, labels in shown.samples for _, value in labels)


RUNNING = Comparison("running", unfinished=True, since=None, images=200, missing=3)
ENDED = Comparison("ended", unfinished=False, since=None, images=200, missing=3)


@pytest.mark.parametrize(
    ("changes", "name", "value"),
    [
        ({"message": "draining"}, "draining", 1),
        ({"message": "draining"}, "healthy", 0),
        ({"message": "no processor works"}, "healthy", 0),
        ({"message": "no processor works"}, "draining", 0),
        ({"remote": {"fault": "refused"}}, "remote_store_fault", 1),
        ({"remote": {"comparison": None}}, "remote_comparison_unfinished", None),
        ({"remote": {"comparison": RUNNING}}, "remote_comparison_unfinished", 1),
        ({"remote": {"comparison": RUNNING}}, "remote_comparison_images", 200),
        ({"remote": {"comparison": ENDED}}, "remote_comparison_unfinished", 0),
        ({"remote": {"comparison": ENDED}}, "remote_comparison_missing", 3),
        ({"generation": {"last_reload": make_reload()}}, "config_last_reload_successful", 1),
        ({"generation": {"last_reload": make_reload("a")}}, "config_last_reload_successful", 0),
        ({"queue": {"fault": "disk full"}}, "queue_fault", 1),
        ({"queue": {"is_full": True}}, "queue_disk_full", 1),
        ({"store": {"is_full": True}}, "store_full", 1),
        ({"store": {"is_read_only": True}}, "store_read_only", 1),
        ({"store": {"bound_fault": "nothing to forget"}}, "store_bound_fault", 1),
        ({"store": {"occupied_bytes": None}}, "store_occupied_bytes", None),
        ({"store": {"maximum_bytes": 7}}, "store_maximum_bytes", 7),
        ({"store": {"forgotten_bytes": 8}}, "store_forgotten_bytes_total", 8),
        ({"requests": {"hit_bytes": 9}}, "output_hit_bytes_total", 9),
        ({"queue": {"free_bytes": None}}, "state_free_bytes", None),
        ({"pending_renders": {"current": None}}, "promised_renders_in_flight", None),
    ],
)
def test_problems_and_unknown_figures(
    changes: dict[str, Any], name: str, value: float | None, sink: PrometheusSink, show: Show
) -> None:
    """A problem has its value, and an unknown figure has no sample."""
    assert show(sink, change(SNAPSHOT, changes)).value(f"imaged_{name}") == value


def test_a_scrape_keeps_nothing(sink: PrometheusSink, show: Show) -> None:
    """Each one shows its own snapshot."""
    show(sink, SNAPSHOT)
    assert show(sink, change(SNAPSHOT, {"requests": {"current": 40}})).value("imaged_requests_in_flight") == 40


@pytest.mark.parametrize(
    "accept",
    [
        *("", "text/plain", "*/*", "text/plain;version=0.0.4", "application/json"),
        *("application/openmetrics-text; version=x", "text/plain; version=..", "text/plain;version=\u00b2"),
    ],
)
def test_a_plain_client_gets_plain_text(accept: str, sink: PrometheusSink) -> None:
    """It is in Prometheus's own format, which its parser reads."""
    content_type, body = sink.expose(SNAPSHOT, accept)
    assert content_type.startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["imaged_healthy"].samples[0].value == 1
    assert all(family.documentation for family in families.values())
