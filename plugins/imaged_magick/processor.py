"""The processor: identify, verify and render pictures through ImageMagick."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

from wand.version import MAGICK_VERSION

from imaged.api import (
    DECODE,
    ENCODE,
    RESIZE,
    Formats,
    ImageFacts,
    NotAPictureError,
    Plan,
    Rendered,
    RenderJob,
    Sample,
    Variant,
    span,
)

from .animation import AnimationWriter
from .bounds import check_stills, frames_of, is_animated, is_heavy, is_long
from .compositing import composited_frames
from .deadline import Deadline
from .decoding import decoded_still
from .encoding import encode, normalise
from .filters import Filter
from .jpeg_scale import jpeg_size_hint
from .memory import Limits, RunningRenders, trim_heap
from .original import HEADER_TIMEOUT_S, ParsedOriginal
from .parsed_originals import ParsedOriginals
from .picture import WAND_ERRORS, Picture, translate, translated
from .policy_check import find_allowed
from .reductions import reduced_stills
from .resizing import crop_and_resize
from .sampling import take_sample
from .upright import turn_upright
from .verifying import check_jpeg_end, verify

_RENDERS = RunningRenders()
_ORIGINALS = ParsedOriginals()

TimedPictures = Generator[tuple[Picture, int], None, None]
"""Pictures, each with its duration in milliseconds."""


class MagickProcessor:
    """Reads and renders pictures in `formats`, within `limits`. Any thread may call it: it does not change."""

    detail = " ".join(MAGICK_VERSION.split()[:3])  # with the quantum depth: `ImageMagick 6.9.11-60 Q16`

    def __init__(self, limits: Limits, filter: Filter, formats: Formats) -> None:
        self._limits = limits
        self.reads, self.writes = formats.reads, formats.writes
        self._filter = filter

    def identify(self, source: Path) -> ImageFacts:
        """Return what the header of `source` says, without decoding pixels."""
        self._limits.apply()
        original = _ORIGINALS.keep(source, self.reads)
        return ImageFacts(original.format, original.size(Deadline(HEADER_TIMEOUT_S, interrupts=False)), original.frames)

    def verify(self, job: RenderJob) -> None:
        """Decode the original of a job at the smallest scale. Raises NotAPictureError where a render would fail."""
        self._limits.apply()
        deadline = Deadline(job.timeout_s, interrupts=is_long(job))
        original = _ORIGINALS.take(job.source, self.reads)
        check_stills(job, original, [])
        with _RENDERS.track(), trim_heap(heavy=is_heavy(job)):
            verify(job, original, deadline)

    def sample(self, job: RenderJob, side_px: int) -> Sample:
        """Return the first frame, shrunk to fit into a square, from a decode that verifies the original, too."""
        self._limits.apply()
        deadline = Deadline(job.timeout_s, interrupts=is_long(job))
        original = _ORIGINALS.take(job.source, self.reads)
        check_stills(job, original, [])
        with _RENDERS.track(), trim_heap(heavy=is_heavy(job)):
            return take_sample(job, original, side_px, deadline)

    def accepts(self, job: RenderJob) -> bool:
        """Return whether this processor reads the original's format and writes those of all variants."""
        return job.facts.format in self.reads and all(variant.format in self.writes for variant in job.variants)

    def render(self, job: RenderJob) -> Iterator[Rendered]:
        """Yield each output as soon as it is ready: first the stills, from the first frame, then the animations."""
        self._limits.apply()
        deadline = Deadline(job.timeout_s, interrupts=is_long(job))
        with _RENDERS.track(), trim_heap(heavy=is_heavy(job)):
            try:
                yield from self._render(job, deadline)
            except WAND_ERRORS as error:
                deadline.check()
                raise translate(error, "rendering") from error

    def self_check(self) -> Sequence[str]:
        """Return what ImageMagick does although our policy forbids it."""
        return list(find_allowed(self._limits, self.reads))

    def _render(self, job: RenderJob, deadline: Deadline) -> Iterator[Rendered]:
        original = _ORIGINALS.take(job.source, self.reads)
        if (original.format, original.frames) != (job.facts.format, job.facts.frames):
            raise NotAPictureError("this picture is not the one that was identified: identify it again")
        animated = [variant for variant in job.variants if is_animated(job, variant)]
        stills = [variant for variant in job.variants if variant not in animated]
        check_stills(job, original, stills)
        if not stills:
            _frame_counts(job, original, animated)
        with ExitStack() as stack:
            plays = original.sequence.plays if original.sequence else 1
            plans = [variant.plan(job.facts.size) for variant in job.variants]
            writers: dict[AnimationWriter, int] = {}
            pictures = stack.enter_context(closing(_upright_pictures(job, original, plans, self._filter, deadline)))
            for number, (picture, duration_ms) in enumerate(_with_decode_spans(pictures)):
                if number == 0:
                    with closing(reduced_stills(picture, stills, job.facts.size, self._filter)) as reduced:
                        for variant, still in reduced:
                            yield Rendered(variant.output, _encoded(still, variant, variant.plan(job.facts.size)))
                    counts = _frame_counts(job, original, animated)  # only now: an animation of any length has stills
                    for each, count in zip(animated, counts, strict=True):
                        writer = AnimationWriter(each, each.plan(job.facts.size), plays, deadline)
                        writers[stack.enter_context(closing(writer))] = count
                for writer in [each for each, count in writers.items() if number < count]:
                    with (
                        span(RESIZE),
                        Picture(deadline, image=picture) as frame,
                        translated(deadline, "resizing a frame"),
                    ):
                        crop_and_resize(frame, writer.wanted, self._filter)
                        writer.add(frame, duration_ms)
                if number + 1 >= max(writers.values(), default=0):
                    break
            for writer in writers:
                with span(ENCODE), translated(deadline, f"writing {writer.variant.output}", decoded=True):
                    body = writer.write()
                yield Rendered(writer.variant.output, body)


def _frame_counts(job: RenderJob, original: ParsedOriginal, animated: Sequence[Variant]) -> list[int]:
    return [frames_of(job, original, variant) for variant in animated]


def _with_decode_spans(pictures: TimedPictures) -> Iterator[tuple[Picture, int]]:
    """Yield the same pictures, with the time that each takes to come in a DECODE span of its own."""
    while True:
        with span(DECODE):
            picture = next(pictures, None)
        if picture is None:
            return
        yield picture


def _encoded(still: Picture, variant: Variant, wanted: Plan) -> bytes:
    deadline = still.deadline
    with span(RESIZE), translated(deadline, f"resizing to {variant.output}"):
        normalise(still, variant, wanted)
    with span(ENCODE), translated(deadline, f"writing {variant.output}", decoded=True):
        return encode(still, variant)


def _upright_pictures(
    job: RenderJob, original: ParsedOriginal, plans: Sequence[Plan], filter: Filter, deadline: Deadline
) -> TimedPictures:
    """Decode the original and yield each frame as a viewer sees it, upright, with its duration in milliseconds."""
    if original.sequence:
        for picture, duration_ms in composited_frames(original.format, original.sequence, original.profile, deadline):
            turn_upright(picture, original)
            yield picture, duration_ms
        return
    check_jpeg_end(original, deadline)
    hint = jpeg_size_hint(job.facts.size, plans, original.orientation, filter)
    with decoded_still(original.format, original.blob, original.profile, hint, deadline) as picture:
        turn_upright(picture, original)
        yield picture, 0
