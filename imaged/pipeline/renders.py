"""Outputs, made once: one flight for each, and one render for several of the same original."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AsyncExitStack
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.config.model import Settings
from imaged.core.activity import Activity
from imaged.core.errors import BusyError, ImagedError, OutOfTimeError
from imaged.core.events import OutputFailed, OutputRendered
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.core.tracing import COALESCED, RENDERED, WAIT, span
from imaged.hooks.checked_processor import GRACE_S
from imaged.hooks.metrics import Metrics
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.pipeline.originals import Originals
from imaged.pipeline.remote import Remote
from imaged.pipeline.rendering import Renderer
from imaged.store.local import LocalStore
from imaged.workers.admission import RenderPool
from imaged.workers.single_flight import SingleFlight, wait
from imaged.workers.tasks import Tasks

NEARLY = 0.9
"""What part of the time a render must have had to be at fault for not ending: who waited for a thread has less."""


@dataclass(frozen=True)
class Wanted:
    """One output of one original: what flights are keyed by and what the status page lists."""

    image: ImageId
    output: Output


@dataclass(frozen=True)
class Renders:
    """Makes outputs that the store misses. Reactor thread only; `flights` and `tasks` are its generation's."""

    reactor: Any
    settings: Settings
    store: LocalStore
    originals: Originals
    remote: Remote
    renderer: Renderer
    pool: RenderPool
    jobs: AsyncJobQueue
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

        Raises BusyError at once when too many wait already, and when the time of a render is over before a thread is
        free; otherwise whatever ImagedError the render ends with.
        """
        wanted = Wanted(image, output)
        if self.flights.in_flight(wanted):
            with span(WAIT):
                await wait(self._limited(self.flights.do([wanted], self._make)[wanted]))
            return COALESCED
        self.pool.admit()
        await wait(self.flights.do([wanted], partial(self._make, waits=True))[wanted])
        return RENDERED

    def admit(self, image: ImageId, outputs: Sequence[Output]) -> None:
        """Raise BusyError when a render of what the store misses would have no place to wait."""
        missing = [Wanted(image, output) for output in outputs if not self.store.has(image, output)]
        if not all(map(self.flights.in_flight, missing)):
            self.pool.admit()

    async def several(
        self, image: ImageId, outputs: Sequence[Output], *, waits: bool = False
    ) -> dict[Output, ImagedError | None]:
        """Make those outputs that the store misses; answer for each with None or the error that it ended with.

        With `waits`, a client does: what does not begin in time is refused then. Other work is patient.
        """
        missing = [Wanted(image, output) for output in outputs if not self.store.has(image, output)]
        joined = [each for each in missing if waits and self.flights.in_flight(each)]
        waiters = self.flights.do(missing, partial(self._make, waits=waits))
        waiters |= {each: self._limited(waiters[each]) for each in joined}
        results: dict[Output, ImagedError | None] = dict.fromkeys(outputs)
        for wanted, waiter in waiters.items():
            results[wanted.output] = await waiter
        return results

    def _limited(self, waiter: Deferred[ImagedError | None]) -> Deferred[ImagedError | None]:
        """Have a client wait no longer than for a flight of its own: one that it joins may be patient."""

        def refuse(failure: Failure) -> ImagedError:
            failure.trap(defer.TimeoutError)
            return BusyError("this output was not ready in time: try again later", self.pool.retry_after_s)

        return waiter.addTimeout(self.renderer.timeout_s + GRACE_S, self.reactor).addErrback(refuse)

    async def _make(self, wanted: list[Wanted], *, waits: bool = False) -> None:
        """Make outputs of one original in one render; if that fails, each that is still missing in its own.

        The first of those that runs out of time ends it for the rest too: else one hostile picture with a hundred
        outputs would hold a thread for an hour, each time that it is tried. When a client waits, the time of one render
        is that of waiting for a thread and of all renders.
        """
        image = wanted[0].image
        with self.pool.coming():  # else a remote store that is slow would be a way around the queue's end
            if self.settings.remote.reuse_outputs:
                wanted = [each for each in wanted if not await self._reused(each)]
                if not wanted:
                    return
            source = await self.originals.find(image)
        by_s = self.reactor.seconds() + self.renderer.timeout_s if waits else math.inf
        await self._render(image, source, wanted, by_s)
        for each in wanted:
            if self.flights.in_flight(each):
                error = await self._render(image, source, [each], by_s)
                if isinstance(error, BusyError):
                    raise error

    async def _render(self, image: ImageId, source: Path, wanted: Sequence[Wanted], by_s: float) -> ImagedError | None:
        """Render `wanted` together and return what that ended with; of one alone, the error is its result too.

        Raises BusyError when no thread is free `by_s`, by the reactor's clock.
        """
        failure: ImagedError | None = None
        policy = self.settings.policy(image.namespace)
        variants = [policy.resolve(each.output) for each in wanted]
        landings: list[Deferred[None]] = []
        async with AsyncExitStack() as stack:
            with span(WAIT):
                threads = await stack.enter_async_context(self.pool.place(by_s - self.reactor.seconds()))
            began_s = self.reactor.seconds()
            timeout_s = min(self.renderer.timeout_s, by_s - began_s)
            tokens = {each.output: self.activity.begin(each) for each in wanted}
            alarm = self.reactor.callLater(timeout_s + GRACE_S, self._send_away, wanted, timeout_s)

            def landed(output: Output) -> None:
                elapsed_s = self.activity.end(tokens.pop(output))
                self.metrics.record(OutputRendered(image.namespace, str(output), output.format.extension, elapsed_s))
                landings.append(self.tasks.own(self._land(Wanted(image, output))))

            def landed_on_thread(output: Output) -> None:
                self.reactor.callFromThread(copy_context().run, landed, output)

            try:
                await threads.run(self.renderer.render, image, source, variants, timeout_s, landed_on_thread)
            except ImagedError as error:
                failure = error
                if isinstance(error, BusyError):
                    failure = self._busy(error, self.reactor.seconds() - began_s, timeout_s)
                if len(wanted) == 1:
                    self.flights.resolve(wanted[0], failure)
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
            self.flights.resolve(wanted, None)
        return reused

    async def _land(self, wanted: Wanted) -> None:
        """Promise the upload of an output that is in the store, then give it to all who wait."""
        if self.remote.exists:
            try:
                await self.jobs.enqueue("upload", wanted.image, [wanted.output])
            except ImagedError as error:
                self.log.error("{error}; {output} stays local", error=error, output=str(wanted.output))
        self.flights.resolve(wanted, None)

    def _busy(self, error: BusyError, elapsed_s: float, timeout_s: float) -> BusyError:
        """Return the error of a render that was too much: its own fault, if it had all the time that there is.

        A processor that sees that the rest would take too long says so before all of it is over.
        """
        used_s = timeout_s if isinstance(error, OutOfTimeError) else min(elapsed_s, timeout_s)
        if used_s >= NEARLY * self.renderer.timeout_s:
            return OutOfTimeError(str(error))
        if isinstance(error, OutOfTimeError):
            return BusyError(str(error), self.pool.retry_after_s)
        return BusyError(str(error), max(error.retry_after_s, self.pool.retry_after_s))

    def _send_away(self, wanted: Sequence[Wanted], timeout_s: float) -> None:
        """Answer those who wait on a processor that does not give up; its thread counts as busy until it does."""
        for each in wanted:
            late = BusyError(f"{each.output} took longer than {timeout_s:.3g} s: ask for a smaller output, or later")
            self.log.warn(  # noqa: G010 -- Twisted's logger calls it so
                "{output} of {image} does not end: its thread is lost until it does",
                output=str(each.output),
                image=str(each.image),
            )
            self.flights.resolve(each, self._busy(late, timeout_s, timeout_s))
