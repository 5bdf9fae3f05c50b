"""Give the stripped original where an output of its own format and size would have more bytes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing

from imaged.core.effects import NO_EFFECTS
from imaged.core.stripping.strip import strip
from imaged.core.variants import Variant
from imaged.hooks.contracts import Rendered, RenderJob

_FRAME_PIXELS = 65_536
"""The least that a frame counts here: whether a long animation is cut is for processors to say."""


def never_larger(job: RenderJob, rendered: Generator[Rendered, None, None]) -> Generator[Rendered, None, None]:
    """Yield the same outputs, none of them larger than the stripped original if that shows the same.

    Blocking: worker threads only. The original is read only for an output that it may replace. Closing this closes
    `rendered`.
    """
    whole = {variant.output for variant in job.variants if _is_whole(variant, job)}
    with closing(rendered):
        for each in rendered:
            stripped = _stripped(job) if each.output in whole else None
            yield each if stripped is None or len(stripped) >= len(each.body) else Rendered(each.output, stripped)


def _is_whole(variant: Variant, job: RenderJob) -> bool:
    """Return whether a variant shows all of its original, as it is."""
    facts, plan = job.facts, variant.plan(job.facts.size)
    if variant.format != facts.format or variant.effects != NO_EFFECTS:
        return False
    if plan.scaled != facts.size or plan.size != facts.size:
        return False
    if facts.frames == 1:
        return True
    return variant.format.animation and max(facts.size.pixels, _FRAME_PIXELS) * facts.frames <= job.maximum_pixels


def _stripped(job: RenderJob) -> bytes | None:
    try:
        stripped = strip(job.facts.format, job.source.read_bytes())
    except OSError:
        return None
    return stripped if stripped and job.facts.format.read_size(stripped) == job.facts.size else None
