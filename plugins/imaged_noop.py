"""No remote store: the smallest plugin, and the template for yours.

A plugin is a module that an entry point of the group `imaged` names, here `noop = "imaged_noop"`. Operators write the
entry point's name in the YAML file. The module implements one or more hooks, which the daemon calls once for each
configuration that it loads, and imports `imaged.api` alone.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from imaged.api import Host, Uploader, hookimpl


class Options(BaseModel):
    """The section `plugins.noop` of the YAML file, which has no options."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Validate the options and return None: there is no remote store."""
    host.options(Options)
    return None
