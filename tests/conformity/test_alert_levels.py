"""Alerts of the status page and rules for Prometheus agree on bounds and severity."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import yaml
from promtool import run_promtool
from snapshots import SINK, make_reload, make_snapshot
from source_tree import ROOT

from imaged.api import RequestAnswered
from imaged.core.origin_status import OriginStatus
from imaged.core.stall_status import Hang, Stall
from imaged.statuspage.alerts import LOW_DISK_BYTES, LOW_STATE_BYTES, MANY_DEATHS, find_alerts
from imaged_prometheus.counts import REQUEST_BUCKETS_S, Counts

RULES_FILE = ROOT / "docs" / "monitoring" / "imaged.rules.yml"
RULES: dict[str, dict[str, Any]] = {
    rule["alert"]: rule for rule in yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))["groups"][0]["rules"]
}
SEVERITIES = {"error": "critical", "warning": "warning"}

SAME = {
    "Out of service": "ImagedUnhealthy",
    "Reload refused": "ImagedReloadRefused",
    "Worker processes": "ImagedNoWorkers",
    "Workers die": "ImagedWorkersDie",
    "Remote store away": "ImagedRemoteStoreAway",
    "Origin fails": "ImagedOriginFails",
    "Job queue": "ImagedQueueFails",
    "Parked": "ImagedJobsParked",
    "Store": "ImagedStoreFails",
    "Disk full": "ImagedDiskFull",
    "State disk full": "ImagedStateDiskFull",
    "Store read-only": "ImagedStoreReadOnly",
    "Store bound": "ImagedStoreBound",
    "Low disk": "ImagedDiskNearlyFull",
    "Low state disk": "ImagedStateDiskNearlyFull",
    "Log": "ImagedLogLost",
    "Metrics": "ImagedMetricsFailing",
    "Reactor held up": "ImagedStalls",
    "Plugin hangs": "ImagedPluginHangs",
}
"""Alerts of the page and their rules."""

PAGE_ALONE = {"Draining"}
"""Alerts without a rule: a daemon that stays down has another alert."""

WRONG = make_snapshot(
    message="no processor works",
    generation={"last_reload": make_reload("a")},
    processing={"workers_fault": "no memory", "recent_deaths": MANY_DEATHS},
    remote={"fault": "away"},
    origins=(OriginStatus("shop", 0, 0, 0, 1, 0, "away"),),
    queue={"fault": "full", "free_bytes": 0},
    uploads={"jobs": {"failed": 1}},
    store={"free_bytes": 0, "fault": "slow", "bound_fault": "nothing to forget"},
    log={"lost": 1, "fault": "full"},
    metrics=(replace(SINK, fault="away"),),
    stalls={"last": Stall("a", 2.0, 1.0), "hanging": (Hang("a", "b", 9.0),)},
)

ALERTS = [
    *find_alerts(WRONG),
    *find_alerts(make_snapshot(message="draining")),
    *find_alerts(make_snapshot(store={"fault": "a", "is_full": True}, queue={"fault": "a", "is_full": True})),
    *find_alerts(make_snapshot(store={"fault": "a", "is_read_only": True})),
]


def test_severities_agree() -> None:
    """Each alert of the page has a rule of its severity, or is an exception above."""
    assert {alert.title for alert in ALERTS} == set(SAME) | PAGE_ALONE
    for alert in ALERTS:
        if alert.title in SAME:
            assert RULES[SAME[alert.title]]["labels"]["severity"] == SEVERITIES[alert.level], alert.title


def test_the_bounds_of_disks_are_the_same() -> None:
    """The expression has the bound to the byte, and the description has it for people."""
    for name, bound_bytes, shown in (
        ("ImagedDiskNearlyFull", LOW_DISK_BYTES, "2 GiB"),
        ("ImagedStateDiskNearlyFull", LOW_STATE_BYTES, "256 MiB"),
    ):
        assert RULES[name]["expr"].endswith(f"< {bound_bytes}")
        assert shown in RULES[name]["annotations"]["description"]
        operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
        assert f"less than {shown} is free" in operations


def test_the_page_of_operations_agrees() -> None:
    """The table of docs/operations.md has each alert with its level."""
    operations = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    for alert in ALERTS:
        assert f"| `{alert.title}` | {alert.level} |" in operations


def test_rules_use_edges_of_buckets() -> None:
    """A value between two edges would be an interpolation, wrong by up to a factor of two."""
    edges = re.findall(r'le="([^"]+)"', RULES_FILE.read_text(encoding="utf-8"))
    assert edges
    assert set(edges) <= {str(edge_s) for edge_s in REQUEST_BUCKETS_S}
    assert "histogram_quantile" not in RULES_FILE.read_text(encoding="utf-8")


def slow_series(instance: str, slow_s: float) -> list[dict[str, str]]:
    """Return the series of a daemon in which one output in ten takes `slow_s`."""
    counts = Counts()
    for number in range(100):
        elapsed_s = slow_s if number % 10 == 0 else 0.01
        counts.record(RequestAnswered("output", "p", "jpg", 200, "rendered", 100, elapsed_s), ())
    samples = [sample for metric in counts.collect() for sample in metric.samples]
    series = []
    for each in samples:
        if each.name.startswith("imaged_request_duration_seconds"):
            labels = ", ".join(f'{name}="{value}"' for name, value in (each.labels | {"instance": instance}).items())
            series.append({"series": f"{each.name}{{{labels}}}", "values": f"0+{each.value}x60"})
    return series


def test_the_slow_alert_begins_at_two_seconds() -> None:
    """Outputs of 1.2 and 1.9 seconds raise no alert, those of 2.1 and 2.4 seconds do."""
    times_s = {"a": 1.2, "b": 1.9, "c": 2.1, "d": 2.4}
    series = [each for instance, slow_s in times_s.items() for each in slow_series(instance, slow_s)]
    slow = [{"labels": f'{{alertname="ImagedSlow", instance="{instance}"}}', "value": 1} for instance in "cd"]
    expected = {"expr": "count by (alertname, instance) (ALERTS)", "eval_time": "30m", "exp_samples": slow}
    test = {"interval": "1m", "input_series": series, "promql_expr_test": [expected]}
    file = {"rule_files": [str(RULES_FILE)], "evaluation_interval": "1m", "tests": [test]}
    run_promtool("test", "rules", "/dev/stdin", given=yaml.safe_dump(file).encode())
