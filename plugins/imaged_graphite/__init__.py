"""Sends counts and timings to Graphite's carbon over TCP, one value for each interval, without StatsD.

`slots` holds the totals of each interval and outlives reloads, `link` is the connection, and `sink` counts and sends,
on its own thread. The sinks of two generations may share the slots for a while.
"""

from __future__ import annotations

import time

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import Host, HostName, MetricPath, MetricsSink, PortNumber, hookimpl

from .link import Link
from .sink import GraphiteSink
from .slots import Slots


class Options(BaseModel):
    """The section `plugins.graphite` of the YAML file. `interval_s` is that of carbon's finest retention."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: HostName = Field(default="127.0.0.1", description="The carbon: a name, or an address.")
    port: PortNumber = Field(default=2003, description="Its port for plain text, over TCP.")
    prefix: MetricPath = Field(default="stats.image_server", description="What each name begins with, before a dot.")
    interval_s: int = Field(
        default=10, ge=1, le=3600, description="The seconds between two values: those of carbon's finest retention."
    )


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Return a sink for the carbon that the options name."""
    options = host.options(Options)
    kept: dict[int, Slots] = host.state(dict)
    slots = kept.setdefault(options.interval_s, Slots(options.interval_s, time.time))
    return GraphiteSink(options.prefix, Link(options.host, options.port, time.monotonic), slots)
