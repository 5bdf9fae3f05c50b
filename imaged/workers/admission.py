"""Admission to the render threads: a bounded queue, and a refusal at once when it is full."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError
from imaged.workers.threads import Threads

LONGEST_RETRY_S = 60
"""The latest that a client is told to come back."""

WEIGHT = 0.2
"""How much the last render counts in what renders typically take."""


class RenderPool:
    """As many renders at once as there are `threads`, in the order of their arrival. Reactor thread only.

    At most `queue` of them wait. A promised render (of the job queue) is never refused: the worker bounds those.
    `clock` is the reactor's.
    """

    def __init__(self, threads: Threads, queue: int, clock: Any) -> None:
        self._threads = threads
        self._queue = queue
        self._clock = clock
        self._since_s: dict[object, float] = {}
        self._typical_s = 1.0
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

    @property
    def retry_after_s(self) -> int:
        """When those who hold a thread or wait for one will have ended, if each takes as long as renders did lately.

        At least a second, and a minute at most: further than that nobody can see.
        """
        now_s = self._clock.seconds()
        each_s = max(self._typical_s, min((now_s - since_s for since_s in self._since_s.values()), default=0.0))
        return min(max(math.ceil(each_s * (self._busy + len(self._waiting)) / self.size), 1), LONGEST_RETRY_S)

    def stuck(self, longer_than_s: float) -> bool:
        """Say whether every thread has been at one render for longer than that."""
        return self._threads.held_for(longer_than_s) >= self.size

    def admit(self) -> None:
        """Raise BusyError when a render that came now would have no place to wait."""
        if self._busy + len(self._waiting) + self._coming >= self.size + self._queue:
            raise BusyError(
                f"all {self.size} render threads are busy and {self._queue} requests wait: try again later",
                self.retry_after_s,
            )

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Count a render that cannot begin yet, while the block runs, as one that waits."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    @asynccontextmanager
    async def place(self, within_s: float = math.inf) -> AsyncIterator[Threads]:
        """Wait for a free thread and hold it while the block runs, which does its work on the threads it is given.

        Raises BusyError when none is free `within_s` seconds: who is refused leaves the queue.
        """
        if self._busy >= self.size:
            await self._wait(within_s)
        else:
            self._busy += 1
        token, began_s = object(), self._clock.seconds()
        self._since_s[token] = began_s
        try:
            yield self._threads
        finally:
            del self._since_s[token]
            self._typical_s += (self._clock.seconds() - began_s - self._typical_s) * WEIGHT
            self._release()

    async def _wait(self, within_s: float) -> None:
        place: Deferred[None] = Deferred(self._waiting.remove)  # who is cancelled leaves the queue
        self._waiting.append(place)
        if within_s < math.inf:
            place.addTimeout(max(within_s, 0.0), self._clock)
        try:
            await place
        except defer.TimeoutError as error:  # Twisted's own, which is not the built-in one
            raise BusyError(
                f"no render thread was free within {within_s:.1f} s: try again later", self.retry_after_s
            ) from error

    def _release(self) -> None:
        if self._waiting:
            self._waiting.popleft().callback(None)  # the place passes on: still as many busy
        else:
            self._busy -= 1
