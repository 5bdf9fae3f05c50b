"""Makes the outputs that the store misses: each once for all requests, several outputs of an original in one job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.core.errors import BusyError, ImagedError, PolicyError
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import COALESCED, RENDERED, WAIT, span
from imaged.pipeline.originals import Originals
from imaged.pipeline.output_writer import OutputWriter
from imaged.pipeline.shared import Shared
from imaged.workers.engine import Engine, EngineJob, ImageOutput, RenderResult
from imaged.workers.single_flight import SingleFlight, wait

Resolve = Callable[[ImageOutput, ImagedError | None], None]


@dataclass(frozen=True)
class Renders:
    """Makes outputs, each once for all concurrent requests. Reactor thread only."""

    shared: Shared
    originals: Originals
    engine: Engine
    writer: OutputWriter
    calls: SingleFlight[ImageOutput, None]
    _log = Logger()

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
        self.engine.admission.check_room()
        await wait(self.calls.do([wanted], partial(self._make, client_waits=True))[wanted])
        return RENDERED

    def check_room(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Raise BusyError when a render of those that are missing would exceed the queue."""
        if not all(map(self.calls.in_flight, self._missing(image, outputs))):
            self.engine.admission.check_room()

    async def several(
        self, image: ImageId, outputs: Sequence[Output], *, client_waits: bool = False
    ) -> dict[Output, ImagedError | None]:
        """Make those outputs that the store misses; return None, or the error that it ended with, for each.

        With `client_waits`, a render that does not begin within `render.timeout_s` ends with BusyError. Queued jobs
        wait as long as it takes.
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
        return [ImageOutput(image, output) for output in outputs if not self.shared.store.has(image, output)]

    def _limited(self, waiter: Deferred[ImagedError | None]) -> Deferred[ImagedError | None]:
        """Let a client wait no longer than for a job of its own: the job that it waits for may be a patient one."""

        def refuse(failure: Failure) -> ImagedError:
            failure.trap(defer.TimeoutError)
            return BusyError("this output was not ready in time: try again later", self.engine.admission.retry_after_s)

        return waiter.addTimeout(self.engine.longest_s, self.shared.reactor).addErrback(refuse)

    async def _make(self, wanted: Sequence[ImageOutput], resolve: Resolve, *, client_waits: bool = False) -> None:
        """Make outputs of one original, and resolve each as soon as it is in the store or has failed."""
        image, missing = wanted[0].image, []
        with (
            self.engine.admission.count_as_waiting()
        ):  # a slow remote store must not let more clients in than the queue holds
            for each in wanted:
                if await self._reuse(each):
                    resolve(each, None)
                else:
                    missing.append(each.output)
            if not missing:
                return
            source = await self.originals.find(image)
        policy, variants = self.shared.settings.policy(image.namespace), []
        for output in missing:
            try:
                variants.append(policy.resolve(output, self.shared.formats))
            except PolicyError as error:  # no processor writes this format any more
                resolve(ImageOutput(image, output), error)

        async def take(result: RenderResult) -> None:
            resolve(ImageOutput(image, result.output), await self.writer.write(image, result))

        if variants:
            await self.engine.render(EngineJob(image, source, tuple(variants), client_waits), take)

    async def _reuse(self, wanted: ImageOutput) -> bool:
        """Take an output from the remote store if the settings ask for that; return whether it is here now."""
        if not self.shared.settings.remote.reuse_outputs:
            return False
        try:
            return await self.writer.reuse(wanted.image, wanted.output)
        except ImagedError as error:
            self._log.error(
                "cannot reuse the remote {output}, rendering it: {error}", output=str(wanted.output), error=str(error)
            )
            return False
