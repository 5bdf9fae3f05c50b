"""Check what a job costs before a pixel is decoded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from imaged.api import JPEG, PolicyError, RenderJob, TooLargeError, Variant, steps

from .memory import check_memory
from .original import ParsedOriginal

FRAME_PIXELS = 4096
"""The least that a frame counts: ImageMagick needs some 30 KB for each frame besides its pixels."""

_PIXEL_S = 0.4e-6
"""The time for each pixel in the slowest step, the compression of a noisy PNG."""
_LONG_SHARE = 0.1
"""The share of a render's time that a step may take without being interruptible."""
_ORIGINAL = "the original"
_HEAVY_PIXELS = 5_000_000
"""Rendering this many takes half a second or more, and forty megabytes."""


def is_animated(job: RenderJob, variant: Variant) -> bool:
    """Return whether a variant keeps all frames of its original."""
    return job.facts.frames > 1 and variant.format.animation


def is_long(job: RenderJob) -> bool:
    """Return whether a step of this job may take so long that it must be interruptible."""
    if any(variant.effects.blur for variant in job.variants):
        return True
    plans = [variant.plan(job.facts.size) for variant in job.variants]
    sizes = [job.facts.size, *(size for plan in plans for size in (plan.scaled, plan.size))]
    return _PIXEL_S * max(size.pixels for size in sizes) > _LONG_SHARE * job.timeout_s


def is_heavy(job: RenderJob) -> bool:
    """Return whether a job may leave much freed memory behind."""
    frames = job.facts.frames if any(is_animated(job, variant) for variant in job.variants) else 1
    return max(job.facts.size.pixels, FRAME_PIXELS) * frames > _HEAVY_PIXELS


def check_stills(job: RenderJob, original: ParsedOriginal, stills: Sequence[Variant]) -> None:
    """Raise TooLargeError or PolicyError when these variants, which show the first frame, cost too much."""
    _check_pixels(_ORIGINAL, job.facts.size.pixels, job)
    if original.sequence:
        _check_pixels(_ORIGINAL, original.sequence.frames[0].size.pixels, job)
    if job.facts.format != JPEG:  # libjpeg may shrink a JPEG while it decodes
        check_memory(_ORIGINAL, job.facts.size.pixels)
    for variant in stills:
        _check_variant(variant, job, 1)


def frames_of(job: RenderJob, original: ParsedOriginal, variant: Variant) -> int:
    """Return how many frames an animated variant has: where long animations are cut, as many as its pixels allow.

    Raises TooLargeError or PolicyError when they, or the first one alone, cost too much.
    """
    count = job.facts.frames
    if variant.animation == "cut":
        count = min(count, job.maximum_pixels // max(job.facts.size.pixels, FRAME_PIXELS, _largest(variant, job)))
        drawn = accumulate(frame.size.pixels for frame in original.sequence.frames) if original.sequence else ()
        count = max(1, min(count, sum(pixels <= job.maximum_pixels for pixels in drawn)))
    if original.sequence and count > 1:
        pixels = max(job.facts.size.pixels, FRAME_PIXELS) * count
        _check_pixels(_ORIGINAL, max(pixels, original.sequence.drawn_pixels(count)), job, count)
    _check_variant(variant, job, count)
    return count


def _largest(variant: Variant, job: RenderJob) -> int:
    """Return the pixels of the largest picture that is made for a variant."""
    wanted = variant.plan(job.facts.size)
    return max(wanted.size.pixels, *(step.scaled.pixels for step in steps(wanted, job.facts.size)))


def _check_variant(variant: Variant, job: RenderJob, frames: int) -> None:
    wanted, format = variant.plan(job.facts.size), variant.format
    size = wanted.size
    if max(size.width_px, size.height_px) > format.maximum_side_px:
        raise PolicyError(
            f"{variant.output} would be {size.width_px}x{size.height_px}, but {format.extension} holds at most "
            f"{format.maximum_side_px} a side: request a smaller size or another format"
        )
    largest = _largest(variant, job)
    _check_pixels(str(variant.output), largest * frames, job, frames)
    check_memory(str(variant.output), largest)


def _check_pixels(what: str, pixels: int, job: RenderJob, frames: int = 1) -> None:
    if pixels <= job.maximum_pixels:
        return
    smaller = "" if what == _ORIGINAL else ", request a smaller output"  # which would not shrink the original
    if frames > 1:
        raise TooLargeError(
            f"{what} would take {pixels} pixels, all {frames} frames together, but {job.maximum_pixels} are allowed: "
            f"send a shorter animation{smaller}, or request a still of the first frame, as jpg"
        )
    raise TooLargeError(
        f"{what} would take {pixels} pixels, but {job.maximum_pixels} are allowed: send a smaller picture{smaller}"
    )
