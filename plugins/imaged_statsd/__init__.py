"""Sends counts and timings to StatsD over UDP, under the metric names of image-server 1.x.

`lines` formats the figures, `wire` is the socket, and `sink` counts and sends, on the sink's thread.
"""

from __future__ import annotations

import random
import time

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import Host, HostName, MetricPath, MetricsSink, PortNumber, hookimpl

from .sink import StatsdSink
from .wire import Wire


class Options(BaseModel):
    """The section `plugins.statsd` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: HostName = Field(default="127.0.0.1", description="The StatsD: a name, or an address.")
    port: PortNumber = Field(default=8125, description="Its port for datagrams.")
    prefix: MetricPath = Field(default="image_server", description="What each name begins with, before a dot.")


@hookimpl
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Return a sink for the StatsD that the options name."""
    options = host.options(Options)
    return StatsdSink(options.prefix, Wire(options.host, options.port, time.monotonic), random.randrange)
