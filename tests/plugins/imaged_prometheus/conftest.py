"""A sink, and a reader of its exposition, made with prometheus_client's own parser."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from snapshots import QUIET

from imaged.api import Snapshot
from imaged_prometheus.counts import Counts
from imaged_prometheus.sink import PrometheusSink

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


class Shown:
    """The samples of one exposition, read by the strict parser of OpenMetrics."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): float(sample.value)
            for family in self.families
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of one sample, or None where there is none."""
        return self.samples.get((name, frozenset(labels.items())))

    def labels(self, name: str, label: str) -> set[str]:
        """Return all values of a label in one metric."""
        return {dict(labels)[label] for each, labels in self.samples if each == name}


@pytest.fixture
def counts() -> Counts:
    """Return counts, which outlive generations."""
    return Counts()


@pytest.fixture
def sink(counts: Counts) -> PrometheusSink:
    """Return a sink whose settings name no namespace."""
    return PrometheusSink(counts, ())


@pytest.fixture
def show() -> Callable[..., Shown]:
    """Return a function that exposes a sink with a snapshot and reads the result."""

    def read(sink: PrometheusSink, snapshot: Snapshot = QUIET) -> Shown:
        content_type, body = sink.expose(snapshot, OPEN_METRICS)
        assert content_type.startswith("application/openmetrics-text")
        return Shown(body.decode())

    return read
