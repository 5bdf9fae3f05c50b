"""The options of the plugin `graphite`."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from imaged.api import HostName, MetricPath, PortNumber


class Options(BaseModel):
    """The section `plugins.graphite` of the YAML file. `interval_s` is that of carbon's finest retention."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: HostName = Field(default="127.0.0.1", description="The carbon: a name, or an address.")
    port: PortNumber = Field(default=2003, description="Its port for plain text, over TCP.")
    prefix: MetricPath = Field(default="stats.image_server", description="What each name begins with, before a dot.")
    interval_s: int = Field(
        default=10, ge=1, le=3600, description="The seconds between two values: those of carbon's finest retention."
    )
