"""The options of the plugin `statsd`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import HostName, MetricPath, PortNumber


class Options(BaseModel):
    """The section `plugins.statsd` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: HostName = Field(default="127.0.0.1", description="The StatsD: a name, or an address.")
    port: PortNumber = Field(default=8125, description="Its port for datagrams.")
    prefix: MetricPath = Field(default="image_server", description="What each name begins with, before a dot.")
