"""Originals that something reads, which must not be forgotten meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from imaged.core.hashes import ImageId
from imaged.workers.keyed_locks import KeyedLocks

T = TypeVar("T")


class OriginalsInUse:
    """Counts the uses of each original, in all generations. Reactor thread only."""

    def __init__(self) -> None:
        self._locks = KeyedLocks()
        self._uses: Counter[ImageId] = Counter()

    @asynccontextmanager
    async def using(self, image: ImageId) -> AsyncIterator[None]:
        """Keep an original from being forgotten while the block runs. Waits while it is being forgotten."""
        async with self._locks.held(str(image)):
            self._uses[image] += 1
        try:
            yield
        finally:
            self._uses[image] -= 1
            if not self._uses[image]:
                del self._uses[image]

    async def if_unused(self, image: ImageId, forget: Callable[[], Awaitable[T]]) -> T | None:
        """Call `forget` and return what it returns, unless the original is used: None then. New uses wait meanwhile."""
        async with self._locks.held(str(image)):
            return None if image in self._uses else await forget()
