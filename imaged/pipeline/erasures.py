"""What the generations of a process share about erasures: who waits for one, and who has copies of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

from twisted.internet.defer import Deferred

from imaged.core.hashes import ImageId
from imaged.store.tombstones import Tombstone

LOOKS = 3
"""How often imaged looks whether the remote store still has a picture that was erased and posted again: another node
may have been erasing it then."""


class Holder(Protocol):
    """A part of a generation that keeps copies of pictures beside the files of the store."""

    def drop(self, image: ImageId) -> None:
        """Remove the copies of an image."""


class Erasures:
    """The erasures of this process. Reactor thread only.

    `total` counts the pictures that were erased here. `reposted` has those that were posted again, and how often to
    look for each.
    """

    def __init__(self) -> None:
        self.total = 0
        self.reposted: dict[ImageId, int] = {}
        self._holders: WeakSet[Holder] = WeakSet()
        self._waiting: dict[ImageId, dict[Deferred[bool], int]] = {}
        self._uploads: dict[ImageId, Counter[str]] = {}

    def add_holder(self, holder: Holder) -> None:
        """Have `holder` drop its copies of each image that is erased from now on, for as long as it lives."""
        self._holders.add(holder)

    def drop(self, image: ImageId) -> None:
        """Remove the copies of an image in each generation."""
        for holder in list(self._holders):
            holder.drop(image)

    def wait(self, tombstone: Tombstone) -> Deferred[bool]:
        """Return whether a job that has seen this tombstone, or a newer one, succeeds, when it has ended."""
        waiter: Deferred[bool] = Deferred(lambda left: self._remove(tombstone.image, left))
        self._waiting.setdefault(tombstone.image, {})[waiter] = tombstone.at_ns
        return waiter

    def is_awaited(self, image: ImageId) -> bool:
        """Say whether a client waits for an erasure."""
        return image in self._waiting

    def _remove(self, image: ImageId, waiter: Deferred[bool]) -> None:
        waiters = self._waiting[image]
        del waiters[waiter]
        if not waiters:
            del self._waiting[image]

    def end(self, image: ImageId, seen: Tombstone | None, *, succeeded: bool) -> None:
        """Say how a job that erases an image has ended, and which tombstone it has seen; None ends all waits."""
        for waiter, at_ns in list(self._waiting.get(image, {}).items()):
            if seen is None or at_ns <= seen.at_ns:
                self._remove(image, waiter)
                waiter.callback(succeeded)

    @contextmanager
    def uploading(self, image: ImageId, key: str) -> Iterator[None]:
        """Count an upload of an image while the block runs."""
        keys = self._uploads.setdefault(image, Counter())
        keys[key] += 1
        try:
            yield
        finally:
            keys[key] -= 1
            if not +keys:
                self._uploads.pop(image, None)

    def uploads(self, image: ImageId) -> list[str]:
        """Return the keys of the uploads of an image that run."""
        return list(+self._uploads.get(image, Counter()))
