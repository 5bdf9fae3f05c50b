"""Metrics to Graphite's carbon, over TCP, without a StatsD between: the same names, and a value for each interval.

`options` are what the operator says, `slots` are the totals of each interval, which outlive a reload, `lines` writes
them as carbon reads them, `link` is the connection, and `sink` gathers and sends. All of it runs on the sink's own
thread, but for the slots, which the sinks of two generations share for a while.
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
    """Count for the carbon that the options name."""
    options = host.options(Options)
    kept: dict[int, Slots] = host.keep(dict)
    slots = kept.setdefault(options.interval_s, Slots(options.interval_s, time.time))
    return GraphiteSink(options.prefix, Link(options.host, options.port, time.monotonic), slots)
