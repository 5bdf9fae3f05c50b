"""Sends counts and timings to StatsD over UDP, under the metric names of image-server 1.x.

`options` is the YAML section, `lines` formats the figures, `wire` is the socket, and `sink` counts and sends. All of it
runs on the sink's thread.
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
    """Return a sink for the StatsD that the options name."""
    options = host.options(Options)
    return StatsdSink(options.prefix, Wire(options.host, options.port, time.monotonic), random.randrange)
