"""What the generations of a process share about erasures: who waits for one, and who has copies of pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakSet

from twisted.internet.defer import Deferred

from imaged.core.hashes import ImageId

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
        self._waiting: dict[Deferred[bool], ImageId] = {}
        self._uploads: dict[ImageId, Counter[str]] = {}

    def add_holder(self, holder: Holder) -> None:
        """Have `holder` drop its copies of each image that is erased from now on, for as long as it lives."""
        self._holders.add(holder)

    def drop(self, image: ImageId) -> None:
        """Remove the copies of an image in each generation."""
        for holder in list(self._holders):
            holder.drop(image)

    def wait(self, image: ImageId) -> Deferred[bool]:
        """Return whether the next job that begins to erase an image succeeds, when it has ended.

        Call it when the tombstone is written, and before the job is queued: one that has begun may have looked for a
        tombstone too early.
        """
        waiter: Deferred[bool] = Deferred(self._waiting.__delitem__)
        self._waiting[waiter] = image
        return waiter

    def waiters(self, image: ImageId) -> list[Deferred[bool]]:
        """Return who waits now for a job that erases an image."""
        return [waiter for waiter, awaited in self._waiting.items() if awaited == image]

    def end(self, waiters: Sequence[Deferred[bool]], *, succeeded: bool) -> None:
        """End the waits that were there when a job began which has now ended."""
        for waiter in waiters:
            if self._waiting.pop(waiter, None) is not None:
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
