"""Erases pictures: in the local store at once, in the remote store and in caches by a queued job.

The tombstone of a picture decides, here and on each node: it is written first, a queued job does nothing without it,
and a later post of the same bytes lifts it. `other_nodes` brings the tombstones of other nodes here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from time import time_ns

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import GoneError, ImagedError, StoreError
from imaged.core.files import ORIGINAL, RECORD, ImageFile, read_stored_files
from imaged.core.hashes import ImageId
from imaged.core.outputs import Output
from imaged.pipeline.erasures import LOOKS, Erasures
from imaged.pipeline.purges import AGAIN_S, Purges
from imaged.pipeline.remote import Remote
from imaged.pipeline.remote_tombstones import RemoteTombstones
from imaged.pipeline.shared import Shared
from imaged.store.tombstones import Tombstone, gone

NO_TOKEN = "a client without a token"  # noqa: S105  # words of the log

_DAY_NS = 86_400_000_000_000


class Eraser:
    """Erases pictures and forgets outputs, here, in the remote store and in caches. Reactor thread only."""

    _log = Logger()

    def __init__(self, shared: Shared, remote: Remote, there: RemoteTombstones, purges: Purges) -> None:
        self._shared = shared
        self._store = shared.store
        self._remote = remote
        self._there = there
        self._purges = purges

    @property
    def _erasures(self) -> Erasures:
        return self._shared.erasures

    async def erase(self, image: ImageId, by: str = "") -> bool:
        """Erase a picture, which need not be here; return whether it is gone everywhere, or the rest is queued.

        `by` is the name of the token that orders it, for the log. On return, the local store has no file of it, and a
        tombstone. Raises StoreError when the disk or the queue does not do that: some files may then be left, and the
        caller has to repeat it.
        """
        return await self._shared.tasks.own(self._erase(image, by))

    async def _erase(self, image: ImageId, by: str) -> bool:
        has_more = self._remote.exists
        removed, files = await self.erase_here(Tombstone(image, time_ns(), by))
        waiter = self._erasures.wait(image)
        try:
            await self._shared.jobs.erase(image, enqueue=has_more)
            purged = Deferred.fromCoroutine(self._purges.purge_now(image, files))
            done = not has_more or (self._remote.fault is None and await self._in_time(waiter))
            done = await purged and done
        finally:
            waiter.addErrback(lambda _: None)
            waiter.cancel()
        self._log.info(
            "erased {image} for {by}: {removed} local files; {state}",
            image=str(image),
            by=by or NO_TOKEN,
            removed=len(removed),
            state="complete" if done else "the rest is queued",
        )
        return done

    async def erase_here(self, tombstone: Tombstone) -> tuple[list[str], list[ImageFile]]:
        """Erase a picture in the local store; return the names of its files there, and the files to purge from caches.

        The purge is queued before a file goes; then that of files that were made meanwhile. The caller queues the job
        that erases the rest.
        """
        image = tombstone.image
        files = await self._purges.known_files(image) if self._purges else []
        await self._purges.enqueue(image, files, AGAIN_S)
        try:
            removed = await self._shared.run(self._store.tombstones.add, tombstone)
        except StoreError:
            if self._store.tombstones.find(image) is not None:  # files are left: the job removes them
                self._erasures.drop(image)
                await self._shared.jobs.erase(image, enqueue=True)
            raise
        self._erasures.drop(image)
        self._erasures.total += 1
        if self._purges and (late := [file for file in read_stored_files(removed) if file not in files]):
            await self._purges.enqueue(image, late, AGAIN_S)
            files += late
        return removed, files

    async def _in_time(self, waiter: Deferred[bool]) -> bool:
        try:
            return await waiter.addTimeout(self._shared.settings.upload.timeout_s, self._shared.reactor)
        except defer.TimeoutError:
            return False

    async def forget(self, image: ImageId) -> None:
        """Remove the outputs of a picture, here and in the remote store; each is rendered again when it is asked for.

        Raises GoneError when the picture is erased, StoreError when a store does not answer: some outputs may then be
        left, and the caller has to repeat it. Queued renders stay.
        """
        await self._shared.tasks.own(self._forget(image))

    async def _forget(self, image: ImageId) -> None:
        self._store.tombstones.check(image)
        here = await self._shared.run(self._store.variants.outputs, image)
        await self._shared.jobs.forget_uploads(image, here)
        await self._remote.uploads_ended(image)
        there = [file for file in await self._remote.files(image) if isinstance(file, Output)]
        outputs = list(dict.fromkeys([*here, *there]))
        await self._purges.enqueue(image, outputs, AGAIN_S)
        await self._remote.delete([self._remote.key(image, output) for output in there])
        await self._shared.jobs.forget_uploads(image, there)
        for output in here:
            await self._shared.run(self._store.variants.forget, image, output)
        self._erasures.drop(image)
        await self._purges.purge_now(image, outputs)
        self._log.info(
            "forgot the outputs of {image}: {here} local and {there} remote files",
            image=str(image),
            here=len(here),
            there=len(there),
        )

    async def run_jobs(self, image: ImageId, files: Sequence[ImageFile]) -> Mapping[ImageFile, ImagedError | None]:
        """Erase the rest of a picture, or forget its outputs (`Kind`), for queued jobs.

        Without a tombstone there is no rest: the picture was posted again.
        """
        waiters = self._erasures.waiters(image) if ORIGINAL in files else []
        try:
            if RECORD in files and self._store.tombstones.find(image) is None:
                await self._forget(image)
            if ORIGINAL in files:
                await self._finish(image)
        except ImagedError as error:
            self._erasures.end(waiters, succeeded=False)
            return dict.fromkeys(files, error)
        self._erasures.end(waiters, succeeded=True)
        return dict.fromkeys(files)

    async def _finish(self, image: ImageId) -> None:
        """Erase the rest of a picture, if it has a tombstone."""
        async with self._shared.locks.held(f"{image}/"):  # a post of it waits, and lifts the tombstone afterwards
            tombstone = await self._shared.run(self._store.tombstones.enforce, image)
            if tombstone is None:
                return
            self._erasures.drop(image)
            if self._remote.exists and await self._there.is_current(tombstone):
                removed = await self._there.remove_files(image)
                await self._shared.jobs.erase(image, enqueue=False)  # a comparison may have recorded these files since
                await self._confirm(tombstone)
                if removed:
                    self._log.info("erased {image}: {removed} remote files", image=str(image), removed=removed)
            is_known = self._remote.exists and tombstone.stored_in == self._remote.identity
            if not is_known and not self._erasures.waiters(image):
                self._log.info("erased {image} for {by}: complete", image=str(image), by=tombstone.by or NO_TOKEN)

    async def _confirm(self, tombstone: Tombstone) -> None:
        image = tombstone.image
        await self._shared.run(self._store.tombstones.note_stored, tombstone, self._remote.identity)
        if self._store.tombstones.find(image) is None:  # another process has kept a new post meanwhile
            await self.upload_again(image)

    async def upload_again(self, image: ImageId) -> None:
        """Queue the upload of all files of a picture."""
        await self._shared.jobs.enqueue("upload", image, await self._shared.run(self._store.files, image))

    async def enforce(self) -> None:
        """Remove what a killed process has left of erased pictures, then queue what the remote store may have.

        Raises StoreError: DiskFullError when only the queue has no room.
        """
        await self._shared.run(self._store.tombstones.prepare)
        tombstones = await self._shared.run(self._store.tombstones.all)
        await self._shared.run(self._store.tombstones.enforce_all, tombstones)
        for tombstone in tombstones:
            is_new = time_ns() - tombstone.at_ns < _DAY_NS  # an upload may have run when a process was killed
            if self._remote.exists and (is_new or tombstone.stored_in != self._remote.identity):
                await self._shared.jobs.enqueue("erase", tombstone.image, [ORIGINAL])

    async def admit(self, image: ImageId, seen: Tombstone | None, *, is_posted: bool) -> Tombstone | None:
        """Return the tombstone of a picture that is being posted, which `lifted` has to remove, or None.

        `seen` is the one that stood when its bytes were complete: a post counts from then on. Raises GoneError when the
        picture was erased later, or is refused. A post that does not come to its end leaves nothing: the job that is
        queued here erases the picture, unless the tombstone is lifted.
        """
        tombstone = self._store.tombstones.find(image)
        if tombstone is None:
            return None
        if seen is None or tombstone.at_ns != seen.at_ns:
            raise GoneError(f"{image} was erased while it was posted: post it again")
        if not is_posted:  # an origin may have it for ever
            raise gone(image)
        if self._shared.settings.erase.refuse_again:
            days = self._shared.settings.erase.remember_days
            raise GoneError(f"{image} was erased, and is refused for {days} days")
        if self._remote.exists:
            await self._shared.jobs.enqueue("erase", image, [ORIGINAL])
        return tombstone

    @asynccontextmanager
    async def lifted(self, tombstone: Tombstone | None) -> AsyncIterator[None]:
        """Remove the tombstone of a picture, if it has one, before the block, which keeps the picture here.

        The remote store has its bytes by then. Raises GoneError when it was erased again. When the block raises
        StoreError, and the original is not here, the tombstone stands again.
        """
        if tombstone is None:
            yield
            return
        image = tombstone.image
        if self._remote.exists:
            await self._there.remove(image)
        if not await self._shared.run(self._store.tombstones.lift, tombstone):
            raise gone(image)
        if self._remote.exists:
            self._erasures.reposted[image] = LOOKS
        try:
            yield
        except StoreError:
            if not self._store.has(image, ORIGINAL):  # else an origin, say, would bring it back
                await self._shared.run(self._store.tombstones.add, replace(tombstone, stored_in=""))
            raise
