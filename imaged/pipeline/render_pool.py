"""Admission to the render threads: a bounded queue, and a refusal at once when it is full."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError
from imaged.pipeline.threads import Threads


class RenderPool:
    """As many renders at once as there are `threads`, in the order of their arrival. Reactor thread only.

    At most `queue` of them wait. A promised render (of the job queue) is never refused: the worker bounds those.
    """

    def __init__(self, threads: Threads, queue: int) -> None:
        self._threads = threads
        self._queue = queue
        self._waiting: deque[Deferred[None]] = deque()
        self._busy = 0
        self._coming = 0

    @property
    def size(self) -> int:
        """How many threads there are."""
        return self._threads.size

    @property
    def busy(self) -> int:
        """How many threads render now."""
        return self._busy

    @property
    def waiting(self) -> int:
        """How many renders wait for a thread."""
        return len(self._waiting)

    def stuck(self, longer_than_s: float) -> bool:
        """Say whether every thread has been at one render for longer than that."""
        return self._threads.held_for(longer_than_s) >= self.size

    def admit(self) -> None:
        """Raise BusyError when a render that came now would have no place to wait."""
        if self._busy + len(self._waiting) + self._coming >= self.size + self._queue:
            raise BusyError(f"all {self.size} render threads are busy and {self._queue} requests wait: try again later")

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Count a render that cannot begin yet, while the block runs, as one that waits."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    @asynccontextmanager
    async def place(self) -> AsyncIterator[Threads]:
        """Wait for a free thread and hold it while the block runs, which does its work on the threads it is given."""
        if self._busy >= self.size:
            place: Deferred[None] = Deferred(self._waiting.remove)  # who is cancelled leaves the queue
            self._waiting.append(place)
            await place
        else:
            self._busy += 1
        try:
            yield self._threads
        finally:
            self._release()

    def _release(self) -> None:
        if self._waiting:
            self._waiting.popleft().callback(None)  # the place passes on: still as many busy
        else:
            self._busy -= 1
