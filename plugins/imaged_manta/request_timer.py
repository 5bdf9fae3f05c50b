"""The timeouts of one request: the longest time without progress, and the longest time in all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class RequestTimer:
    """Cancels a request that makes no progress for `idle_s` seconds, or takes more than `total_s`.

    `expired` says that it has done so, and `reason` why. Reactor thread only.
    """

    def __init__(self, clock: Any, idle_s: float, total_s: float) -> None:
        self.expired = False
        self.reason = ""
        self._cancel: Callable[[], None] | None = None
        self._idle_s = idle_s
        self._idle = clock.callLater(idle_s, self._expire, f"no progress for {idle_s:g} s")
        self._total = clock.callLater(total_s, self._expire, f"one request takes more than {total_s:g} s")

    def watch(self, cancel: Callable[[], None]) -> None:
        """Call `cancel` when the timer expires, instead of the function before. This counts as progress."""
        self._cancel = cancel
        self.progress()

    def progress(self) -> None:
        """Restart the time without progress."""
        if self._idle.active():
            self._idle.reset(self._idle_s)

    def stop(self) -> None:
        """Stop both timeouts."""
        self._cancel = None
        for call in (self._idle, self._total):
            if call.active():
                call.cancel()

    def _expire(self, reason: str) -> None:
        cancel, self.expired, self.reason = self._cancel, True, reason
        self.stop()
        if cancel is not None:
            cancel()
