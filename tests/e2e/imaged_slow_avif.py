"""A test plugin whose AVIFs take for ever, after the other outputs of their job."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

from imaged.api import Host, Processor, Rendered, RenderJob, hookimpl
from imaged.core.formats import AVIF, CORE
from imaged.testing.fakes import StillProcessor


class SlowAvif(StillProcessor):
    """Renders placeholders in the core formats."""

    reads = CORE
    writes = (*CORE, AVIF)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Make what is quick, then wait to be killed."""
        quick = tuple(variant for variant in job.variants if variant.format != AVIF)
        yield from super().render(replace(job, variants=quick))
        if quick != job.variants:
            time.sleep(3600)


@hookimpl
def imaged_processor(host: Host) -> Processor | None:  # noqa: ARG001  # it has no options
    """Offer one."""
    return SlowAvif()
