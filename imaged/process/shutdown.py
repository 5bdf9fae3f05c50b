"""Shutdown: start no new work, and give running work until a deadline."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.activity import Running
from imaged.workers.render_jobs import ImageOutput
from imaged.workers.threads import unfinished

AT_LEAST_S = 0.2
"""How long each step gets after the deadline: enough for a step that has nothing left to wait for."""


class Shutdown:
    """Whether this process shuts down, and its deadline. Reactor thread only."""

    _log = Logger()

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._deadline_s = math.inf
        self._timed_out = False
        self.handed_over = False
        """Whether the reason is that another process serves on the same ports."""

    @property
    def begun(self) -> bool:
        """Whether the process shuts down."""
        return self._deadline_s < math.inf

    def begin(self, within_s: float) -> None:
        """Shut down within `within_s` seconds; an earlier deadline stays."""
        self._deadline_s = min(self._deadline_s, self._clock.seconds() + within_s)

    def cancel(self) -> None:
        """Keep running after all."""
        self._deadline_s = math.inf
        self.handed_over = False

    async def in_time(self, step: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
        """Wait for `step` until the deadline, and for at least AT_LEAST_S."""
        left_s = max(AT_LEAST_S, self._deadline_s - self._clock.seconds())
        try:
            await Deferred.fromCoroutine(step()).addTimeout(left_s, self._clock)
        except defer.TimeoutError:  # Twisted's own class, which is not the built-in one
            if not self._timed_out:
                self._log.warn(
                    "shutdown_timeout_s is over: no longer waiting for requests in flight; queued jobs are kept"
                )
            self._timed_out = True

    def log_unfinished(self, renders: Sequence[Running[ImageOutput]]) -> None:
        """Log the renders and the threads that still run; they end with the process."""
        for each in renders:
            self._log.warn(
                "still running at shutdown: {output} of {image}, rendering for {elapsed_s} s; it ends with the process",
                output=str(each.item.output),
                image=str(each.item.image),
                elapsed_s=round(each.elapsed_s, 1),
            )
        for thread in unfinished():
            self._log.warn("still running at shutdown: thread {thread}; it ends with the process", thread=thread)
