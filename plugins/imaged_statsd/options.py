"""What an operator may say of StatsD."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from imaged.api import HostName, MetricPath, PortNumber


class Options(BaseModel):
    """The section `plugins.statsd` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: HostName = "127.0.0.1"
    port: PortNumber = 8125
    prefix: MetricPath = "image_server"
