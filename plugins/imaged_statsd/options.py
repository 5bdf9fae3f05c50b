"""What an operator may say of StatsD."""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict, Field, field_validator

from imaged.api import METRIC_PATH

HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:]+(:[0-9.]+)?(%[A-Za-z0-9._-]+)?")
"""A name, an IPv4 address, or an IPv6 address, which may name its interface."""


class Options(BaseModel):
    """The section `plugins.statsd` of the YAML file."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8125, ge=1, le=65_535)
    prefix: str = Field(default="image_server", max_length=200)

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        if not HOST.fullmatch(host):
            raise ValueError("no host: a name or an address, without a port")
        return host

    @field_validator("prefix")
    @classmethod
    def _is_a_path(cls, prefix: str) -> str:
        if not METRIC_PATH.fullmatch(prefix):
            raise ValueError("no prefix of metrics: letters, digits, _ and -, with a single dot between two parts")
        return prefix
