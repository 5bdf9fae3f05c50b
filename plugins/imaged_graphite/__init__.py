"""Sends counts and timings to Graphite's carbon over TCP, one value for each interval, without StatsD.

`options` is the YAML section, `slots` holds the totals of each interval and outlives reloads, `lines` formats them,
`link` is the connection, and `sink` counts and sends. All of it runs on the sink's thread; the sinks of two generations
may share the slots for a while.
"""

from __future__ import annotations

import time

from imaged.api import Host, MetricsSink, hookimpl

from .link import Link
from .options import Options
from .sink import GraphiteSink
from .slots import Slots


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Return a sink for the carbon that the options name."""
    options = host.options(Options)
    kept: dict[int, Slots] = host.state(dict)
    slots = kept.setdefault(options.interval_s, Slots(options.interval_s, time.time))
    return GraphiteSink(options.prefix, Link(options.host, options.port, time.monotonic), slots)
