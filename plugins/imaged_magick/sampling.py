"""Give a small picture of an original, for looking at it, from the decode that verifies it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager

from imaged.api import Fit, Plan, RenderJob, Sample, plan

from .compositing import composited_frames
from .deadline import Deadline
from .filters import FILTERS
from .jpeg_scale import jpeg_size_hint
from .original import ParsedOriginal
from .picture import Picture, translated
from .resizing import crop_and_resize
from .srgb_conversion import to_srgb
from .upright import turn_upright
from .verifying import verified_still, verify_frames

_FILTER = FILTERS["fast"]


def take_sample(job: RenderJob, original: ParsedOriginal, side_px: int, deadline: Deadline) -> Sample:
    """Verify an original, and return its first frame in a square. Raises as `verify`."""
    wanted = plan(job.facts.size, Fit(side_px, side_px))
    with _verified_picture(job, original, wanted, deadline) as picture, translated(deadline, "taking a sample"):
        transparency = bool(picture.alpha_channel) and not picture.is_opaque()
        turn_upright(picture, original)
        crop_and_resize(picture, wanted, _FILTER)
        to_srgb(picture)
        if not picture.alpha_channel:
            picture.alpha_channel = "opaque"  # without it, the opacities are whatever the memory held
        return Sample(picture.sides, picture.rgba(), transparency, original.orientation, original.profile_name)


@contextmanager
def _verified_picture(job: RenderJob, original: ParsedOriginal, wanted: Plan, deadline: Deadline) -> Iterator[Picture]:
    """Give the first frame as stored, or smaller where libjpeg can shrink it, and verify the original."""
    if original.sequence:
        sequence = original.sequence
        verify_frames(job, original.format, sequence.frames, deadline, first=1)
        with closing(composited_frames(original.format, sequence, original.profile, deadline)) as frames:
            yield next(frames)[0]
    else:
        hint = jpeg_size_hint(job.facts.size, [wanted], original.orientation, _FILTER)
        with verified_still(original, original.profile, hint, deadline) as picture:
            yield picture
