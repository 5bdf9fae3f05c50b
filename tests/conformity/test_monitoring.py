"""`docs/monitoring.md`, the alert rules and the dashboard match the metrics and the fields of `/status.json`."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from origin_server import origin
from prometheus_client.parser import text_string_to_metric_families
from promtool import run_promtool
from service_case import HOME, ServiceTestCase, until
from snapshots import make_snapshot
from source_tree import ROOT

from imaged.api import (
    Event,
    OriginalDownloaded,
    OriginalUnavailable,
    OutputFailed,
    OutputRendered,
    RequestAnswered,
    Uploaded,
    WorkerDied,
)
from imaged.core.origin_status import OriginStatus
from imaged.core.pending_jobs import Jobs
from imaged.core.snapshot import Comparison, Plugin, SinkStatus, WorkerStatus
from imaged_prometheus.counts import Counts
from imaged_prometheus.sink import PrometheusSink

PAGE = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
FOLDER = ROOT / "docs" / "monitoring"
RULES_FILE = FOLDER / "imaged.rules.yml"
RULES_TEST = ROOT / "tests" / "conformity" / "imaged_rules.test.yml"
RULES: list[dict[str, Any]] = yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "imaged.dashboard.json").read_text(encoding="utf-8"))
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
QUERIES = [target["expr"] for panel in PANELS for target in panel["targets"]]
VARIABLES = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
PLACES = {"$instance": ".*", "$namespace": ".*", "$__rate_interval": "5m"}
"""Values of Grafana's variables."""

NAME = re.compile(r"\b(?:imaged|process|python)_[a-z_]+\b")


EVENTS: list[Event] = [
    RequestAnswered("output", "p", "jpg", 200, "hit", 100, 0.001),
    OutputRendered("p", "x300.jpg", "jpg", 0.1),
    OutputFailed("p", "x300.jpg", "jpg", "BusyError"),
    OriginalDownloaded("p", 100, 0.1),
    OriginalUnavailable("p", "SourceFailedError"),
    Uploaded("p", 100, 0.1),
    WorkerDied("SIGSEGV"),
]
SNAPSHOT = make_snapshot(
    uploads={"jobs": Jobs(1, 1, 1.0)},
    origins=(OriginStatus("shop", 1, 1, 1, 1, 1, "away"),),
    remote={"comparison": Comparison("waiting", unfinished=True, since=None, images=0, missing=0)},
    metrics=(SinkStatus("prometheus", 1, 1, 1, 1, 1, 1.0, "hangs"),),
    plugins=(Plugin("magick", "processor", "1", ""),),
)
"""A snapshot that gives each metric with labels a sample."""


def exposed() -> dict[str, tuple[str, set[str]]]:
    """Return the type and the labels of every metric, by its name in queries."""
    sink = PrometheusSink(Counts(), ())
    for event in EVENTS:
        sink.record(event)
    _, body = sink.expose(SNAPSHOT, "")
    found = {}
    for family in text_string_to_metric_families(body.decode()):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
    return found


def documented() -> dict[str, tuple[str, set[str]]]:
    """Return the type and the labels of every metric in the tables of the page."""
    rows = re.findall(r"^\| `(\w+)` \| (counter|gauge|histogram) \|([^|]*)\|", PAGE, re.MULTILINE)
    return {name: (type_, set(re.findall(r"`(\w+)`", labels))) for name, type_, labels in rows}


def used(queries: list[str]) -> set[str]:
    """Return the metrics in queries; a histogram has its own name."""
    names = {name for query in queries for name in NAME.findall(query)}
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in names}


def filled(query: str) -> str:
    """Return a query of the dashboard as Grafana would send it."""
    for place, value in PLACES.items():
        query = query.replace(place, value)
    return query


def test_every_metric_is_on_the_page() -> None:
    """The page has its type and its labels, and no other metric."""
    assert documented() == exposed()


def test_the_rules_and_the_dashboard_use_known_metrics() -> None:
    """Each metric in a query is one that the plugin exposes."""
    rules = used([rule["expr"] for rule in RULES])
    panels = used([*QUERIES, *(each.get("definition", "") for each in VARIABLES.values())])
    assert len(rules) > 10
    assert len(panels) > 30
    assert (rules | panels) - set(exposed()) == set()


def test_every_alert_says_what_to_do() -> None:
    """Each alert is on the page and has a test."""
    for rule in RULES:
        assert set(rule["annotations"]) == {"summary", "description", "action"}
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert f"`{rule['alert']}`" in PAGE
        assert f"{rule['alert']}" in RULES_TEST.read_text(encoding="utf-8")


def test_prometheus_takes_the_rules() -> None:
    """Each alert fires when it should, and none fires on a healthy daemon."""
    run_promtool("check", "rules", RULES_FILE)
    run_promtool("test", "rules", RULES_TEST)


def test_prometheus_takes_the_queries_of_the_dashboard(tmp_path: Path) -> None:
    """Prometheus parses recording rules like queries."""
    rules = [{"record": f"query_{number}", "expr": filled(query)} for number, query in enumerate(QUERIES)]
    file = tmp_path / "queries.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    run_promtool("check", "rules", "--lint=none", file)


def test_the_dashboard_is_whole() -> None:
    """Panels have unique ids and places, and use the chosen data source and instances."""
    everything = DASHBOARD["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    taken = [
        (x, y)
        for panel in everything
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(taken)) == len(taken)
    assert max(x for x, _ in taken) < 24
    assert set(VARIABLES) == {"datasource", "instance", "namespace"}
    for panel in PANELS:
        assert panel["description"]
        assert panel["title"]
        assert all(each["datasource"]["uid"] == "${datasource}" for each in (panel, *panel["targets"]))
        assert all('instance=~"$instance"' in target["expr"] for target in panel["targets"])


def fields(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path of every field; the fields of a list's elements follow `[]`."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from fields(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from fields(value[0], f"{path}[]")
    else:
        yield path


class TestStatusFields(ServiceTestCase):
    """`/status.json` of a daemon with a value everywhere."""

    async def test_every_field_is_on_the_page(self) -> None:
        """Every field on the page exists."""
        await self.serve(origins={"shop": {"path": "/srv", "namespace": "p"}})
        await self.post()
        await self.get(f"{HOME}/nonsense")
        render = await self.begin_held_render(f"{HOME}/x30.jpg")
        self.yaml += "nonsense: 1\n"
        await self.service.reload()
        async with origin(None) as source:
            connection = await self.begin("POST", f"/p?source={source.url}")
            await until(lambda: source.asked)
            status = await self.status()
            source.send(b"no picture")
            await connection.ended
        self.service_harness.processors[0].release()
        await render.ended
        _, _, below = PAGE.partition("## The fields of the status\n")
        listed = re.findall(r"^\| `([^`]+)` \|", below.partition("\n## ")[0], re.MULTILINE)
        assert sorted(listed) == sorted(fields(status))


def test_the_fields_of_a_worker_process_are_on_the_page() -> None:
    """Their row names each of them."""
    row = next(line for line in PAGE.splitlines() if line.startswith("| `processing.workers` |"))
    assert {each.name for each in dataclasses.fields(WorkerStatus)} <= set(re.findall(r"`(\w+)`", row))


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:]+)\)", PAGE))
def test_links_of_the_page_have_targets(link: str) -> None:
    """The targets are files of the tree."""
    if link in {"statsd.md", "profiling.md"} and not (ROOT / "docs" / link).is_file():
        pytest.skip(f"{link} comes with its plugin")
    assert (ROOT / "docs" / link).exists()
