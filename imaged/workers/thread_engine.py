"""The engine whose workers are threads of this process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from imaged.config.model import RenderSettings
from imaged.core.activity import Activity
from imaged.core.errors import BusyError, OutOfTimeError
from imaged.core.outputs import Output
from imaged.core.pictures import ImageFacts
from imaged.core.tracing import add_spans, current_trace
from imaged.core.variants import Variant
from imaged.hooks.checked_processor import GRACE_S, CheckedProcessor
from imaged.hooks.host import RunInThread
from imaged.workers.admission import Admission
from imaged.workers.attempt import Attempt
from imaged.workers.engine import EngineJob, ImageOutput, Take
from imaged.workers.processors import Processors, run_render, run_trial, run_verify
from imaged.workers.tasks import Tasks
from imaged.workers.threads import Threads

NEARLY = 0.9
"""The part of `render.timeout_s` after which the picture is at fault, and not the wait for a thread."""


class ThreadEngine:
    """Renders on `threads`, as many at once as there are. Reactor thread only.

    `run` reads headers on other threads: a POST needs no render thread for that. `activity` lists the renders that
    run; `tasks` owns each check of an original until its thread has returned.
    """

    def __init__(
        self,
        reactor: Any,
        settings: RenderSettings,
        processors: Sequence[CheckedProcessor],
        threads: Threads,
        run: RunInThread,
        tasks: Tasks,
        activity: Activity[ImageOutput],
    ) -> None:
        self._reactor = reactor
        self._timeout_s = settings.timeout_s
        self._processors = Processors(processors, settings.maximum_pixels)
        self._threads = threads
        self._run = run
        self._tasks = tasks
        self._activity = activity
        self.longest_s = self._timeout_s + GRACE_S
        self.admission = Admission(threads.size, settings.queue, settings.timeout_s, reactor)

    @property
    def stuck(self) -> bool:
        """Whether every thread is in a render that should have ended, so that no client waits for it any more."""
        return self._threads.held_for(self.longest_s) >= self._threads.size

    async def identify(self, source: Path) -> ImageFacts:
        """Return what the header says of a picture."""
        return await self._run(self._processors.identify, source)

    async def verify(self, source: Path) -> None:
        """Decode a new original if a processor wants that, on a render thread."""
        if not self._processors.verifies:
            return
        self.admission.check_room()
        verifying = self._tasks.own(self._verify(source))
        await verifying.addTimeout(self._timeout_s + self.longest_s, self._reactor, onTimeoutCancel=_hangs)

    async def _verify(self, source: Path) -> None:
        async with self.admission.place(self._timeout_s):
            ended = await self._threads.run(run_verify, self._processors, source, self._timeout_s, _request_id())
        add_spans(ended.spans_s)
        if ended.error is not None:
            raise ended.error

    async def try_out(self, source: Path, variant: Variant) -> None:
        """Render a small picture beside the queue, on another thread."""
        await self._run(run_trial, self._processors, source, variant)

    def stop(self) -> None:
        """End the threads; block until their work is done."""
        self._threads.stop()

    def let_go(self) -> None:
        """End each thread when its work is done; return at once."""
        self._threads.let_go()

    async def render(self, job: EngineJob, take: Take) -> None:
        """Render all variants together, then each that is missing alone.

        The first of those that runs out of time ends the job: else one hostile picture with a hundred outputs would
        hold a thread for an hour at each try.
        """
        deadline_s = self._reactor.seconds() + self._timeout_s if job.client_waits else math.inf
        missing = await self._attempt(job, job.variants, deadline_s, take)
        for variant in missing if len(job.variants) > 1 else ():
            await self._attempt(job, (variant,), deadline_s, take)

    async def _attempt(
        self, job: EngineJob, variants: tuple[Variant, ...], deadline_s: float, take: Take
    ) -> list[Variant]:
        """Render variants in one call of a processor; return those without a result.

        Raises BusyError when no thread is free by the deadline `deadline_s`, and as `Attempt.end`.
        """
        async with self.admission.place(deadline_s - self._reactor.seconds(), job.callers):
            began_s = self._reactor.seconds()
            timeout_s = min(self._timeout_s, deadline_s - began_s)
            attempt = Attempt(self._reactor, job.image, variants, self._activity, take)
            late = partial(attempt.give_up, partial(self._late, timeout_s))
            alarm = self._reactor.callLater(max(timeout_s, 0.0) + GRACE_S, late)
            call = (self._processors, job.source, variants, timeout_s, _request_id(), attempt.send)
            try:
                ended = await self._threads.run(run_render, *call)
            finally:
                if alarm.active():
                    alarm.cancel()
                attempt.close()
        error = ended.error
        if isinstance(error, BusyError):
            error = self._judge(error, self._reactor.seconds() - began_s, timeout_s)
        return await attempt.end(error, ended.spans_s)

    def _late(self, timeout_s: float, output: Output) -> BusyError:
        error = BusyError(f"{output} took longer than {timeout_s:.3g} s: ask for a smaller output, or later")
        return self._judge(error, timeout_s, timeout_s)

    def _judge(self, error: BusyError, used_s: float, timeout_s: float) -> BusyError:
        """Return the error of a render that was too much: OutOfTimeError if it had nearly all of `render.timeout_s`.

        A processor that foresees that the rest would take too long says so early.
        """
        used_s = timeout_s if isinstance(error, OutOfTimeError) else min(used_s, timeout_s)
        if used_s >= NEARLY * self._timeout_s:
            return OutOfTimeError(str(error))
        if isinstance(error, OutOfTimeError):
            return BusyError(str(error), self.admission.retry_after_s)
        return BusyError(str(error), max(error.retry_after_s, self.admission.retry_after_s))


def _hangs(_: object, timeout_s: float) -> None:
    raise OutOfTimeError(f"this picture could not be checked within {timeout_s:g} s: try again later")


def _request_id() -> str | None:
    trace = current_trace()
    return None if trace is None else trace.request_id
