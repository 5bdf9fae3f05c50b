"""Admission to the render workers: a bounded queue, and a refusal at once when it is full."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError
from imaged.core.tracing import WAIT, span

LONGEST_RETRY_S = 60
"""The longest Retry-After, in seconds."""

WEIGHT = 0.2
"""How much the last render counts in the typical duration of a render."""


class Admission:
    """Lets `size` renders run at once, in the order of their arrival. Reactor thread only.

    At most `queue` others wait. `check_room` refuses clients beyond that; queued jobs skip it, because the job worker
    bounds them. `clock` is the reactor's.
    """

    def __init__(self, size: int, queue: int, clock: Any) -> None:
        self.size = size
        self._queue = queue
        self._clock = clock
        self._since_s: dict[object, float] = {}
        self._typical_s = 1.0
        self._waiting: deque[Deferred[None]] = deque()
        self._counted = 0
        self.busy = 0
        """How many renders run now."""

    @property
    def waiting(self) -> int:
        """How many renders wait for a place."""
        return len(self._waiting)

    @property
    def retry_after_s(self) -> int:
        """When all current renders will have ended, if each takes as long as recent ones did: 1 to 60 seconds."""
        now_s = self._clock.seconds()
        each_s = max(self._typical_s, min((now_s - since_s for since_s in self._since_s.values()), default=0.0))
        return min(max(math.ceil(each_s * (self.busy + len(self._waiting)) / self.size), 1), LONGEST_RETRY_S)

    def check_room(self) -> None:
        """Raise BusyError when a render that came now would exceed the queue."""
        if self.busy + len(self._waiting) + self._counted >= self.size + self._queue:
            raise BusyError(
                f"all {self.size} render threads are busy and {self._queue} requests wait: try again later",
                self.retry_after_s,
            )

    @contextmanager
    def count_as_waiting(self) -> Iterator[None]:
        """Count what the block does as a render that waits."""
        self._counted += 1
        try:
            yield
        finally:
            self._counted -= 1

    @asynccontextmanager
    async def place(self, within_s: float = math.inf) -> AsyncIterator[None]:
        """Wait for a place and hold it while the block runs.

        The deadline is in `within_s` seconds. Raises BusyError when no place is free by then, and leaves the queue.
        Cancelling leaves it too.
        """
        with span(WAIT):
            if self.busy >= self.size:
                await self._wait(within_s)
            else:
                self.busy += 1
        token, began_s = object(), self._clock.seconds()
        self._since_s[token] = began_s
        try:
            yield
        finally:
            del self._since_s[token]
            self._typical_s += (self._clock.seconds() - began_s - self._typical_s) * WEIGHT
            self._release()

    async def _wait(self, within_s: float) -> None:
        place: Deferred[None] = Deferred(self._waiting.remove)
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
            self._waiting.popleft().callback(None)  # the next render takes this place, so `busy` stays
        else:
            self.busy -= 1
