"""Follows the nodes and processes that share a store: erases what they have erased, and takes what they have posted.

A tombstone that is missing in the remote store, where it has been, was lifted by a post at another node. It has to be
missing for a while: one list may be late.
"""

from __future__ import annotations

from collections.abc import Awaitable
from time import time_ns

from twisted.logger import Logger

from imaged.core.errors import ImagedError, StoreError
from imaged.core.files import ORIGINAL, RECORD
from imaged.core.hashes import ImageId
from imaged.pipeline.erase import Eraser
from imaged.pipeline.remote import Remote
from imaged.pipeline.remote_tombstones import RemoteTombstones
from imaged.pipeline.shared import Shared
from imaged.store.tombstones import Tombstone, gone

SETTLED_S = 10.0
"""How long a tombstone has to be missing in the remote store before it is lifted here."""

LOOKED_S, MOST_LOOKED = 60.0, 10
"""Clients that get GoneError have each tombstone looked at once in that many seconds, and so many tombstones."""

_DAY_NS = 86_400_000_000_000
_HOUR_NS = 3_600_000_000_000


class OtherNodes:
    """What this node does about the erasures and the posts of others. Reactor thread only."""

    _log = Logger()

    def __init__(self, shared: Shared, remote: Remote, there: RemoteTombstones, eraser: Eraser) -> None:
        self._shared = shared
        self._tombstones = shared.store.tombstones
        self._remote = remote
        self._there = there
        self._eraser = eraser
        self._looked_ns = time_ns()
        self._looked_s: dict[Tombstone, float] = {}
        self._missing_s: dict[Tombstone, float] = {}

    async def follow(self) -> int:
        """Erase what others have erased, lift the tombstones that they have lifted, and remove those that have expired.

        Return how many tombstones there are. Raises StoreError when a store does not answer, and the first one of
        pictures that cannot be erased here, when all others are.
        """
        oldest_ns = time_ns() - self._shared.settings.erase.remember_days * _DAY_NS
        looked_ns, self._looked_ns = self._looked_ns, time_ns()
        here = {each.image: each for each in await self._shared.run(self._tombstones.all)}
        for tombstone in here.values():
            if tombstone.at_ns > looked_ns:  # another process may have erased it
                self._shared.erasures.drop(tombstone.image)
        # a program that knows no tombstones may still have written, as an older imaged
        recent = [each for each in here.values() if each.at_ns >= looked_ns - _HOUR_NS]
        errors = [await _error_of(self._shared.run(self._tombstones.enforce_all, recent))]
        there = await self._there.newest(oldest_ns) if self._remote.exists else {}
        for image, found in there.items():
            if image not in here or here[image].at_ns < found.at_ns:
                async with self._shared.locks.held(f"{image}/"):  # a post of it ends first, and counts
                    errors.append(await _error_of(self._learn(found)))
        if self._remote.exists:
            await self._look_for_reposted()
        complete = [each for each in here.values() if not self._remote.exists or self._is_there(each)]
        missing = [each for each in complete if self._remote.exists and each.image not in there]
        self._missing_s = {each: at_s for each, at_s in self._missing_s.items() if each in missing}
        for tombstone in complete:
            if tombstone.at_ns < oldest_ns or (tombstone in missing and self._is_settled(tombstone)):
                await self._shared.run(self._tombstones.lift, tombstone)
        for error in filter(None, errors):
            raise error
        return max(len(here), len(there))

    def _is_there(self, tombstone: Tombstone) -> bool:
        """Return whether the remote store has had a tombstone."""
        return tombstone.stored_in == self._remote.identity

    def _is_settled(self, tombstone: Tombstone) -> bool:
        """Note that a tombstone is missing in the remote store; return whether it has been so for long enough."""
        now_s: float = self._shared.reactor.seconds()
        return now_s - self._missing_s.setdefault(tombstone, now_s) >= SETTLED_S

    def check(self, image: ImageId) -> None:
        """Raise GoneError when an image is erased. Then look behind the answer whether another node has a new post.

        So a client that asks again gets the picture after SETTLED_S. `follow` would take minutes. A few of these looks
        are made in a minute, however many clients ask.
        """
        tombstone = self._tombstones.find(image)
        if tombstone is not None:
            if self._remote.exists and self._is_there(tombstone) and self._may_look(tombstone):
                self._shared.tasks.own(self._look(tombstone))
            raise gone(image)

    def _may_look(self, tombstone: Tombstone) -> bool:
        now_s = self._shared.reactor.seconds()
        enough_s = {each: SETTLED_S if each in self._missing_s else LOOKED_S for each in self._looked_s}
        self._looked_s = {each: at_s for each, at_s in self._looked_s.items() if now_s - at_s < enough_s[each]}
        if tombstone in self._looked_s or len(self._looked_s) >= MOST_LOOKED:
            return False
        self._looked_s[tombstone] = now_s
        return True

    async def _look(self, tombstone: Tombstone) -> None:
        try:
            if await self._there.has(tombstone.image):
                self._missing_s.pop(tombstone, None)
            elif self._is_settled(tombstone):
                await self._shared.run(self._tombstones.lift, tombstone)
        except ImagedError:  # `follow` meets it, too, and its caller reports it
            pass

    async def _learn(self, found: Tombstone) -> None:
        """Erase what another node has erased, unless it was posted here later."""
        image = found.image
        posted_ns = await self._shared.run(self._shared.store.originals.posted_ns, image)
        if posted_ns is not None and posted_ns > found.at_ns:
            await self._there.remove(image)
            await self._eraser.upload_again(image)
            return
        removed, _ = await self._eraser.erase_here(Tombstone(image, found.at_ns, stored_in=self._remote.identity))
        await self._shared.jobs.erase(image, enqueue=True)
        self._log.info(
            "erased {image}, which another node has erased: {removed} local files",
            image=str(image),
            removed=len(removed),
        )

    async def _look_for_reposted(self) -> None:
        """Upload pictures that were posted again here, if another node has removed their files meanwhile."""
        reposted = self._shared.erasures.reposted
        for image, looks in list(reposted.items()):
            there = await self._remote.files(image)
            if self._shared.store.has(image, ORIGINAL) and not there.issuperset((ORIGINAL, RECORD)):
                await self._eraser.upload_again(image)
            elif looks > 1:
                reposted[image] = looks - 1
            else:
                reposted.pop(image, None)

    async def check_there(self, image: ImageId) -> None:
        """Raise GoneError when a node has erased an image, and remove what was uploaded of it meanwhile.

        For a program that uploads without a queue: it calls this before and after.
        """
        if self._remote.exists and await self._there.has(image):
            await self._there.remove_files(image)
            raise gone(image)


async def _error_of(work: Awaitable[object]) -> StoreError | None:
    try:
        await work
    except StoreError as error:
        return error
    return None
