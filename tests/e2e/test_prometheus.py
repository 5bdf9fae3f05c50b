"""A real Prometheus server scrapes the real daemon: it has every request, across reloads too."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from daemon import Daemon, request
from loopback_origin import Origin
from prometheus_server import PrometheusServer
from promtool import run_promtool
from source_tree import ROOT

from imaged.testing.pictures import make_jpeg, make_png

pytestmark = pytest.mark.whole_start

SETTINGS = """
metrics: [prometheus]
namespaces: {shop: {maximum_width: 400}}
sources: {allow_networks: [127.0.0.0/8]}
uploader: folder
plugins: {folder: {path: remote}}
"""
FOLDER = ROOT / "docs" / "monitoring"
QUIET = {
    *("imaged_render_failures_total", "imaged_jobs_oldest_seconds", "imaged_worker_deaths_total"),
    *("imaged_store_occupied_bytes", "imaged_origin_", 'status=~"401|403|410"'),
}
"""Parts of queries without a sample while all renders succeed, no job waits, no worker process dies, no bound and no
origin is set, and access refuses no request.
"""


@pytest.fixture
def daemon(make_daemon: Callable[..., Daemon], plugins: dict[str, str]) -> Daemon:
    """Return a daemon that exposes metrics, fetches from loopback, and uploads to a folder."""
    return make_daemon(SETTINGS, environ=plugins)


@pytest.fixture
def prometheus(tmp_path: Path, daemon: Daemon) -> Iterator[PrometheusServer]:
    """Return a Prometheus server that scrapes the daemon, with the shipped alert rules."""
    server = PrometheusServer(tmp_path / "prometheus", daemon.private, FOLDER / "imaged.rules.yml")
    server.start()
    yield server
    server.stop()


def post(daemon: Daemon, target: str, body: bytes = b"") -> str:
    """Post a picture; return the path of its files."""
    answer = daemon.post(target, body)
    assert answer.status == 200, daemon.tail
    return f"{target.partition('?')[0]}/{answer.json()['partitionedHash']}"


def statuses(daemon: Daemon, *targets: str) -> list[int]:
    """Request one target after the other."""
    return [daemon.get(target).status for target in targets]


def test_prometheus_has_every_request(daemon: Daemon, prometheus: PrometheusServer) -> None:
    """Renders, hits, refusals and posts are counted by namespace, to the byte."""
    home, shop = post(daemon, "/p", make_jpeg()), post(daemon, "/shop", make_png())
    answers = [daemon.get(f"{home}/{name}") for name in ("x30.jpg", "x30.jpg", "x30.jpg", "x9000.jpg")]
    assert [answer.status for answer in answers] == [200, 200, 200, 406]
    others = [f"{home}/x31.webp", f"{shop}/x30.png", f"{shop}/original", f"/missing{shop[5:]}/x30.png"]
    assert statuses(daemon, *others) == [200, 200, 200, 404]
    outputs = 'imaged_requests_total{route="output", namespace="p", format="jpg", outcome="%s", status="%d"}'
    prometheus.wait_for('sum(imaged_requests_total{route!="status_check"})', 10)
    assert prometheus.value(outputs % ("rendered", 200)) == 1
    assert prometheus.value(outputs % ("hit", 200)) == 2
    assert prometheus.value(outputs % ("none", 406)) == 1
    assert prometheus.value('imaged_requests_total{route="post", namespace="shop", status="200"}') == 1
    assert prometheus.value('imaged_requests_total{route="original", namespace="shop", status="200"}') == 1
    assert prometheus.value('imaged_requests_total{namespace="other", status="404"}') == 1
    assert prometheus.query('imaged_requests_total{namespace="missing"}') == []
    prometheus.wait_for("sum(imaged_renders_total)", 3)  # counted when they are stored
    assert prometheus.value("sum(imaged_render_duration_seconds_count)") == 3
    sent = prometheus.value('imaged_response_bytes_total{namespace="p", format="jpg"}')
    assert sent == sum(len(answer.body) for answer in answers)


def test_prometheus_has_every_transfer(daemon: Daemon, prometheus: PrometheusServer, origin: Origin) -> None:
    """Downloads of originals, failed downloads, and uploads to the remote store are counted."""
    origin.pictures["a.png"] = make_png()
    home = post(daemon, f"/p?source={origin.url}/a.png")
    assert daemon.post(f"/p?source={origin.url}/404").status == 404
    assert statuses(daemon, f"{home}/x30.jpg") == [200]
    prometheus.wait_for("sum(imaged_uploads_total)", 3)
    kept = [path for path in (daemon.folder / "remote").rglob("*") if path.is_file()]
    assert prometheus.value('imaged_upload_bytes_total{namespace="p"}') == sum(path.stat().st_size for path in kept)
    assert prometheus.value('imaged_originals_downloaded_total{namespace="p"}') == 1
    assert prometheus.value('imaged_originals_downloaded_bytes_total{namespace="p"}') == len(make_png())
    assert prometheus.value('imaged_originals_unavailable_total{namespace="p", reason="NotFoundError"}') == 1
    assert prometheus.value("imaged_download_duration_seconds_count") == 1
    assert prometheus.value("imaged_healthy") == 1
    prometheus.wait_for("imaged_store_files", daemon.status()["store"]["files"])
    assert prometheus.value("imaged_build_info * on (instance) group_left imaged_config_generation") == 1


def test_counters_survive_reloads(daemon: Daemon, prometheus: PrometheusServer) -> None:
    """Neither a good nor a refused reload resets a counter, and a refused one makes the shipped alert pending."""
    home = post(daemon, "/p", make_jpeg())
    hits = 'imaged_requests_total{route="output", namespace="p", outcome="hit", status="200"}'
    statuses(daemon, *[f"{home}/x30.jpg"] * 3)
    prometheus.wait_for(hits, 2)
    daemon.configure(SETTINGS + "shutdown_timeout_s: 20\n")
    assert daemon.hup()["ok"]
    statuses(daemon, *[f"{home}/x30.jpg"] * 3)
    prometheus.wait_for(hits, 5)
    prometheus.wait_for("imaged_config_generation", 2)
    loaded_at_s = prometheus.value("imaged_config_last_reload_success_timestamp_seconds")
    daemon.configure(SETTINGS + "shutdown_timeout_s: soon\n")
    assert not daemon.hup()["ok"]
    prometheus.wait_for("imaged_config_last_reload_successful", 0)
    statuses(daemon, f"{home}/x30.jpg")
    prometheus.wait_for(hits, 6)
    assert prometheus.value("imaged_config_last_reload_success_timestamp_seconds") == loaded_at_s
    assert prometheus.value("sum(resets(imaged_requests_total[10m]))") == 0
    waiting = 'count(ALERTS{alertname="ImagedReloadRefused", alertstate="pending"})'
    prometheus.wait_for(waiting, 1)
    daemon.configure(SETTINGS)
    assert daemon.hup()["ok"]
    prometheus.wait_for("imaged_config_last_reload_successful", 1)
    prometheus.wait_for(f"{waiting} or vector(0)", 0)


def test_rules_and_dashboard(daemon: Daemon, prometheus: PrometheusServer, origin: Origin) -> None:
    """On a healthy daemon, every rule can be evaluated, no alert is pending, and every panel has data."""
    origin.pictures["a.png"] = make_png()
    home = post(daemon, f"/p?source={origin.url}/a.png")
    assert daemon.post(f"/p?source={origin.url}/404").status == 404
    assert statuses(daemon, f"{home}/x30.jpg", f"{home}/x30.jpg", f"{home}/x9000.jpg") == [200, 200, 406]
    prometheus.wait_for("sum(imaged_uploads_total)", 3)
    prometheus.wait_for("min(count_over_time(imaged_requests_total[1m])) >= bool 3", 1)  # a rate needs some scrapes
    prometheus.wait_for("min(count_over_time(imaged_uploads_total[1m])) >= bool 3", 1)
    (group,) = prometheus.ask("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} <= {"ok", "unknown"}
    assert [rule["name"] for rule in group["rules"] if rule.get("alerts")] == []
    dashboard = json.loads((FOLDER / "imaged.dashboard.json").read_text(encoding="utf-8"))
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    for place, value in {"$instance": ".*", "$namespace": ".*", "$__rate_interval": "1m"}.items():
        queries = [query.replace(place, value) for query in queries]
    empty = [query for query in queries if not prometheus.query(query)]
    assert [query for query in empty if not any(name in query for name in QUIET)] == []


def test_promtool_finds_no_fault_with_the_exposition(daemon: Daemon) -> None:
    """Names, units, suffixes and help texts follow Prometheus's rules, after requests of all kinds."""
    home = post(daemon, "/p", make_jpeg())
    statuses(daemon, f"{home}/x30.jpg", f"{home}/x30.gif", f"{home}/info.json", f"{home}/nonsense", "/status_check")
    answer = request(daemon.private, "GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    run_promtool("check", "metrics", given=answer.body)
