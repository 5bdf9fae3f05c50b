"""The runner of queued jobs: renders, uploads, erasures and purges, on the current generation."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from twisted.internet.defer import Deferred

from imaged.core.errors import ImagedError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.core.snapshot import RecentError
from imaged.daemon.generations import Generations
from imaged.jobs.job_worker import STORE_WAITS, JobWorker, RunJobs
from imaged.jobs.queue import Kind
from imaged.pipeline.build import Environment
from imaged.pipeline.pipeline import Pipeline
from imaged.process.shutdown import Shutdown
from imaged.statuspage.recent import RecentErrors

PURGES = 4
"""How many pictures are purged from caches at once."""


class JobRunner:
    """Runs queued jobs until the shutdown begins. `errors` records the jobs that fail. Reactor thread only."""

    def __init__(
        self, environment: Environment, generations: Generations, shutdown: Shutdown, errors: RecentErrors
    ) -> None:
        self._reactor = environment.reactor
        self._jobs = environment.jobs
        self._saves = environment.counters.saves
        self._generations = generations
        self._shutdown = shutdown
        self._errors = errors
        self._workers = [
            self._worker("render", self._render_concurrency, lambda pipeline: pipeline.run_renders),
            self._worker("upload", self._upload_concurrency, lambda pipeline: pipeline.run_uploads),
            self._worker("erase", self._erase_concurrency, lambda pipeline: pipeline.eraser.run_jobs),
            self._worker("purge", self._purge_concurrency, lambda pipeline: pipeline.purges.run_jobs),
        ]

    def start(self) -> None:
        """Start to run jobs."""
        for worker in self._workers:
            worker.start()

    def wake(self) -> None:
        """Look for jobs now."""
        for worker in self._workers:
            worker.wake()

    async def stop(self) -> None:
        """Start no more jobs, and wait for the running ones."""
        for stopping in [Deferred.fromCoroutine(worker.stop()) for worker in self._workers]:
            await stopping

    def _worker(self, kind: Kind, concurrency: Callable[[], int], choose: Callable[[Pipeline], RunJobs]) -> JobWorker:
        async def run_jobs(image: ImageId, files: Sequence[ImageFile]) -> Mapping[ImageFile, ImagedError | None]:
            with self._generations.lease() as pipeline:
                results = await choose(pipeline)(image, files)
            first = {id(error): (file, error) for file, error in reversed([*results.items()])}
            for file, error in first.values():
                # A remote store that is away, or a local one that is full, is reported once, by the pipeline.
                if error is not None and not isinstance(error, STORE_WAITS):
                    job, now = f"{kind} {image} {file}", datetime.now(UTC)
                    self._errors.add(RecentError(now, job, None, error.status, str(error)))
            return results

        worker = JobWorker(kind, self._jobs, self._reactor, random.random, concurrency, run_jobs)
        self._jobs.on_new_work(kind, worker.wake)
        return worker

    def _render_concurrency(self) -> int:
        """Return how many queued renders may run: one while clients wait for a render thread, else as many as fit.

        None while the store would not keep them.
        """
        if self._shutdown.begun or self._saves.takes_nothing:
            return 0
        engine = self._generations.pipeline.engine
        return 1 if engine.admission.clients_waiting else engine.admission.size

    def _erase_concurrency(self) -> int:
        remote = self._generations.pipeline.remote
        return 0 if self._shutdown.begun else remote.concurrency if remote.exists else 1

    def _purge_concurrency(self) -> int:
        return 0 if self._shutdown.begun else PURGES

    def _upload_concurrency(self) -> int:
        return 0 if self._shutdown.begun else self._generations.pipeline.remote.concurrency
