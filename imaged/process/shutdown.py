"""Leaving: no more work is begun, and what was begun may end until a deadline."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.activity import Running
from imaged.workers.engine import ImageOutput
from imaged.workers.threads import unfinished

AT_LEAST_S = 0.2
"""What has nothing left to do may still end within this when the time is up."""


class Shutdown:
    """Whether this process leaves, and the moment by which it will have left. Reactor thread only."""

    _log = Logger()

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._by_s = math.inf
        self._gave_up = False

    @property
    def begun(self) -> bool:
        """Whether the process leaves."""
        return self._by_s < math.inf

    def begin(self, within_s: float) -> None:
        """Leave within so many seconds, or sooner where that is set already."""
        self._by_s = min(self._by_s, self._clock.seconds() + within_s)

    def undo(self) -> None:
        """Stay after all."""
        self._by_s = math.inf

    async def in_time(self, ending: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
        """Wait for `ending` until the time is up, and AT_LEAST_S in any case."""
        left_s = max(AT_LEAST_S, self._by_s - self._clock.seconds())
        try:
            await Deferred.fromCoroutine(ending()).addTimeout(left_s, self._clock)
        except defer.TimeoutError:  # Twisted's own, which is not the built-in one
            if not self._gave_up:
                self._log.warn("gave up on what is in flight; what was promised stays queued")
            self._gave_up = True

    def tell_left_behind(self, renders: Sequence[Running[ImageOutput]]) -> None:
        """Tell the log what still works: it ends with the process, which waits for it no longer."""
        for each in renders:
            self._log.warn(
                "left behind: {output} of {image}, rendered for {elapsed_s} s by now",
                output=str(each.item.output),
                image=str(each.item.image),
                elapsed_s=round(each.elapsed_s, 1),
            )
        for thread in unfinished():
            self._log.warn("left behind: thread {thread}", thread=thread)
