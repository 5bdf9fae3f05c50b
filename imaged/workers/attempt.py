"""One call of a processor, as the reactor thread sees it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.logger import Logger

from imaged.core.activity import Activity
from imaged.core.errors import BusyError, ImagedError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import add_spans
from imaged.core.variants import Variant
from imaged.workers.channel import Channel
from imaged.workers.engine import FailedVariant, ImageOutput, RenderedVariant, RenderResult
from imaged.workers.processors import RenderedBody


class Attempt:
    """Puts a result for each variant that is ready or fails into `results`. Reactor thread only.

    `activity` lists each variant until it is ready or the call has returned.
    """

    _log = Logger()

    def __init__(
        self,
        image: ImageId,
        variants: Sequence[Variant],
        activity: Activity[ImageOutput],
        results: Channel[RenderResult],
    ) -> None:
        self._image = image
        self._activity = activity
        self._results = results
        self._alone = len(variants) == 1
        self._missing = {variant.output: variant for variant in variants}
        self._tokens = {output: activity.begin(ImageOutput(image, output)) for output in self._missing}
        self.error: ImagedError | None = None
        """The error that the call ended with."""

    @property
    def missing(self) -> list[Variant]:
        """The variants without a result."""
        return list(self._missing.values())

    def take(self, rendered: RenderedBody) -> None:
        """Pass on a variant that is ready."""
        self._missing.pop(rendered.output, None)  # a late one has failed already
        elapsed_s = self._activity.end(self._tokens.pop(rendered.output))
        variant = RenderedVariant(rendered.output, rendered.body, elapsed_s, rendered.spans_s)
        self._results.put(variant, sent=True)

    def give_up(self, error: Callable[[Output], BusyError]) -> None:
        """Fail each variant that is missing, though the call has not returned."""
        for output in self._missing:
            self._log.warn(
                "the render of {output} of {image} has not returned: its thread is blocked until it does",
                output=str(output),
                image=str(self._image),
            )
            self._results.put(FailedVariant(output, error(output), {}))
        self._missing.clear()

    def close(self) -> None:
        """Count what is missing as failed: the call has returned."""
        for token in self._tokens.values():
            self._activity.end(token, failed=True)

    def end(self, error: ImagedError | None, spans_s: Mapping[str, float]) -> None:
        """Note how the call ended. An error fails a variant that was rendered alone; others are tried again."""
        self.error = error
        if error is not None and self._alone and self._missing:
            (output,) = self._missing
            self._results.put(FailedVariant(output, error, spans_s))
        else:
            add_spans(spans_s)  # of no variant
