"""The processor: pictures in, outputs out, through ImageMagick."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

from imaged.api import (
    DECODE,
    ENCODE,
    FORMATS,
    RESIZE,
    ImageFacts,
    NotAPictureError,
    Rendered,
    RenderJob,
    Variant,
    plan,
    span,
)

from .animation import Animation
from .bounds import check_animations, check_stills, is_animated, is_heavy, is_long
from .deadline import Deadline
from .decoding import decoded_still
from .encoding import encode, finish
from .memory import Renders, given_back
from .original import HEADER_TIMEOUT_S, Original, read_original
from .picture import FOREIGN, Picture, translate, translated
from .shaping import decode_hint, shape, turn_upright
from .shots import shots
from .verifying import check_end, verify

_RENDERS = Renders()


class MagickProcessor:
    """Reads and renders JPEG, PNG, GIF and WebP. It keeps nothing between calls, so any thread may call it."""

    def __init__(self, detail: str) -> None:
        self.detail = detail

    def identify(self, source: Path) -> ImageFacts:
        """Return what the header of `source` says, without decoding pixels."""
        original = read_original(source)
        return ImageFacts(original.format, original.size(Deadline(HEADER_TIMEOUT_S, interrupts=False)), original.frames)

    def verify(self, job: RenderJob) -> None:
        """Decode the original of a job, at the smallest scale that there is, to see whether renders can."""
        deadline = Deadline(job.timeout_s, interrupts=is_long(job))
        original = read_original(job.source)
        check_stills(job, original, [])
        with _RENDERS.one(), given_back(heavy=is_heavy(job)):
            verify(job, original, deadline)

    def accepts(self, job: RenderJob) -> bool:
        """Say yes to formats that are read and written here."""
        formats = [job.facts.format, *(variant.output.format for variant in job.variants)]
        return all(FORMATS.get(format.extension) == format for format in formats)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Yield each output as it is ready: stills of the first frame first, then animations."""
        deadline = Deadline(job.timeout_s, interrupts=is_long(job))
        with _RENDERS.one(), given_back(heavy=is_heavy(job)):
            try:
                yield from self._render(job, deadline)
            except FOREIGN as error:
                deadline.check()
                raise translate(error, "rendering") from error

    def _render(self, job: RenderJob, deadline: Deadline) -> Iterator[Rendered]:
        original = read_original(job.source)
        if (original.format, original.frames) != (job.facts.format, job.facts.frames):
            raise NotAPictureError("this picture is not the one that was identified: identify it again")
        moving = [variant for variant in job.variants if is_animated(job, variant)]
        stills = [variant for variant in job.variants if variant not in moving]
        check_stills(job, original, stills)
        if not stills:
            check_animations(job, original, moving)
        with ExitStack() as stack:
            plays = original.sequence.plays if original.sequence else 1
            animations = [stack.enter_context(Animation(variant, plays, deadline)) for variant in moving]
            pictures = _pictures(job, original, deadline)
            stack.callback(pictures.close)
            for number, (picture, duration_ms) in enumerate(_timed(pictures)):
                if number == 0:
                    for variant in stills:
                        yield Rendered(variant.output, _still(picture, variant, job, deadline))
                    check_animations(job, original, moving)  # stills are to be had of the longest animation
                for animation in animations:
                    with (
                        span(RESIZE),
                        Picture(deadline, image=picture) as frame,
                        translated(deadline, "resizing a frame"),
                    ):
                        shape(frame, job.facts.size, animation.variant.output.sizing)
                        animation.add(frame, duration_ms)
                if not animations:
                    break
            for animation in animations:
                with span(ENCODE), translated(deadline, f"writing {animation.variant.output}", decoded=True):
                    body = animation.write()
                yield Rendered(animation.variant.output, body)


def _timed(pictures: Iterator[tuple[Picture, int]]) -> Iterator[tuple[Picture, int]]:
    """Count the time that each picture takes as decoding, and not what is done with it."""
    while True:
        with span(DECODE):
            picture = next(pictures, None)
        if picture is None:
            return
        yield picture


def _still(picture: Picture, variant: Variant, job: RenderJob, deadline: Deadline) -> bytes:
    with Picture(deadline, image=picture) as still:
        with span(RESIZE), translated(deadline, f"resizing to {variant.output}"):
            shape(still, job.facts.size, variant.output.sizing)
            finish(still, variant)
        with span(ENCODE), translated(deadline, f"writing {variant.output}", decoded=True):
            return encode(still, variant)


def _pictures(job: RenderJob, original: Original, deadline: Deadline) -> Generator[tuple[Picture, int], None, None]:
    """Yield the pictures to be seen, upright, each with its milliseconds."""
    if original.sequence:
        for picture, duration_ms in shots(original.format, original.sequence, original.profile, deadline):
            with translated(deadline, "turning a frame upright"):
                turn_upright(picture, original.orientation)
            yield picture, duration_ms
        return
    check_end(original, deadline)
    plans = [plan(job.facts.size, variant.output.sizing) for variant in job.variants]
    hint = decode_hint(job.facts.size, plans, original.orientation)
    with decoded_still(original.format, original.blob, original.profile, hint, deadline) as picture:
        with translated(deadline, "turning it upright"):
            turn_upright(picture, original.orientation)
        yield picture, 0
