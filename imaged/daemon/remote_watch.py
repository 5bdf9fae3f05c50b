"""The watch over the remote store: tries it, and compares the local store with it once."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.daemon.generations import Generations
from imaged.pipeline.build import Environment
from imaged.pipeline.pipeline import Pipeline
from imaged.pipeline.reconcile import reconcile
from imaged.pipeline.remote import Remote
from imaged.process.shutdown import Shutdown


class RemoteWatch:
    """Watches the remote store of the current generation. Reactor thread only."""

    _log = Logger()

    def __init__(self, environment: Environment, generations: Generations, shutdown: Shutdown) -> None:
        self._run = environment.threads.run
        self._jobs = environment.jobs
        self._generations = generations
        self._shutdown = shutdown
        self._jobs.on_return = self.check
        self.compared: str | None = None
        """The identity of the remote store that the local store has been compared with, or is being compared with."""

    def check(self) -> Deferred[None]:
        """Try a remote store that is new or was away, and compare the local store with a new one.

        The Deferred fires at the end of a comparison, and never fails.
        """
        return Deferred.fromCoroutine(self._check())

    async def _check(self) -> None:
        with self._generations.lease() as pipeline:
            remote = pipeline.remote
            if not remote.exists:
                self.compared = None  # the store that is set next may lack what is stored meanwhile
                await self._jobs.begin_comparison(None)
                return
            if self._jobs.missed_uploads and self._jobs.fault is None:
                self._jobs.missed_uploads, self.compared = False, None
            is_new = remote.identity != self.compared
            if not is_new and remote.fault is None:
                return
            if is_new:  # before the trial, which may take long: the status then shows that uploads may be missing
                await self._jobs.begin_comparison(remote.identity)
            try:
                await remote.try_out()
            except ImagedError as error:
                if remote.identity != self.compared:
                    self._log.error("the test of the remote store failed: {error}; posts may get 503", error=str(error))
            if remote.identity != self.compared:  # another check may have begun the comparison meanwhile
                await self._compare(pipeline)

    async def _compare(self, pipeline: Pipeline) -> None:
        remote = pipeline.remote
        self.compared = remote.identity

        def may_continue() -> bool:
            return not self._shutdown.begun and self._generations.pipeline.remote.identity == remote.identity

        try:
            await self._rename(remote)
            if not await reconcile(pipeline.store, remote, self._jobs, pipeline.formats, self._run, may_continue):
                self.compared = None
        except Exception:  # the disk or the queue may fail; the next start compares again
            self._log.failure(
                "the comparison of the local store with the remote one failed; the next start compares them again"
            )
            self._jobs.missed_uploads |= self._jobs.fault is not None
            await self._jobs.note_comparison(remote.identity, "failed")

    async def _rename(self, remote: Remote) -> None:
        """Keep what an earlier version of imaged has recorded of this store under another identity."""
        if remote.former_identity is not None:
            count = await self._jobs.take_over(remote.former_identity, remote.identity)
            if count:
                self._log.info("an earlier version recorded {count} uploads; the records stay valid", count=count)
