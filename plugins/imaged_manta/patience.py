"""How long a request may stand still, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Patience:
    """Ends a request that gives no sign of life for `idle_s` seconds, or takes more than `whole_s`.

    `is_out` says that it did so, and `reason` why.
    """

    def __init__(self, clock: Any, idle_s: float, whole_s: float) -> None:
        self.is_out = False
        self.reason = ""
        self._give_up: Callable[[], None] | None = None
        self._idle_s = idle_s
        self._idle = clock.callLater(idle_s, self._run_out, f"no sign of life for {idle_s:g} s")
        self._whole = clock.callLater(whole_s, self._run_out, f"one request takes more than {whole_s:g} s")

    def begin(self, give_up: Callable[[], None]) -> None:
        """Have `give_up` called in the end, from now on instead of the one before."""
        self._give_up = give_up
        self.renew()

    def renew(self) -> None:
        """Take a sign of life."""
        if self._idle.active():
            self._idle.reset(self._idle_s)

    def end(self) -> None:
        """Stop watching."""
        self._give_up = None
        for bell in (self._idle, self._whole):
            if bell.active():
                bell.cancel()

    def _run_out(self, reason: str) -> None:
        give_up, self.is_out, self.reason = self._give_up, True, reason
        self.end()
        if give_up is not None:
            give_up()
