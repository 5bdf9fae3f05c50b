"""The hooks that a plugin may implement. The daemon calls each once for a generation."""

from __future__ import annotations

import pluggy

from imaged.hooks.contracts import Detector, MetricsSink, Processor, Purger, Uploader
from imaged.hooks.host import Host

PROJECT = "imaged"
"""pluggy's marker of the hooks."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def imaged_processor(host: Host) -> Processor | None:
    """Return a processor, or None if there is none with these options."""


@hookspec
def imaged_detector(host: Host) -> Detector | None:
    """Return a detector of what smart crops show, or None if there is none with these options."""


@hookspec
def imaged_uploader(host: Host) -> Uploader | None:
    """Return a remote store, or None: originals and outputs then stay local."""


@hookspec
def imaged_purger(host: Host) -> Purger | None:
    """Return a purger of caches before imaged, or None if there is none with these options."""


@hookspec
def imaged_metrics(host: Host) -> MetricsSink | None:
    """Return a metrics sink, or None if there is none with these options."""
