"""The tombstones in the remote store, by which the nodes that share it learn of erasures."""

from __future__ import annotations

import json

from imaged.core.errors import StoreError
from imaged.core.hashes import ImageId
from imaged.pipeline.remote import Remote
from imaged.pipeline.shared import Shared
from imaged.store import atomic
from imaged.store.disk import keeping
from imaged.store.tombstones import ERASED, Tombstone, key_prefix, parse_key, prefixes

MOST_PASSES = 10
"""How often the files of a picture are listed and removed, until the list is empty."""


class RemoteTombstones:
    """Reads and writes tombstones of the remote store. Reactor thread only. Each method raises StoreError.

    The name of each has its time, so that one list tells all.
    """

    def __init__(self, shared: Shared, remote: Remote) -> None:
        self._shared = shared
        self._remote = remote

    async def newest(self, oldest_ns: int) -> dict[ImageId, Tombstone]:
        """Return the newest tombstone of each image; remove those before `oldest_ns`, which have expired."""
        found: dict[ImageId, Tombstone] = {}
        expired = []
        for key, tombstone in await self._list(f"{ERASED}/"):
            if tombstone.at_ns < oldest_ns:
                expired.append(key)
            elif tombstone.image not in found or found[tombstone.image].at_ns < tombstone.at_ns:
                found[tombstone.image] = tombstone
        await self._remote.delete(expired)
        return found

    async def is_current(self, tombstone: Tombstone) -> bool:
        """Say whether the picture has to be erased in the remote store, which then has this tombstone or a newer one.

        It has not if another node has lifted the tombstone.
        """
        stored = dict(await self._list(key_prefix(tombstone.image)))
        if not any(each.at_ns >= tombstone.at_ns for each in stored.values()):
            if tombstone.stored_in == self._remote.identity:
                return False
            await self._put(tombstone)
        await self._remote.delete([key for key, each in stored.items() if each.at_ns < tombstone.at_ns])
        return True

    async def has(self, image: ImageId) -> bool:
        """Say whether an image is erased."""
        return bool(await self._list(key_prefix(image)))

    async def remove(self, image: ImageId) -> None:
        """Remove the tombstones of an image."""
        await self._remote.delete([key for key, _ in await self._list(key_prefix(image))])

    async def remove_files(self, image: ImageId) -> int:
        """Remove all files of an image, also those of older layouts, when its uploads have ended; return how many.

        Raises StoreError also when the remote store still lists files that it has removed.
        """
        await self._remote.uploads_ended(image)
        removed = 0
        for prefix in prefixes(self._shared.store.layout, image):
            for _ in range(MOST_PASSES):
                keys = await self._remote.keys(prefix)
                if not keys:
                    break
                await self._remote.delete(keys)
                removed += len(keys)
            else:
                raise StoreError(f"the remote store still lists {len(keys)} files of {image} after it has removed them")
        return removed

    async def _list(self, prefix: str) -> list[tuple[str, Tombstone]]:
        keys = await self._remote.keys(prefix)
        read = [(key, parse_key(self._remote.without_base(key))) for key in keys]
        return [(key, tombstone) for key, tombstone in read if tombstone is not None]

    async def _put(self, tombstone: Tombstone) -> None:
        with self._shared.store.temporary() as path:
            with keeping("a tombstone"):
                await self._shared.run(atomic.write, path, json.dumps({"at_ns": tombstone.at_ns}).encode())
            await self._remote.put(tombstone.key, path, "application/json")
