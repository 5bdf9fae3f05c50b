"""The processor: identify, verify and render stills with Pillow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import PIL
from PIL import features

from imaged.api import (
    DECODE,
    ENCODE,
    JPEG,
    RESIZE,
    Fit,
    ImageFacts,
    Plan,
    Rendered,
    RenderJob,
    Sample,
    Size,
    Variant,
    plan,
    span,
)

from .bounds import Deadline, check_decoded, check_job
from .colours import to_srgb
from .decoding import Decoded, check_end, decode
from .effects import check_watermark, with_effects
from .encoding import encode
from .filters import FILTERS
from .original import Original, declined
from .padding import padded
from .reading import read_original
from .resizing import ENGINE, as_source, resize, smallest_source, upright
from .sampling import take_sample
from .unloaded import READS, WRITES


class PillowProcessor:
    """Renders stills. It does not change, so that several threads may use it.

    It declines what it does not render as well as ImageMagick does. `filter` is the option.
    """

    reads, writes = READS, WRITES
    detail = f"Pillow {PIL.__version__}{ENGINE}, libjpeg-turbo {features.version('libjpeg_turbo')}"

    def __init__(self, filter: str) -> None:
        self._filter = FILTERS[filter]

    def identify(self, source: Path) -> ImageFacts:
        """Return what the header of `source` says. Raises DeclinedError for animations."""
        original = read_original(source)
        if original.animated:
            raise declined(original.format.extension, "it is an animation")
        return ImageFacts(original.format, original.size, frames=1)

    def verify(self, job: RenderJob) -> None:
        """Decode the original, a JPEG at an eighth of its size. Raises DeclinedError where pixels may be missing."""
        self._verified(job, [])

    def sample(self, job: RenderJob, side_px: int) -> Sample:
        """Return the picture, shrunk to fit into a square, from a decode that verifies it, too. Raises as `verify`."""
        wanted = plan(job.facts.size, Fit(side_px, side_px))
        return take_sample(self._verified(job, [wanted.scaled]), wanted)

    def accepts(self, job: RenderJob) -> bool:
        """Return whether all outputs are stills. Of an animation, verify is left to a processor that plays it."""
        if job.facts.frames == 1:
            return True
        return bool(job.variants) and not any(variant.format.animation for variant in job.variants)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Decode the first picture once, and yield each output as soon as it is ready, the largest first."""
        check_job(job)
        deadline = Deadline(job.timeout_s)
        planned: dict[Plan, list[Variant]] = {}
        for variant in job.variants:
            check_watermark(variant.effects)
            planned.setdefault(variant.plan(job.facts.size), []).append(variant)
        with span(DECODE):
            original = _checked(read_original(job.source), job)
            decoded = decode(original, [each.scaled for each in planned], self._filter.reductions(original.stored))
        deadline.check()
        sources = [decoded]
        for wanted in sorted(planned, key=lambda each: each.scaled.pixels, reverse=True):
            with span(RESIZE):
                source = smallest_source(sources, wanted, self._filter.reused)
                resized = resize(source, wanted)
                if not wanted.crops:
                    sources.append(as_source(resized, original))
                picture = to_srgb(upright(resized, original.orientation), original.profile)
            for variant in planned[wanted]:
                with span(ENCODE):
                    body = encode(with_effects(padded(picture, wanted, variant), variant.effects), variant)
                deadline.check()
                yield Rendered(variant.output, body)

    def _verified(self, job: RenderJob, needed: Sequence[Size]) -> Decoded:
        """Decode the original so that it suffices for the sizes `needed`. Raises DeclinedError as `verify`."""
        check_job(job)
        deadline = Deadline(job.timeout_s)
        original = _checked(read_original(job.source), job)
        decoded = decode(original, needed, FILTERS["fast"].reductions(original.stored))
        if job.facts.format == JPEG:
            check_end(decoded)
        deadline.check()
        return decoded


def _checked(original: Original, job: RenderJob) -> Original:
    """Return an original that has the facts of a job, and costs no more to decode than `job` allows.

    Another processor may have found other facts.
    """
    check_decoded(original, job)
    if (original.format, original.size) != (job.facts.format, job.facts.size):
        raise declined(original.format.extension, "its header is read in different ways")
    return original
