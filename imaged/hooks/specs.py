"""The hooks that a plugin may implement. Each is called once, while a generation is built."""

from __future__ import annotations

import pluggy

from imaged.hooks.contracts import MetricsSink, Processor, Uploader
from imaged.hooks.host import Host

PROJECT = "imaged"
"""The entry-point group of plugins, and the marker of their hooks."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def imaged_processor(host: Host) -> Processor | None:
    """Return what reads and renders pictures, or None when there is nothing to offer with these options."""


@hookspec
def imaged_uploader(host: Host) -> Uploader | None:
    """Return the remote store, or None for none: originals and outputs then stay local."""


@hookspec
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Return what counts events, or None when there is nothing to count to."""
