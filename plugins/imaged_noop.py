"""No remote store: the smallest plugin, and the template for yours.

A plugin is a module that an entry point of the group `imaged` names, here `noop = "imaged_noop"`. The entry point's
name is what operators write in their YAML file. It implements one hook or several, each called once for every
configuration that is loaded, and imports `imaged.api` alone.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from imaged.api import Host, Uploader, hookimpl


class Options(BaseModel):
    """The section `plugins.noop` of the YAML file: there is nothing to set."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


@hookimpl
def imaged_uploader(host: Host) -> Uploader | None:
    """Read the options, so that a misspelt one is told, and offer no remote store."""
    host.options(Options)
    return None
