"""Metrics to StatsD, over UDP: counts and timings by the names that dashboards of image-server 1.x read.

`options` are what the operator says, `lines` writes what was counted as StatsD reads it, `wire` is the socket, and
`sink` gathers and sends. All of it runs on the sink's own thread.
"""

from __future__ import annotations

import random
import time

from imaged.api import Host, MetricsSink, hookimpl

from .options import Options
from .sink import StatsdSink
from .wire import Wire


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Count for the StatsD that the options name."""
    options = host.options(Options)
    return StatsdSink(options.prefix, Wire(options.host, options.port, time.monotonic), random.randrange)
