"""What is made of the status at each scrape."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from imaged_prometheus.sink import PrometheusSink

Show = Callable[..., Any]

SNAPSHOT: dict[str, Any] = {
    "version": "2.0",
    "message": "OK",
    "pid": 4711,
    "uptime_s": 12.5,
    "generation": {
        "number": 3,
        "loaded_at": "2026-01-02T03:04:05.500+00:00",
        "config": "etc/imaged.yaml",
        "last_reload": None,
    },
    "requests": {"current": 4},
    "processing": {"current": 2, "waiting": 1, "threads": 8, "busy": 2},
    "downloads": {"current": 5},
    "posting": {"current": 6},
    "uploads": {"current": 7, "queued": 8, "parked": 9, "oldest_s": 10.5},
    "remote": {"fault": None},
    "queue": {"fault": None, "free_bytes": 17},
    "log": {"lost": 18, "fault": None},
    "stalls": {"total": 19, "last": None, "hanging": [{"call": "a"}, {"call": "b"}]},
    "promised": {"current": 11, "queued": 12, "parked": 13, "oldest_s": None},
    "metrics": [
        {
            "name": "prometheus",
            "recorded": 100,
            "failed": 2,
            "lost": 3,
            "flushes_failed": 4,
            "scrapes_failed": 5,
            "fault": "hangs",
        }
    ],
    "plugins": [
        {"name": "magick", "kind": "processor", "version": "1", "detail": "ImageMagick"},
        {"name": "magick", "kind": "processor", "version": "1", "detail": "named twice"},
    ],
    "store": {"path": "/srv", "bytes": 14, "files": 15, "free_bytes": 16},
}


def changed(*path: str, value: Any) -> dict[str, Any]:
    """Return the snapshot with another value at a place."""
    snapshot = deepcopy(SNAPSHOT)
    inner = snapshot
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return snapshot


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
def test_each_figure_is_that_of_the_status(name: str, value: float, sink: PrometheusSink, show: Show) -> None:
    """At the moment of the scrape; before any reload the start counts as one that was taken."""
    assert show(sink, SNAPSHOT).value(f"imaged_{name}") == value


def test_the_queue(sink: PrometheusSink, show: Show) -> None:
    """By kind of job; where nothing waits, nothing is the oldest."""
    shown = show(sink, SNAPSHOT)
    assert shown.value("imaged_jobs_queued", kind="upload") == 8
    assert shown.value("imaged_jobs_parked", kind="render") == 13
    assert shown.value("imaged_jobs_oldest_seconds", kind="upload") == 10.5
    assert shown.value("imaged_jobs_oldest_seconds", kind="render") is None


def test_a_queue_that_cannot_be_read(sink: PrometheusSink, show: Show) -> None:
    """What it holds is not known: there is no sample, and no zero that looks as if all were well."""
    unknown = {"current": None, "queued": None, "parked": None, "oldest_s": None}
    shown = show(sink, SNAPSHOT | {"promised": unknown, "uploads": unknown})
    for name in ("jobs_queued", "jobs_parked", "jobs_oldest_seconds"):
        assert shown.labels(f"imaged_{name}", "kind") == set()


def test_the_sinks(sink: PrometheusSink, show: Show) -> None:
    """What each was told, failed at and lost, as counters, and whether it works."""
    shown = show(sink, SNAPSHOT)
    told = [shown.value(f"imaged_metrics_events_{name}_total", sink="prometheus") for name in ("recorded", "failed")]
    assert told == [100, 2]
    assert shown.value("imaged_metrics_events_lost_total", sink="prometheus") == 3
    assert shown.value("imaged_metrics_flushes_failed_total", sink="prometheus") == 4
    assert shown.value("imaged_metrics_scrapes_failed_total", sink="prometheus") == 5
    assert shown.value("imaged_metrics_sink_fault", sink="prometheus") == 1


def test_what_runs(sink: PrometheusSink, show: Show) -> None:
    """The program and its plugins, each once; not what plugins say of themselves, which may be addresses."""
    shown = show(sink, SNAPSHOT)
    assert shown.labels("imaged_build_info", "version") == {"2.0"}
    assert shown.value("imaged_plugin_info", plugin="magick", kind="processor", version="1") == 1
    assert not any("ImageMagick" in value for _, labels in shown.samples for _, value in labels)


@pytest.mark.parametrize(
    ("path", "value", "name", "shown_value"),
    [
        (("message",), "draining", "draining", 1),
        (("message",), "draining", "healthy", 0),
        (("message",), "no processor works", "healthy", 0),
        (("message",), "no processor works", "draining", 0),
        (("remote", "fault"), "refused", "remote_store_fault", 1),
        (("remote", "comparison"), None, "remote_comparison_unfinished", None),
        (("remote", "comparison"), {"unfinished": True}, "remote_comparison_unfinished", 1),
        (("remote", "comparison"), {"unfinished": False}, "remote_comparison_unfinished", 0),
        (("remote", "comparison"), {"images": 200, "missing": 3}, "remote_comparison_missing", 3),
        (("generation", "last_reload"), {"ok": True}, "config_last_reload_successful", 1),
        (("generation", "last_reload"), {"ok": False}, "config_last_reload_successful", 0),
        (("store", "bytes"), None, "store_bytes", None),
        (("queue", "fault"), "disk full", "queue_fault", 1),
        (("queue", "free_bytes"), None, "state_free_bytes", None),
        (("promised", "current"), None, "promised_renders_in_flight", None),
        (("generation", "loaded_at"), None, "config_last_reload_success_timestamp_seconds", None),
    ],
)
def test_what_is_amiss(
    path: tuple[str, ...], value: Any, name: str, shown_value: float | None, sink: PrometheusSink, show: Show
) -> None:
    """Is told as it is; what is not known is left out."""
    assert show(sink, changed(*path, value=value)).value(f"imaged_{name}") == shown_value


def test_nothing_is_kept_of_a_scrape(sink: PrometheusSink, show: Show) -> None:
    """Each shows the status that it was given."""
    show(sink, SNAPSHOT)
    assert show(sink, changed("requests", "current", value=40)).value("imaged_requests_in_flight") == 40


@pytest.mark.parametrize(
    "accept",
    [
        *("", "text/plain", "*/*", "text/plain;version=0.0.4", "application/json"),
        *("application/openmetrics-text; version=x", "text/plain; version=..", "text/plain;version=\u00b2"),
    ],
)
def test_a_plain_client_gets_plain_text(accept: str, sink: PrometheusSink) -> None:
    """In Prometheus's own format, which its parser reads."""
    content_type, body = sink.expose(SNAPSHOT, accept)
    assert content_type.startswith("text/plain; version=")
    families = {family.name: family for family in text_string_to_metric_families(body.decode())}
    assert families["imaged_healthy"].samples[0].value == 1
    assert all(family.documentation for family in families.values())
