"""Erases pictures: in the local store at once, in the remote store and in caches by a queued job.

The tombstone of a picture decides, here and on each node: it is written first, a queued job does nothing without it,
and a later post of the same bytes lifts it. `follow` brings the tombstones of other nodes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
_HOUR_NS = 3_600_000_000_000


class Eraser:
    """Erases pictures and forgets outputs, here, in the remote store and in caches. Reactor thread only."""

    _log = Logger()

    def __init__(self, shared: Shared, remote: Remote, purges: Purges) -> None:
        self._shared = shared
        self._store = shared.store
        self._remote = remote
        self._there = RemoteTombstones(shared, remote)
        self._purges = purges
        self._absent: set[Tombstone] = set()
        self._looked_ns = time_ns()

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
        tombstone, has_more = Tombstone(image, time_ns(), by), self._remote.exists
        waiter = self._erasures.wait(tombstone)
        try:
            removed, files = await self._erase_here(tombstone, enqueue=has_more)
            is_purged = await self._purges.purge_now(image, files)
            done = not has_more or (self._remote.fault is None and await self._in_time(waiter))
            done = done and is_purged
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

    async def _erase_here(self, tombstone: Tombstone, *, enqueue: bool) -> tuple[list[str], list[ImageFile]]:
        """Erase a picture in the local store; return the names of its files there, and the files to purge from caches.

        The purge is queued before a file goes; then that of files that were made meanwhile.
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
        await self._shared.jobs.erase(image, enqueue=enqueue)
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
        seen: Tombstone | None = None
        try:
            if RECORD in files and self._store.tombstones.find(image) is None:
                await self._forget(image)
            if ORIGINAL in files:
                seen = await self._finish(image)
        except ImagedError as error:
            self._erasures.end(image, None, succeeded=False)
            return dict.fromkeys(files, error)
        self._erasures.end(image, seen, succeeded=True)
        return dict.fromkeys(files)

    async def _finish(self, image: ImageId) -> Tombstone | None:
        """Erase the rest of a picture; return the tombstone that demands it, or None."""
        async with self._shared.locks.held(f"{image}/"):  # a post of it waits, and lifts the tombstone afterwards
            tombstone = await self._shared.run(self._store.tombstones.enforce, image)
            if tombstone is None:
                return None
            self._erasures.drop(image)
            if self._remote.exists and await self._there.is_current(tombstone):
                removed = await self._there.remove_files(image)
                await self._confirm(tombstone)
                if removed:
                    self._log.info("erased {image}: {removed} remote files", image=str(image), removed=removed)
            is_known = self._remote.exists and tombstone.stored_in == self._remote.identity
            if not is_known and not self._erasures.is_awaited(image):
                self._log.info("erased {image} for {by}: complete", image=str(image), by=tombstone.by or NO_TOKEN)
        return tombstone

    async def _confirm(self, tombstone: Tombstone) -> None:
        image = tombstone.image
        await self._shared.run(self._store.tombstones.note_stored, tombstone, self._remote.identity)
        if self._store.tombstones.find(image) is None:  # another process has kept a new post meanwhile
            await self._upload_again(image)

    async def _upload_again(self, image: ImageId) -> None:
        await self._shared.jobs.enqueue("upload", image, await self._shared.run(self._store.files, image))

    async def enforce(self) -> None:
        """Remove what a killed process has left of erased pictures, then queue what the remote store may have.

        Raises StoreError: DiskFullError when only the queue has no room.
        """
        for tombstone in await self._shared.run(self._store.tombstones.enforce_all):
            is_new = time_ns() - tombstone.at_ns < _DAY_NS  # an upload may have run when a process was killed
            if self._remote.exists and (is_new or tombstone.stored_in != self._remote.identity):
                await self._shared.jobs.enqueue("erase", tombstone.image, [ORIGINAL])

    async def follow(self) -> int:
        """Do what other nodes and processes have done: erase, lift tombstones, and remove those that have expired.

        Return how many tombstones there are. Raises StoreError when a store does not answer.
        """
        oldest_ns = time_ns() - self._shared.settings.erase.remember_days * _DAY_NS
        looked_ns, self._looked_ns = self._looked_ns, time_ns()
        since_ns = looked_ns - _HOUR_NS  # a program that knows no tombstones may still have written, as an older imaged
        here = {each.image: each for each in await self._shared.run(self._store.tombstones.enforce_all, since_ns)}
        for tombstone in here.values():
            if tombstone.at_ns > looked_ns:  # another process may have erased it
                self._erasures.drop(tombstone.image)
        there = await self._there.newest(oldest_ns) if self._remote.exists else {}
        for image, found in there.items():
            if image not in here or here[image].at_ns < found.at_ns:
                async with self._shared.locks.held(f"{image}/"):  # a post of it ends first, and counts
                    await self._learn(found)
        if self._remote.exists:
            await self._look_again()
        absent = set()
        for tombstone in here.values():
            is_stored = not self._remote.exists or tombstone.stored_in == self._remote.identity
            if is_stored and tombstone.at_ns < oldest_ns:
                await self._shared.run(self._store.tombstones.lift, tombstone)
            elif is_stored and self._remote.exists and tombstone.image not in there:
                absent.add(tombstone)
        for tombstone in absent & self._absent:  # missing twice: another node has kept a new post
            await self._shared.run(self._store.tombstones.lift, tombstone)
        self._absent = absent - self._absent
        return max(len(here), len(there))

    async def _learn(self, found: Tombstone) -> None:
        """Erase what another node has erased, unless it was posted here later."""
        image = found.image
        posted_ns = await self._shared.run(self._store.originals.posted_ns, image)
        if posted_ns is not None and posted_ns > found.at_ns:
            await self._there.remove(image)
            await self._upload_again(image)
            return
        tombstone = Tombstone(image, found.at_ns, stored_in=self._remote.identity)
        removed, _ = await self._erase_here(tombstone, enqueue=True)
        self._log.info(
            "erased {image}, which another node has erased: {removed} local files",
            image=str(image),
            removed=len(removed),
        )

    async def check_there(self, image: ImageId) -> None:
        """Raise GoneError when a node has erased an image, and remove what was uploaded of it meanwhile.

        For a program that uploads without a queue: it calls this before and after.
        """
        if self._remote.exists and await self._there.has(image):
            await self._there.remove_files(image)
            raise gone(image)

    async def admit(self, image: ImageId, seen: Tombstone | None, *, is_posted: bool) -> Tombstone | None:
        """Return the tombstone of a picture that is being posted, which `lift` has to remove, or None.

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

    async def lift(self, tombstone: Tombstone) -> None:
        """Remove the tombstone of a picture whose bytes are in the remote store, and come into the local one next.

        Raises GoneError when it was erased again.
        """
        if self._remote.exists:
            await self._there.remove(tombstone.image)
        if not await self._shared.run(self._store.tombstones.lift, tombstone):
            raise gone(tombstone.image)
        if self._remote.exists:
            self._erasures.reposted[tombstone.image] = LOOKS

    async def _look_again(self) -> None:
        """Upload pictures that were posted again, if another node has removed their files meanwhile."""
        for image, looks in list(self._erasures.reposted.items()):
            there = await self._remote.files(image)
            if self._store.has(image, ORIGINAL) and not there.issuperset((ORIGINAL, RECORD)):
                await self._upload_again(image)
            elif looks > 1:
                self._erasures.reposted[image] = looks - 1
            else:
                self._erasures.reposted.pop(image, None)
