"""Makes the outputs that the store misses: each once for all requests, several outputs of an original in one job."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.config.model import Settings
from imaged.core.errors import BusyError, ImagedError, PolicyError
from imaged.core.formats import Formats
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import COALESCED, RENDERED, WAIT, add_spans, span
from imaged.pipeline.originals import Originals
from imaged.pipeline.output_writer import OutputWriter
from imaged.store.local import LocalStore
from imaged.workers.engine import Engine, EngineJob, FailedVariant, ImageOutput, RenderResult
from imaged.workers.single_flight import SingleFlight, wait

Made = AsyncGenerator[tuple[ImageOutput, ImagedError | None], None]


@dataclass(frozen=True, kw_only=True)
class Renders:
    """Makes outputs, each once for all concurrent requests. Reactor thread only; `clock` is the reactor's."""

    clock: Any
    settings: Settings
    store: LocalStore
    originals: Originals
    engine: Engine
    writer: OutputWriter
    calls: SingleFlight[ImageOutput, None]
    formats: Formats
    log = Logger()

    async def one(self, image: ImageId, output: Output) -> str:
        """Make one output for a client that waits; it is in the store on return, which says RENDERED or COALESCED.

        Raises BusyError at once when the queue is full, and when no worker is free within the time of a render;
        otherwise the ImagedError that the render ended with.
        """
        wanted = ImageOutput(image, output)
        if self.calls.in_flight(wanted):
            with span(WAIT):
                await wait(self._limited(self.calls.do([wanted], self._make)[wanted]))
            return COALESCED
        self.engine.admit()
        await wait(self.calls.do([wanted], partial(self._make, client_waits=True))[wanted])
        return RENDERED

    def admit(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Raise BusyError when a render of those that are missing would exceed the queue."""
        if not all(map(self.calls.in_flight, self._missing(image, outputs))):
            self.engine.admit()

    async def several(
        self, image: ImageId, outputs: Sequence[Output], *, client_waits: bool = False
    ) -> dict[Output, ImagedError | None]:
        """Make those outputs that the store misses; return None, or the error that it ended with, for each.

        With `client_waits`, what does not begin within the time of a render ends with BusyError. Other work is patient.
        """
        missing = self._missing(image, outputs)
        coalesced = [each for each in missing if client_waits and self.calls.in_flight(each)]
        waiters = self.calls.do(missing, partial(self._make, client_waits=client_waits))
        waiters |= {each: self._limited(waiters[each]) for each in coalesced}
        results: dict[Output, ImagedError | None] = dict.fromkeys(outputs)
        for wanted, waiter in waiters.items():
            results[wanted.output] = await waiter
        return results

    def _missing(self, image: ImageId, outputs: Sequence[Output]) -> list[ImageOutput]:
        return [ImageOutput(image, output) for output in outputs if not self.store.has(image, output)]

    def _limited(self, waiter: Deferred[ImagedError | None]) -> Deferred[ImagedError | None]:
        """Let a client wait no longer than for a job of its own: the job that it waits for may be a patient one."""

        def refuse(failure: Failure) -> ImagedError:
            failure.trap(defer.TimeoutError)
            return BusyError("this output was not ready in time: try again later", self.engine.retry_after_s)

        return waiter.addTimeout(self.engine.longest_s, self.clock).addErrback(refuse)

    async def _make(self, wanted: list[ImageOutput], *, client_waits: bool = False) -> Made:
        """Make outputs of one original, and yield each as soon as it is in the store or has failed."""
        image, missing = wanted[0].image, []
        with self.engine.count_as_waiting():  # a slow remote store must not let more clients in than the queue holds
            for each in wanted:
                if await self._reuse(each):
                    yield each, None
                else:
                    missing.append(each.output)
            if not missing:
                return
            source = await self.originals.find(image)
        policy, variants = self.settings.policy(image.namespace), []
        for output in missing:
            try:
                variants.append(policy.resolve(output, self.formats))
            except PolicyError as error:  # no processor writes this format any more
                yield ImageOutput(image, output), error
        if not variants:
            return
        with closing(self.engine.render(EngineJob(image, source, tuple(variants), client_waits))) as results:
            async for result in results:
                yield ImageOutput(image, result.output), await self._finish(image, result)

    async def _finish(self, image: ImageId, result: RenderResult) -> ImagedError | None:
        """Write a variant, or report the error that it ended with and return that.

        Raises StoreError, which ends the job: the store would not keep the variants that follow.
        """
        add_spans(result.spans_s)
        if isinstance(result, FailedVariant):
            self.writer.report_failure(image, result.output, result.error)
            return result.error
        await self.writer.write(image, result)
        return None

    async def _reuse(self, wanted: ImageOutput) -> bool:
        """Take an output from the remote store if the settings ask for that; return whether it is here now."""
        if not self.settings.remote.reuse_outputs:
            return False
        try:
            return await self.originals.reuse_output(wanted.image, wanted.output)
        except ImagedError as error:
            self.log.error(
                "cannot reuse the remote {output}, rendering it: {error}", output=str(wanted.output), error=str(error)
            )
            return False
