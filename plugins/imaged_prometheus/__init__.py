"""Metrics for Prometheus at `/metrics` of the status port, through prometheus_client.

`counts` counts events and outlives reloads, `figures` reads the snapshot at each scrape, `labels` bounds the number of
time series, and `sink` combines them.
"""

from __future__ import annotations

from importlib.util import find_spec

from pydantic import BaseModel, ConfigDict

from imaged.api import Host, MetricsSink, hookimpl, how_to_install

if find_spec("prometheus_client") is None:
    raise ImportError(f"prometheus_client is missing: {how_to_install('prometheus', 'python3-prometheus-client')}")

from .counts import Counts
from .sink import PrometheusSink


class Options(BaseModel):
    """The section `plugins.prometheus` of the YAML file, which has no options."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Return a sink that continues the counts of the generation before."""
    host.options(Options)
    return PrometheusSink(host.state(Counts), frozenset(host.namespaces))
