"""The side of the engine that runs on a worker: chooses a processor, checks the bounds, renders."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from imaged.core.details import ImageDetails
from imaged.core.errors import DeclinedError, ImagedError, NotAPictureError, TooLargeError
from imaged.core.formats import FORMATS, Formats
from imaged.core.geometry import Size
from imaged.core.perception.regions import Region, find_middle
from imaged.core.pictures import ImageFacts
from imaged.core.samples import Sample
from imaged.core.tracing import DECODE, Trace, span
from imaged.core.variants import Variant
from imaged.hooks.checked_detector import CheckedDetector
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.contracts import Rendered, RenderJob
from imaged.workers.analysis import SAMPLE_SIDE_PX, describe
from imaged.workers.render_jobs import RenderedVariant
from imaged.workers.stripped_originals import never_larger

TRIAL_S = 10.0
"""How long the render of a trial may take."""


@dataclass
class KnownOriginal:
    """What `identify` has found of the original of a worker's jobs, while they are of the same one."""

    facts: ImageFacts | None = None


@dataclass(frozen=True)
class Processors:
    """The processors and detectors of a generation, in the order of the settings. Blocking: worker threads only.

    With `known`, `identify` reads the header of an original once: its owner clears it before a job of another one.
    """

    processors: Sequence[CheckedProcessor]
    maximum_pixels: int
    formats: Formats = FORMATS
    known: KnownOriginal | None = None
    detectors: Sequence[CheckedDetector] = ()

    def identify(self, source: Path) -> ImageFacts:
        """Return what the header says of a picture.

        Raises NotAPictureError when no processor reads it, TooLargeError when one frame has too many pixels. Whether
        the frames of an animation are too many depends on the outputs: a still needs the first frame alone.
        """
        if self.known is None:
            return self._identify(source)
        self.known.facts = self.known.facts or self._identify(source)
        return self.known.facts

    def _identify(self, source: Path) -> ImageFacts:
        refusal = NotAPictureError("no processor reads this picture")
        for processor in self.processors:
            try:
                facts = processor.identify(source)
            except NotAPictureError as error:
                refusal = NotAPictureError(str(error))
                continue
            if facts is None:
                continue
            if facts.size.pixels > self.maximum_pixels:
                size = f"{facts.size.width_px}x{facts.size.height_px} pixels"
                raise TooLargeError(f"this picture has {size}: this server takes {self.maximum_pixels} in all")
            return facts
        raise refusal

    @property
    def details(self) -> dict[str, str]:
        """What each plugin says about itself, by its name."""
        detectors = {each.name: each.detail for each in self.detectors}
        return detectors | {each.name: each.detail for each in self.processors}

    @property
    def verifies(self) -> bool:
        """Whether a processor decodes originals before they are kept."""
        return any(processor.verifies for processor in self.processors)

    def verify(self, source: Path, timeout_s: float) -> ImageDetails | None:
        """Raise what a render of this picture would raise, if the processor that would render it can tell.

        Return the details of the picture, if that processor gives a sample from the same decode. With detectors, it
        returns None: only `describe` calls them, so that one that crashes or hangs does not cost the client its POST.
        """
        facts = self.identify(source)
        job = RenderJob(source, facts, (), timeout_s, self.maximum_pixels)
        refusal: NotAPictureError | None = None
        for processor in self.processors:
            if processor.verifies and processor.accepts(job):
                try:
                    with span(DECODE):
                        if processor.samples and not self.detectors:
                            return describe(facts, processor.sample(job, SAMPLE_SIDE_PX))
                        processor.verify(job)
                except DeclinedError as error:
                    refusal = NotAPictureError(str(error))
                    continue
                return None
        if refusal:
            raise refusal
        return None

    def describe(self, source: Path, timeout_s: float) -> ImageDetails | None:
        """Return what a look at the pixels says; None where no processor gives a sample. Raises as `verify`."""
        facts = self.identify(source)
        job = RenderJob(source, facts, (), timeout_s, self.maximum_pixels)
        for processor in self.processors:
            if processor.samples and processor.accepts(job):
                try:
                    with span(DECODE):
                        details = describe(facts, processor.sample(job, SAMPLE_SIDE_PX))
                except DeclinedError:
                    continue
                found = find_middle(self._detect(processor, job)) if self.detectors else None
                return replace(details, focal_point=found) if found else details
        return None

    def _detect(self, processor: CheckedProcessor, job: RenderJob) -> list[tuple[Size, Region]]:
        """Return what detectors find, with the size of its sample. A failure loses what that detector finds."""
        samples: dict[int, Sample] = {}
        found: list[tuple[Size, Region]] = []
        for detector in self.detectors:
            with suppress(ImagedError), span(DECODE):
                if detector.side_px not in samples:
                    samples[detector.side_px] = processor.sample(job, detector.side_px)
                sample = samples[detector.side_px]
                found.extend((sample.size, region) for region in detector.detect(sample))
        return found

    def render(self, source: Path, variants: Sequence[Variant], timeout_s: float) -> Generator[Rendered, None, None]:
        """Yield the outputs of the first processor that accepts the job and does not decline it.

        Close the generator on this thread. Raises NotAPictureError when no processor renders it.
        """
        job = RenderJob(source, self.identify(source), tuple(variants), timeout_s, self.maximum_pixels)
        refusal = NotAPictureError(f"no processor renders {', '.join(str(variant.output) for variant in variants)}")
        for processor in self.processors:
            if processor.accepts(job):
                try:
                    yield from never_larger(job, processor.render(job))
                except DeclinedError as error:
                    refusal = NotAPictureError(str(error))
                    continue
                return
        raise refusal


@dataclass(frozen=True)
class Ended:
    """How a worker's call ended, and the seconds of its spans since the last variant.

    `last` is a variant that comes with the end, after those that have been emitted.
    """

    error: ImagedError | None
    spans_s: Mapping[str, float]
    last: RenderedVariant | None = None


def run_render(
    processors: Processors,
    source: Path,
    variants: Sequence[Variant],
    timeout_s: float,
    request_id: str | None,
    emit: Callable[[RenderedVariant], bool],
) -> Ended:
    """Render variants of an original; call `emit` for each as it is ready, and stop when it returns False.

    `request_id` tags the log lines; None for work that no client waits for.
    """
    began_s = monotonic()

    def render(trace: Trace) -> None:
        with closing(processors.render(source, variants, timeout_s)) as rendered:
            for each in rendered:
                if not emit(RenderedVariant(each.output, each.body, monotonic() - began_s, trace.take_spans())):
                    return

    return _traced(request_id, render)


def run_identify(processors: Processors, source: Path) -> tuple[ImageFacts | None, Ended]:
    """Identify a picture; return its facts, or None and the error."""
    found: list[ImageFacts] = []
    ended = _traced(None, lambda _: found.append(processors.identify(source)))
    return (found[0] if found else None), ended


def run_verify(
    processors: Processors, source: Path, timeout_s: float, request_id: str | None
) -> tuple[ImageDetails | None, Ended]:
    """Verify an original; return its details, or None, and how that ended."""
    return _looked(request_id, lambda: processors.verify(source, timeout_s))


def run_describe(
    processors: Processors, source: Path, timeout_s: float, request_id: str | None
) -> tuple[ImageDetails | None, Ended]:
    """Look at an original; return its details, or None, and how that ended."""
    return _looked(request_id, lambda: processors.describe(source, timeout_s))


def _looked(request_id: str | None, look: Callable[[], ImageDetails | None]) -> tuple[ImageDetails | None, Ended]:
    found: list[ImageDetails | None] = []
    ended = _traced(request_id, lambda _: found.append(look()))
    return (found[0] if found else None), ended


def run_self_check(processors: Processors) -> Ended:
    """Have each processor that can try its own protections do so. The error lists what they let through."""

    def check(_: Trace) -> None:
        for processor in processors.processors:
            if processor.checks_itself:
                processor.self_check()

    return _traced(None, check)


def run_trial(processors: Processors, source: Path, variant: Variant) -> None:
    """Render one variant and keep nothing of it. Raises whatever goes wrong."""
    with closing(processors.render(source, [variant], TRIAL_S)) as rendered:
        for _ in rendered:
            pass


def _traced(request_id: str | None, work: Callable[[Trace], None]) -> Ended:
    """Run `work` in a trace of this worker's own."""
    trace = Trace(request_id or "", monotonic)
    with nullcontext() if request_id is None else trace.current():
        try:
            work(trace)
        except ImagedError as error:
            return Ended(error, trace.take_spans())
    return Ended(None, trace.take_spans())
