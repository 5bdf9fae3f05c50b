"""One render, from the original's file to outputs in the store: what a render thread does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from imaged.core.errors import NotAPictureError, TooLargeError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.pictures import ImageFacts
from imaged.core.tracing import DECODE, SAVE, span
from imaged.core.variants import Variant
from imaged.hooks.checked_processor import CheckedProcessor
from imaged.hooks.contracts import RenderJob
from imaged.store.local import LocalStore


@dataclass(frozen=True)
class Renderer:
    """The processors of a generation and the bounds they work in. Blocking: worker threads only."""

    processors: Sequence[CheckedProcessor]
    store: LocalStore
    timeout_s: float
    maximum_pixels: int

    def identify(self, source: Path) -> ImageFacts:
        """Return what the header says of a picture.

        Raises NotAPictureError when no processor reads it, TooLargeError when one frame has more pixels than allowed.
        Whether all frames of an animation are too many depends on the outputs: a still needs but the first.
        """
        refusal = NotAPictureError("no processor reads this picture")
        for processor in self.processors:
            try:
                facts = processor.identify(source)
            except NotAPictureError as error:
                refusal = error
                continue
            if facts.size.pixels > self.maximum_pixels:
                size = f"{facts.size.width_px}x{facts.size.height_px} pixels"
                raise TooLargeError(f"this picture has {size}: this server takes {self.maximum_pixels} in all")
            return facts
        raise refusal

    @property
    def verifies(self) -> bool:
        """Say whether a processor looks at the pixels of originals before they are kept."""
        return any(processor.verifies for processor in self.processors)

    def verify(self, source: Path) -> None:
        """Raise what renders of a picture would raise, where the processor that would get it can tell beforehand."""
        job = RenderJob(source, self.identify(source), (), self.timeout_s, self.maximum_pixels)
        verifying = [processor for processor in self.processors if processor.verifies and processor.accepts(job)]
        for processor in verifying[:1]:
            with span(DECODE):
                processor.verify(job)

    def choose(self, job: RenderJob) -> CheckedProcessor:
        """Return the first processor that accepts a job. Raises NotAPictureError when none does."""
        for processor in self.processors:
            if processor.accepts(job):
                return processor
        raise NotAPictureError(f"no processor renders {', '.join(str(variant.output) for variant in job.variants)}")

    def render(
        self,
        image: ImageId,
        source: Path,
        variants: Sequence[Variant],
        timeout_s: float,
        landed: Callable[[Output], None],
    ) -> None:
        """Render `variants` from `source` into the store; call `landed`, on this thread, as each one is kept."""
        job = RenderJob(source, self.identify(source), tuple(variants), timeout_s, self.maximum_pixels)
        with closing(self.choose(job).render(job)) as outputs:
            for rendered in outputs:
                with span(SAVE):
                    self.store.variants.save(image, rendered.output, rendered.body)
                landed(rendered.output)
