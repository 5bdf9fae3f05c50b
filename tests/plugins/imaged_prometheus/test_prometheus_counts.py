"""Counts of events and their labels."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from pydantic import ValidationError
from snapshots import QUIET

import imaged_prometheus
from imaged.api import (
    Event,
    ExposingSink,
    OptionsError,
    OriginalDownloaded,
    OriginalUnavailable,
    OutputFailed,
    OutputRendered,
    RequestAnswered,
    RequestFailed,
    Uploaded,
    WorkerDied,
)
from imaged.hooks.host import PluginState
from imaged.testing.fakes import make_host
from imaged_prometheus.counts import MAXIMUM_CAUSES, MAXIMUM_NAMESPACES, MAXIMUM_REASONS, Counts
from imaged_prometheus.labels import FewLabels
from imaged_prometheus.sink import PrometheusSink

Show = Callable[..., Any]


def answered(
    namespace: str | None = "p", status: int = 200, extension: str | None = "jpg", outcome: str | None = "hit"
) -> RequestAnswered:
    """Return the event of a request for an output: a hundred bytes in three milliseconds."""
    return RequestAnswered("output", namespace, extension, status, outcome, 100, 0.003)


def test_requests_are_counted_by_their_labels(sink: PrometheusSink, show: Show) -> None:
    """The labels are route, namespace, format, status and outcome; bytes and time are counted too."""
    for event in (answered(), answered(), answered(status=304), answered(status=503, outcome=None)):
        sink.record(event)
    shown = show(sink)
    labels = {"route": "output", "namespace": "p", "format": "jpg"}
    assert shown.value("imaged_requests_total", **labels, status="200", outcome="hit") == 2
    assert shown.value("imaged_requests_total", **labels, status="304", outcome="hit") == 1
    assert shown.value("imaged_requests_total", **labels, status="503", outcome="none") == 1
    assert shown.value("imaged_response_bytes_total", namespace="p", format="jpg") == 400
    bucket = "imaged_request_duration_seconds_bucket"
    assert shown.value(bucket, route="output", outcome="hit", le="0.0025") == 0
    assert shown.value(bucket, route="output", outcome="hit", le="0.005") == 3
    assert shown.value("imaged_request_duration_seconds_sum", route="output", outcome="hit") == pytest.approx(0.009)


def test_deaths_of_workers_are_counted_by_cause(sink: PrometheusSink, show: Show) -> None:
    """The cause is the label; after thirty of them, others share one."""
    for cause in ("SIGSEGV", "SIGSEGV", "late", *(f"SIG{number}" for number in range(MAXIMUM_CAUSES))):
        sink.record(WorkerDied(cause))
    shown = show(sink)
    assert shown.value("imaged_worker_deaths_total", cause="SIGSEGV") == 2
    assert shown.value("imaged_worker_deaths_total", cause="late") == 1
    assert shown.value("imaged_worker_deaths_total", cause="other") == 2


def test_coalesced_requests_keep_their_published_label(sink: PrometheusSink, show: Show) -> None:
    """Dashboards query `joined`."""
    sink.record(answered(outcome="coalesced"))
    assert show(sink).labels("imaged_requests_total", "outcome") == {"joined"}


def test_a_request_of_no_namespace_has_labels_too(sink: PrometheusSink, show: Show) -> None:
    """The health check is one: a missing value has the label `none`."""
    sink.record(RequestAnswered("status_check", None, None, 200, None, 3, 0.001))
    labels = {"namespace": "none", "format": "none", "outcome": "none"}
    assert show(sink).value("imaged_requests_total", route="status_check", status="200", **labels) == 1


def test_an_error_is_counted_once(sink: PrometheusSink, show: Show) -> None:
    """The two events of a failed request count as one request."""
    sink.record(answered("p"))
    sink.record(RequestFailed("p", "jpg", 404, "output"))
    sink.record(answered("p", 404, outcome=None))
    shown = show(sink)
    assert sum(value for (name, _), value in shown.samples.items() if name == "imaged_requests_total") == 2


def test_renders_downloads_and_uploads(sink: PrometheusSink, show: Show) -> None:
    """Each has a number, an amount and a time."""
    sink.record(OutputRendered("p", "x300.webp", "webp", 0.2))
    sink.record(OutputRendered("p", "x310.webp", "webp", 0.3))
    sink.record(OutputFailed("p", "x320.webp", "webp", "BusyError"))
    sink.record(OriginalDownloaded("p", 5000, 0.4))
    sink.record(OriginalUnavailable("p", "SourceTimeoutError"))
    sink.record(Uploaded("p", 700, 0.05))
    shown = show(sink)
    assert shown.value("imaged_renders_total", namespace="p", format="webp") == 2
    assert shown.value("imaged_render_seconds_total", namespace="p", format="webp") == pytest.approx(0.5)
    assert shown.value("imaged_render_duration_seconds_bucket", format="webp", le="0.25") == 1
    assert shown.value("imaged_render_failures_total", namespace="p", format="webp", reason="BusyError") == 1
    assert shown.value("imaged_originals_downloaded_total", namespace="p") == 1
    assert shown.value("imaged_originals_downloaded_bytes_total", namespace="p") == 5000
    assert shown.value("imaged_download_duration_seconds_count") == 1
    assert shown.value("imaged_originals_unavailable_total", namespace="p", reason="SourceTimeoutError") == 1
    assert shown.value("imaged_uploads_total", namespace="p") == 1
    assert shown.value("imaged_upload_bytes_total", namespace="p") == 700
    assert shown.value("imaged_upload_duration_seconds_sum") == pytest.approx(0.05)


@pytest.mark.parametrize(
    "make",
    [
        lambda name: answered(name, 404, outcome=None),
        lambda name: RequestFailed(name, None, 404, "output"),
        lambda name: OutputFailed(name, "x300.jpg", "jpg", "BusyError"),
        lambda name: OriginalUnavailable(name, "SourceFailedError"),
    ],
)
def test_a_flood_of_namespaces_makes_no_series(make: Callable[[str], Event], sink: PrometheusSink, show: Show) -> None:
    """Ten thousand namespaces without a success share the label `other`, and the exposition grows no further."""
    sink.record(make("first"))
    before = len(show(sink).samples)
    for number in range(10_000):
        sink.record(make(f"ns_{number}"))
    assert len(show(sink).samples) == before


def test_a_flood_of_namespaces_that_went_well_is_bounded(sink: PrometheusSink, show: Show) -> None:
    """Clients can post to any namespace: the first ones and those of the settings have labels, the rest share one."""
    for number in range(10_000):
        sink.record(answered(f"ns_{number}"))
    named = PrometheusSink(sink._counts, ("avatars",))
    named.record(answered("avatars", 404, outcome=None))
    shown = show(sink)
    namespaces = shown.labels("imaged_requests_total", "namespace")
    assert namespaces == {*(f"ns_{number}" for number in range(MAXIMUM_NAMESPACES)), "avatars", "other"}
    labels = {"route": "output", "format": "jpg", "status": "200", "outcome": "hit"}
    assert shown.value("imaged_requests_total", namespace="other", **labels) == 10_000 - MAXIMUM_NAMESPACES


@pytest.mark.parametrize(
    "event",
    [answered("p"), OutputRendered("p", "x3.jpg", "jpg", 0.1), OriginalDownloaded("p", 1, 0.1), Uploaded("p", 1, 0.1)],
)
def test_a_namespace_that_had_a_success_has_its_name(event: Event, sink: PrometheusSink, show: Show) -> None:
    """Its earlier failures stay under `other`."""
    sink.record(answered("p", 404, outcome=None))
    sink.record(event)
    sink.record(answered("p", 404, outcome=None))
    shown = show(sink)
    labels = {"route": "output", "format": "jpg", "status": "404", "outcome": "none"}
    assert shown.value("imaged_requests_total", namespace="other", **labels) == 1
    assert shown.value("imaged_requests_total", namespace="p", **labels) == 1


def test_reasons_are_bounded_too(sink: PrometheusSink, show: Show) -> None:
    """Any number of error classes makes few series."""
    for number in range(1000):
        sink.record(OutputFailed("p", "x300.jpg", "jpg", f"Error{number}"))
    assert len(show(sink).labels("imaged_render_failures_total", "reason")) == MAXIMUM_REASONS + 1


def test_a_reload_keeps_counts(show: Show) -> None:
    """The sinks of two generations share their counts, may count at the same time, and lose nothing."""
    plugin_state = PluginState()

    def made() -> Any:
        return imaged_prometheus.imaged_metrics(
            make_host("prometheus", state=lambda make: plugin_state.get("prometheus", make))
        )

    generations = [made(), made()]

    def work(sink: Any) -> None:
        for _ in range(5000):
            sink.record(answered())

    threads = [Thread(target=work, args=(sink,)) for sink in generations]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):  # a scrape may come at any moment
        generations[1].expose(QUIET, "")
    for thread in threads:
        thread.join()
    labels = {"route": "output", "namespace": "p", "format": "jpg", "status": "200", "outcome": "hit"}
    assert all(isinstance(sink, ExposingSink) for sink in generations)
    assert [show(sink).value("imaged_requests_total", **labels) for sink in generations] == [10_000, 10_000]


def test_a_label_is_for_good() -> None:
    """A value keeps its label; a missing value has `none`."""
    few = FewLabels(1)
    assert [few.label(each) for each in ("a", "b", "a", None)] == ["a", "other", "a", "none"]
    assert few.label("b", always=("b",)) == "b"
    assert few.label("b", admit=False) == "b"
    assert few.label("c") == "other"


def test_a_namespace_that_the_settings_no_longer_name_keeps_its_name(counts: Counts, show: Show) -> None:
    """All metrics agree on its label."""
    before, after = PrometheusSink(counts, ("avatars",)), PrometheusSink(counts, ())
    for number in range(MAXIMUM_NAMESPACES):
        before.record(answered(f"ns_{number}"))
    for sink in (before, after):
        for event in (answered("avatars"), answered("avatars", 404), OutputRendered("avatars", "x3.jpg", "jpg", 0.1)):
            sink.record(event)
    shown = show(after)
    assert shown.value("imaged_renders_total", namespace="avatars", format="jpg") == 2
    labels = {"route": "output", "namespace": "avatars", "format": "jpg", "outcome": "hit"}
    assert [shown.value("imaged_requests_total", **labels, status=status) for status in ("200", "404")] == [2, 2]
    assert "other" not in shown.labels("imaged_requests_total", "namespace")


def test_there_are_no_options() -> None:
    """A misspelt option is an error."""
    with pytest.raises(OptionsError) as raised:
        imaged_prometheus.imaged_metrics(make_host("prometheus", {"port": 9090}))
    assert isinstance(raised.value.error, ValidationError)


def test_the_global_registry_is_not_used(sink: PrometheusSink) -> None:
    """Two sets of counts in one process are separate, and no series has a creation time."""
    sink.record(answered())
    other = PrometheusSink(Counts(), ())
    assert b"imaged_requests_total{" not in other.expose(QUIET, "")[1]
    assert b"_created" not in sink.expose(QUIET, "")[1]
