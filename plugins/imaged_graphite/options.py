"""What an operator may say of carbon."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import HostName, MetricPath, PortNumber


class Options(BaseModel):
    """The section `plugins.graphite` of the YAML file. `interval_s` is that of carbon's finest retention."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: HostName = "127.0.0.1"
    port: PortNumber = 2003
    prefix: MetricPath = "stats.image_server"
    interval_s: int = Field(default=10, ge=1, le=3600)
