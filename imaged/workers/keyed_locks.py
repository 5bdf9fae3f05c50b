"""Turns: how many calls of a kind run at once, and never two on the same thing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from twisted.internet.defer import DeferredLock


class KeyedLocks:
    """A lock for each name in use; whoever waits longest is next. Reactor thread only.

    Cancelling one that waits takes it out of the row.
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
            # Who waited may have run to its end within `release`, and another lock of this name be in use since.
            if not lock.locked and self._locks.get(name) is lock:
                del self._locks[name]
