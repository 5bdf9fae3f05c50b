"""Outputs, made once: one flight for each, and one render for several of the same original."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.config.model import Settings
from imaged.core.activity import Activity
from imaged.core.errors import BusyError, ImagedError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import JOINED, RENDERED, WAIT, span
from imaged.hooks.contracts import RenderTarget
from imaged.jobs.promises import Promises
from imaged.metrics import Metrics
from imaged.pipeline.originals import Originals
from imaged.pipeline.remote import Remote
from imaged.pipeline.render_pool import RenderPool
from imaged.pipeline.rendering import Renderer
from imaged.pipeline.single_flight import SingleFlight, arrival
from imaged.pipeline.tasks import Tasks
from imaged.store.local import LocalStore

GRACE_S = 5.0
"""How long after `render.timeout_s` a processor may still give up by itself before those who wait are sent away."""


@dataclass(frozen=True)
class Wanted:
    """One output of one original: what flights are keyed by and what the status page lists."""

    image: ImageId
    output: Output


@dataclass(frozen=True)
class Produce:
    """Makes outputs that the store misses. Reactor thread only; `flights` and `tasks` are its generation's."""

    reactor: Any
    settings: Settings
    store: LocalStore
    originals: Originals
    remote: Remote
    renderer: Renderer
    pool: RenderPool
    promises: Promises
    tasks: Tasks
    flights: SingleFlight[Wanted, None]
    activity: Activity[Wanted]
    metrics: Metrics
    log = Logger()

    @property
    def stuck(self) -> bool:
        """Whether no thread is left that renders: each should have ended, and nobody waits for it any more."""
        return self.pool.stuck(self.renderer.timeout_s + GRACE_S)

    async def one(self, image: ImageId, output: Output) -> str:
        """Make one output for a client that waits; it is in the store on return, which says RENDERED or JOINED.

        Raises BusyError at once when too many wait already; otherwise whatever ImagedError the render ends with.
        """
        wanted = Wanted(image, output)
        if self.flights.carries(wanted):
            with span(WAIT):
                await arrival(self.flights.fly([wanted], self._make)[wanted])
            return JOINED
        self.pool.admit()
        await arrival(self.flights.fly([wanted], self._make)[wanted])
        return RENDERED

    def admit(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Raise BusyError when a render of what the store misses would have no place to wait."""
        missing = [Wanted(image, output) for output in outputs if not self.store.has(image, str(output))]
        if not all(map(self.flights.carries, missing)):
            self.pool.admit()

    async def several(self, image: ImageId, outputs: Sequence[Output]) -> dict[Output, ImagedError | None]:
        """Make those outputs that the store misses; answer for each with None or the error that it ended with."""
        missing = [Wanted(image, output) for output in outputs if not self.store.has(image, str(output))]
        waiters = self.flights.fly(missing, self._make)
        results: dict[Output, ImagedError | None] = dict.fromkeys(outputs)
        for wanted, waiter in waiters.items():
            results[wanted.output] = await waiter
        return results

    async def _make(self, wanted: list[Wanted]) -> None:
        """Make outputs of one original in one render; if that fails, each that is still missing in its own.

        The first of those that runs out of time ends it for the rest too: else one hostile picture with a hundred
        outputs would hold a thread for an hour, each time that it is tried.
        """
        image = wanted[0].image
        with self.pool.coming():  # else a remote store that is slow would be a way around the queue's end
            if self.settings.remote.reuse_outputs:
                wanted = [each for each in wanted if not await self._reused(each)]
                if not wanted:
                    return
            source = await self.originals.find(image)
        await self._render(image, source, wanted)
        for each in wanted:
            if self.flights.carries(each) and isinstance(error := await self._render(image, source, [each]), BusyError):
                raise error

    async def _render(self, image: ImageId, source: Path, wanted: Sequence[Wanted]) -> ImagedError | None:
        """Render `wanted` together and return what that ended with; of one alone, the error is its result too."""
        failure: ImagedError | None = None
        policy = self.settings.policy(image.namespace)
        targets = [RenderTarget(each.output, policy.quality(each.output), policy.background) for each in wanted]
        landings: list[Deferred[None]] = []
        async with AsyncExitStack() as stack:
            with span(WAIT):
                threads = await stack.enter_async_context(self.pool.place())
            tokens = {each.output: self.activity.begin(each) for each in wanted}
            alarm = self.reactor.callLater(self.renderer.timeout_s + GRACE_S, self._send_away, wanted)

            def landed(output: Output) -> None:
                elapsed_s = self.activity.end(tokens.pop(output))
                self.metrics.record(OutputRendered(image.namespace, str(output), output.format.extension, elapsed_s))
                landings.append(self.tasks.own(self._land(Wanted(image, output))))

            def landed_on_thread(output: Output) -> None:
                self.reactor.callFromThread(copy_context().run, landed, output)

            try:
                await threads.run(self.renderer.render, image, source, targets, landed_on_thread)
            except ImagedError as error:
                failure = error
                if len(wanted) == 1:
                    self.flights.land(wanted[0], error)
                    output = wanted[0].output
                    reason, extension = type(error).__name__, output.format.extension
                    self.metrics.record(OutputFailed(image.namespace, str(output), extension, reason))
            finally:
                if alarm.active():
                    alarm.cancel()
                for token in tokens.values():
                    self.activity.end(token, failed=True)
        for landing in landings:
            await landing
        return failure

    async def _reused(self, wanted: Wanted) -> bool:
        """Take an output from the remote store, if it has it, instead of making it; say whether that is done."""
        try:
            reused = await self.originals.reuse_output(wanted.image, wanted.output)
        except ImagedError as error:
            self.log.error("{output} could not be reused: {error}", output=str(wanted.output), error=str(error))
            return False
        if reused:
            self.flights.land(wanted, None)
        return reused

    async def _land(self, wanted: Wanted) -> None:
        """Promise the upload of an output that is in the store, then give it to all who wait."""
        if self.remote.exists:
            try:
                await self.promises.owe("upload", wanted.image, [str(wanted.output)])
            except ImagedError as error:
                self.log.error("{error}; {output} stays local", error=error, output=str(wanted.output))
        self.flights.land(wanted, None)

    def _send_away(self, wanted: Sequence[Wanted]) -> None:
        """Answer those who wait on a processor that does not give up; its thread counts as busy until it does."""
        for each in wanted:
            timeout_s = self.renderer.timeout_s
            self.flights.land(each, BusyError(f"{each.output} took longer than {timeout_s:g} s", retry_after_s=30))
