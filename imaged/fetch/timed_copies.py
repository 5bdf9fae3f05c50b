"""Copies of originals that threads make: each within a time, although a thread that hangs cannot be stopped."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, TimeoutError  # noqa: A004  # Twisted's own class
from twisted.python.failure import Failure

from imaged.core.errors import SourceTimeoutError

T = TypeVar("T")

MOST_LATE = 100
"""How many copies may run after their time, until further ones are refused."""


class TimedCopies:
    """Copies from one `place`, "bucket" or "folder". Reactor thread only.

    A late copy is not cancelled: its thread would continue, and write the file after the caller has removed it. When it
    has ended, the file is removed. Without a bound, copies would pile up before threads that hang.
    """

    def __init__(self, place: str, clock: Any, timeout_s: float) -> None:
        self._place = place
        self._clock = clock
        self._timeout_s = timeout_s
        self._late = 0

    async def make(self, begin: Callable[[], Awaitable[T]], temporary: Path) -> T:
        """Return the result of `begin`, which writes the file `temporary`. Raises SourceTimeoutError."""
        if self._late >= MOST_LATE:
            raise SourceTimeoutError(f"{self._late} earlier copies from the {self._place} have not ended: check it")
        waiter: Deferred[T] = Deferred()

        async def copy() -> T:
            return await begin()

        def end(result: T | Failure) -> None:
            if not waiter.called:
                waiter.callback(result)  # a Failure makes it an errback
                return
            self._late -= 1
            with suppress(OSError):
                temporary.unlink(missing_ok=True)

        Deferred.fromCoroutine(copy()).addBoth(end)
        try:
            return await waiter.addTimeout(self._timeout_s, self._clock)
        except TimeoutError as error:
            self._late += 1
            raise SourceTimeoutError(f"the {self._place} took longer than {self._timeout_s:g} seconds") from error
