"""Metrics that a Prometheus server fetches from `/metrics` of the status port, through prometheus_client.

`counts` holds what is counted of events, which goes on over reloads, `figures` are made of the status at each scrape,
`labels` keeps their number bounded whatever clients ask for, and `sink` puts them together.
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
    """The section `plugins.prometheus` of the YAML file: there is nothing to set."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Offer a sink that goes on counting where the one before it was."""
    host.options(Options)
    return PrometheusSink(host.keep(Counts), frozenset(host.namespaces))
