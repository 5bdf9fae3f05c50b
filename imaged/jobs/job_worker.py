"""Runs queued jobs: claims those of one image at a time, runs them, and tries again those that may still succeed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from imaged.core.backoff import Backoff
from imaged.core.errors import (
    DiskFullError,
    ImagedError,
    OutOfTimeError,
    ReadOnlyError,
    StoreError,
    StoreUnavailableError,
)
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.jobs.async_queue import AsyncJobQueue
from imaged.jobs.queue import Job, Kind

BACKOFF = Backoff(first_s=1, longest_s=300, attempts=21)
"""Attempts spread over half an hour or more, whatever the jitter."""

TOO_LONG = Backoff(first_s=60, longest_s=600, attempts=3)
"""The same for jobs that ran out of time. Each may have blocked a thread for good, and the picture does not change."""

LONGEST_PAUSE_S = 5.0
"""How long the worker waits between looks at the queue: another process may have left jobs."""

AWAY = Backoff(first_s=2, longest_s=2, attempts=2)
"""How long a job waits while the remote store is away. The caller's `concurrency` decides when to try the store."""

NO_ROOM = Backoff(first_s=10, longest_s=10, attempts=2)
"""How long a job waits while the local store takes no files."""

STORE_WAITS = (StoreUnavailableError, DiskFullError, ReadOnlyError)
"""Errors of a whole store, which say nothing about a job: they cost it no attempt."""

_BROKE_DOWN = StoreError("an unexpected failure: the log has its traceback")

RunJobs = Callable[[ImageId, Sequence[ImageFile]], Awaitable[Mapping[ImageFile, ImagedError | None]]]


@dataclass(eq=False)
class JobWorker:
    """Runs jobs of one kind, for up to `concurrency()` images at a time, between `start` and `stop`.

    `run_jobs` returns for each file None or the error of its job. `jitter` draws a number in [0, 1).
    """

    kind: Kind
    jobs: AsyncJobQueue
    clock: Any
    jitter: Callable[[], float]
    concurrency: Callable[[], int]
    run_jobs: RunJobs
    _log = Logger()
    _waiting: Deferred[None] | None = field(default=None, init=False)
    _woken: bool = field(default=False, init=False)
    _running: int = field(default=0, init=False)
    _stopping: bool = field(default=False, init=False)
    _loop: Deferred[None] | None = field(default=None, init=False)

    def start(self) -> None:
        """Begin to claim jobs."""
        self._loop = Deferred.fromCoroutine(self._claim_forever())

    async def stop(self) -> None:
        """Claim no more jobs, and return when the running ones have ended."""
        self._stopping = True
        self.wake()
        if self._loop is not None:
            await self._loop

    def wake(self) -> None:
        """Look at the queue now."""
        self._woken = True
        if self._waiting is not None:
            self._waiting.cancel()

    async def _claim_forever(self) -> None:
        while not self._stopping or self._running:
            self._woken = False
            jobs: list[Job] = []
            pause_s = LONGEST_PAUSE_S
            if not self._stopping and self._running < self.concurrency():
                jobs, pause_s = await self._claim()
            if jobs:
                self._running += 1
                Deferred.fromCoroutine(self._work(jobs))
            elif not self._woken:
                await self._pause(pause_s)

    async def _claim(self) -> tuple[list[Job], float]:
        """Return the jobs to run now, and for how many seconds to wait where there are none."""
        queue = self.jobs.queue
        try:
            await self.jobs.try_again()
            jobs = await self.jobs.run(queue.claim, self.kind)
            if not jobs and await self.jobs.run(queue.recover) > 0:
                jobs = await self.jobs.run(queue.claim, self.kind)
            due_s = await self.jobs.run(queue.next_due_s, self.kind)
        except Exception:  # the disk may be full or gone; jobs wait until it is back, and `jobs` logs it
            return [], LONGEST_PAUSE_S
        return jobs, LONGEST_PAUSE_S if due_s is None else min(max(due_s, 0.0), LONGEST_PAUSE_S)

    async def _pause(self, pause_s: float) -> None:
        self._waiting = deferLater(self.clock, pause_s)
        with suppress(CancelledError):  # `wake` ends the wait
            await self._waiting
        self._waiting = None

    async def _work(self, jobs: list[Job]) -> None:
        image, left = jobs[0].image, list(jobs)
        try:
            results = await self.run_jobs(image, [job.file for job in jobs])
        except ImagedError as error:
            results = dict.fromkeys((job.file for job in jobs), error)
        except Exception:
            self._log.failure("{kind} of {image} failed unexpectedly", kind=self.kind, image=str(image))
            results = {}
        try:
            while left:
                try:
                    await self._complete(left, results)
                except Exception:  # as in `_claim`
                    await deferLater(self.clock, LONGEST_PAUSE_S)
        finally:
            self._running -= 1
            self.wake()

    async def _complete(self, left: list[Job], results: Mapping[ImageFile, ImagedError | None]) -> None:
        """Record in the queue how each job ended, and remove it from `left`, so that none is recorded twice."""
        failures = [(job, error) for job in left if (error := results.get(job.file, _BROKE_DOWN)) is not None]
        failed = [job for job, _ in failures]
        await self.jobs.run(self.jobs.queue.done, [job for job in left if job not in failed])
        left[:] = failed
        groups: dict[int, tuple[ImagedError, list[Job]]] = {}
        for job, error in failures:
            groups.setdefault(id(error), (error, []))[1].append(job)
        for error, jobs in groups.values():
            delay_s, counts = self._delay_s(error, jobs)
            for job in jobs:
                await self.jobs.run(self.jobs.queue.fail, job, str(error), delay_s, counts=counts)
                left.remove(job)

    def _delay_s(self, error: ImagedError, jobs: Sequence[Job]) -> tuple[float | None, bool]:
        """Return when jobs that have failed together run again, or None, and whether this was one of their attempts.

        They wait for the same time, so that they run together again. The log has one line for them.
        """
        if isinstance(error, STORE_WAITS):  # it is logged once, not for every job
            wait = AWAY if isinstance(error, StoreUnavailableError) else NO_ROOM
            return wait.delay_s(1, self.jitter()), False
        backoff = TOO_LONG if isinstance(error, OutOfTimeError) else BACKOFF
        attempts = max(job.attempts for job in jobs) + 1
        delay_s = backoff.delay_s(attempts, self.jitter()) if error.transient else None
        self._log.warn(
            "{kind} of {image} {output} failed: {error}; {next}",
            kind=self.kind,
            image=str(jobs[0].image),
            output=", ".join(str(job.file) for job in jobs),
            error=str(error),
            next=f"parked; to try it again: imaged queue retry {' '.join(str(job.id) for job in jobs)}"
            if delay_s is None
            else f"again in {delay_s:.1f} s",
        )
        return delay_s, True
