"""Removes erased pictures from caches before imaged by HTTP requests: PURGE of each path, or one request with the tag.

Varnish, nginx with a script, and any CDN that purges a tag that stands in a header understand them.
"""

from __future__ import annotations

from imaged.api import Host, Purger, hookimpl

from .options import Options
from .purger import HttpPurger

__all__ = ["Options", "imaged_purger"]


@hookimpl
def imaged_purger(host: Host) -> Purger | None:
    """Return a purger that sends requests with the agent of the daemon."""
    return HttpPurger(host.options(Options), host.agent, host.clock)
