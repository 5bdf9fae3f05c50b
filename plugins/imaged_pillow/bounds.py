"""Check what a job costs before a pixel is decoded."""

from __future__ import annotations

import time

from imaged.api import OutOfTimeError, PolicyError, RenderJob, TooLargeError, Variant

from .original import Original

_DECODED = 2  # of a picture in tiles, and of the tiles


def check_job(job: RenderJob) -> None:
    """Raise TooLargeError or PolicyError when the first picture of an original, or an output, has too many pixels."""
    _check_pixels("the original", job.facts.size.pixels, job)
    for variant in job.variants:
        _check_variant(variant, job)


def check_decoded(original: Original, job: RenderJob) -> None:
    """Raise TooLargeError when a decoder would fill many more pixels than the picture has: tiles, and transparency."""
    if original.decoded_pixels > _DECODED * job.maximum_pixels:
        raise TooLargeError(
            f"decoding the original would take {original.decoded_pixels} pixels: send a picture without tiles"
        )


def _check_variant(variant: Variant, job: RenderJob) -> None:
    size, format = variant.plan(job.facts.size).size, variant.format
    if max(size.width_px, size.height_px) > format.maximum_side_px:
        raise PolicyError(
            f"{variant.output} would be {size}, but {format.extension} holds at most {format.maximum_side_px} a side: "
            "request a smaller size or another format"
        )
    _check_pixels(str(variant.output), size.pixels, job)


def _check_pixels(what: str, pixels: int, job: RenderJob) -> None:
    if pixels > job.maximum_pixels:
        raise TooLargeError(
            f"{what} would take {pixels} pixels, but {job.maximum_pixels} are allowed: send a smaller picture, or "
            "request a smaller output"
        )


class Deadline:
    """Passes `timeout_s` seconds after it is made."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._end_s = time.monotonic() + timeout_s

    def check(self) -> None:
        """Raise OutOfTimeError when the deadline has passed. Pillow cannot be interrupted, so check between steps."""
        if time.monotonic() >= self._end_s:
            raise OutOfTimeError(
                f"rendering takes longer than {self._timeout_s:.3g} s: request a smaller output, or try again later"
            )
