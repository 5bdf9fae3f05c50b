"""The work that answers have promised: the queue, the workers that do it, and the look for what was never promised."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import ImagedError, StoreError, StoreUnavailableError
from imaged.core.files import ImageFile
from imaged.core.hashes import ImageId
from imaged.core.snapshot import RecentError
from imaged.daemon.generations import Generations
from imaged.jobs.job_worker import JobWorker, RunJobs
from imaged.jobs.queue import JobQueue, Kind
from imaged.jobs.schema import VERSION
from imaged.pipeline.build import Environment
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.reconcile import reconcile
from imaged.pipeline.remote import Remote
from imaged.process.clock import steady_clock
from imaged.process.shutdown import Shutdown
from imaged.statuspage.recent import RecentErrors
from imaged.store.local import LocalStore
from imaged.workers.threads import Threads

_LOG = Logger()


async def open_queue(threads: Threads, folder: Path) -> JobQueue:
    """Open the queue on the one thread that may touch it. Raises StoreError."""
    try:
        queue = await threads.run(JobQueue, folder, steady_clock())
    except StoreError as error:
        raise StoreError(f"state_dir: {error}") from error
    except Exception as error:  # OSError and sqlite3's own tree: none leaves a queue to work with
        raise StoreError(f"state_dir: no job queue can be kept in {folder}: {error}") from error
    if 0 < queue.migrated_from < VERSION:
        _LOG.info("the job queue was of version {old}, and is of {new} now", old=queue.migrated_from, new=VERSION)
    return queue


class JobRunner:
    """Runs queued jobs on the current generation until the shutdown begins. Reactor thread only.

    `errors` get the jobs that fail.
    """

    _log = Logger()

    def __init__(
        self, environment: Environment, generations: Generations, shutdown: Shutdown, errors: RecentErrors
    ) -> None:
        self._reactor = environment.reactor
        self._run = environment.threads.run
        self._jobs = environment.jobs
        self._generations = generations
        self._shutdown = shutdown
        self._errors = errors
        self._reconciled: str | None = None
        self._workers = [
            self._worker("render", self._render_concurrency, lambda pipeline: pipeline.run_renders),
            self._worker("upload", self._upload_concurrency, lambda pipeline: pipeline.run_uploads),
        ]

    async def share_queue(self, *, is_successor: bool) -> None:
        """Make sure that all who work on the queue have one store. Raises StoreError.

        A process that takes over from the others may have other settings than they: what they leave is its own then.
        """
        store = self._generations.pipeline.store
        await self.tell_store(store)
        if store.incoming.has_locks and not is_successor:
            try:
                await self._jobs.monitored.run(self._jobs.monitored.queue.check_store, store.incoming.has_owner)
            except StoreError as error:
                raise StoreError(f"state_dir: {error}") from error

    async def tell_store(self, store: LocalStore) -> None:
        """Let other processes know which store the jobs of this one are of from now on."""
        known_as = store.incoming.owner_name() if store.incoming.has_locks else ""
        with suppress(OSError):  # nobody can be warned then, which is no reason not to work
            await self._jobs.monitored.run(self._jobs.monitored.queue.works_for, known_as)

    def start(self) -> None:
        """Begin to do what is owed."""
        for worker in self._workers:
            worker.start()

    def wake(self) -> None:
        """Look at the queue now."""
        for worker in self._workers:
            worker.wake()

    async def stop(self) -> None:
        """Begin no more, and return when what runs has ended."""
        for ended in [Deferred.fromCoroutine(worker.stop()) for worker in self._workers]:
            await ended

    def watch(self) -> Deferred[None]:
        """Look after the remote store: try it when it is new or away, and look once for files that it never got.

        The Deferred never fails.
        """
        return Deferred.fromCoroutine(self._watch())

    async def _watch(self) -> None:
        with self._generations.lease() as pipeline:
            remote = pipeline.remote
            if not remote.exists:
                self._reconciled = None  # what is kept meanwhile is looked for when there is a store again
                await self._jobs.begin_comparison(None)
                return
            if remote.identity == self._reconciled and remote.fault is None:
                return
            if remote.identity != self._reconciled:  # from now on nobody is told that nothing is owed
                await self._jobs.begin_comparison(remote.identity)
            try:
                await remote.try_out()
            except ImagedError as error:
                if remote.identity != self._reconciled:
                    self._log.error("the remote store does not work: {error}", error=str(error))
            if remote.identity == self._reconciled:
                return
            self._reconciled = remote.identity

            def may_continue() -> bool:
                return not self._shutdown.begun and self._generations.pipeline.remote.identity == remote.identity

            try:
                await self._take_over(remote)
                if not await reconcile(pipeline.store, remote, self._jobs, pipeline.formats, self._run, may_continue):
                    self._reconciled = None
            except Exception:  # the disk or the queue may fail; the next start looks again
                self._log.failure("the local store could not be compared with the remote one")
                await self._jobs.fail_comparison(remote.identity)

    async def _take_over(self, remote: Remote) -> None:
        """Have what earlier versions noted of this store count for it, so that an upgrade lists nothing again."""
        if remote.former_identity is not None:
            taken = await self._jobs.take_over(remote.former_identity, remote.identity)
            if taken:
                self._log.info("{count} files are known to be in the remote store from before the upgrade", count=taken)

    def _worker(
        self,
        kind: Kind,
        concurrency: Callable[[], int],
        choose: Callable[[Pipeline], RunJobs],
    ) -> JobWorker:
        async def run_jobs(image: ImageId, files: Sequence[ImageFile]) -> Mapping[ImageFile, ImagedError | None]:
            with self._generations.lease() as pipeline:
                results = await choose(pipeline)(image, files)
            for file, error in results.items():
                if error is not None and not isinstance(error, StoreUnavailableError):  # the store's fault is told once
                    work, now = f"{kind} {image} {file}", datetime.now(UTC)
                    self._errors.add(RecentError(now, work, None, error.status, str(error)))
            return results

        worker = JobWorker(kind, self._jobs.monitored, self._reactor, random.random, concurrency, run_jobs)
        self._jobs.on_new_work(kind, worker.wake)
        return worker

    def _render_concurrency(self) -> int:
        """Let promised renders use every thread, but one alone while clients wait for theirs."""
        if self._shutdown.begun:
            return 0
        engine = self._generations.pipeline.engine
        return 1 if engine.waiting else engine.size

    def _upload_concurrency(self) -> int:
        return 0 if self._shutdown.begun else self._generations.pipeline.remote.concurrency
