"""Locks by name, so that two calls never work on the same thing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredLock


class KeyedLocks:
    """A lock for each name in use, first come, first served. Reactor thread only.

    Cancelling a wait removes it from the queue.
    """

    def __init__(self) -> None:
        self._locks: dict[str, DeferredLock] = {}

    @asynccontextmanager
    async def held(self, name: str) -> AsyncIterator[None]:
        """Hold the lock of `name` while the block runs."""
        lock = self._locks.setdefault(name, DeferredLock())
        await lock.acquire()
        try:
            yield
        finally:
            lock.release()
            # Within `release`, the next holder may have run to its end and a new lock of this name come into use.
            if not lock.locked and self._locks.get(name) is lock:
                del self._locks[name]
