"""One call of a processor: hands each variant from the worker to the consumer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from threading import Semaphore
from typing import Any

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger

from imaged.core.activity import Activity
from imaged.core.errors import BusyError, ImagedError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import add_spans
from imaged.core.variants import Variant
from imaged.workers.render_jobs import FailedVariant, GivesWayError, ImageOutput, RenderedVariant, RenderResult, Take


class Attempt:
    """Awaits `take` for each variant that is ready or fails, one at a time. Reactor thread only, but for `send`.

    `activity` lists each variant until it is ready or the call has returned. The worker is at most one variant ahead
    of `take`, because each may be a large picture.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, image: ImageId, variants: Sequence[Variant], activity: Activity[ImageOutput], take: Take
    ) -> None:
        self._reactor = reactor
        self._image = image
        self._activity = activity
        self._take = take
        self._context = copy_context()  # the trace of the request
        self._room = Semaphore(1)
        self._turn = DeferredLock()
        self._failure: BaseException | None = None
        self._variants = variants
        self._is_late = False
        self._tokens = {each.output: activity.begin(ImageOutput(image, each.output)) for each in variants}

    def send(self, rendered: RenderedVariant) -> bool:
        """Pass on a variant that is ready. Worker thread only; blocks while `take` works on the one before.

        Returns False when `take` has failed: the consumer wants no more.
        """
        self._room.acquire()
        if self._failure is not None:
            return False
        self._reactor.callFromThread(self._context.run, self._receive, rendered)
        return True

    def _receive(self, rendered: RenderedVariant) -> None:
        self.receive(rendered).addBoth(lambda _: self._room.release())

    def receive(self, rendered: RenderedVariant) -> Deferred[None]:
        """Take a variant that is ready, as one that has been sent."""
        self._activity.end(self._tokens.pop(rendered.output))
        return Deferred.fromCoroutine(self._pass_on(rendered))

    async def _pass_on(self, result: RenderResult) -> None:
        async with self._turn:
            try:
                await self._take(result)
            except Exception as error:  # for `end`
                self._failure = error

    def give_up(self, error: Callable[[Output], BusyError]) -> None:
        """Fail each variant that is missing, though the call has not returned. It may still give one of them."""
        self._is_late = True
        for output in self._tokens:
            self._log.warn(
                "the render of {output} of {image} is past render.timeout_s, and occupies a render thread until it "
                "returns; restart imaged to free the thread",
                output=str(output),
                image=str(self._image),
            )
            self._context.run(Deferred.fromCoroutine, self._pass_on(FailedVariant(output, error(output), {})))

    def close(self) -> None:
        """Count what is missing as failed, unless the job gave way: the call has returned."""
        for token in self._tokens.values():
            if isinstance(self._failure, GivesWayError):
                self._activity.drop(token)
            else:
                self._activity.end(token, failed=True)

    async def end(self, error: ImagedError | None, spans_s: Mapping[str, float]) -> list[Variant]:
        """Wait for `take`, raise its error, and return the variants without a result, which are tried again.

        The `error` of the call fails a variant that was rendered alone. Raises it when it is a BusyError: the other
        variants of the job have no more time either.
        """
        missing = [] if self._is_late else [each for each in self._variants if each.output in self._tokens]
        if error is not None and missing and len(self._variants) == 1:
            await self._pass_on(FailedVariant(missing[0].output, error, spans_s))
            if isinstance(error, BusyError):
                raise error
        else:
            add_spans(spans_s)  # of no variant
            async with self._turn:
                pass
        if self._failure is not None:
            raise self._failure
        return missing
