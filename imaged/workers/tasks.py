"""Coroutines that run to their end, also when their caller has left."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from imaged.core.errors import ImagedError

T = TypeVar("T")


class Tasks:
    """Owns running coroutines until they end. Reactor thread only."""

    _log = Logger()

    def __init__(self) -> None:
        self._running = 0
        self._waiting: list[Deferred[None]] = []

    def own(self, coroutine: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
        """Run `coroutine` to its end; return a Deferred of its result. Cancelling that ends the wait only."""
        waiter: Deferred[T] = Deferred()
        self._running += 1
        Deferred.fromCoroutine(coroutine).addBoth(self._finish, waiter)
        return waiter

    async def drained(self) -> None:
        """Return when no coroutine runs."""
        while self._running:
            empty: Deferred[None] = Deferred()
            self._waiting.append(empty)
            await empty

    def _finish(self, result: T | Failure, waiter: Deferred[T]) -> None:
        self._running -= 1
        if waiter.called and isinstance(result, Failure) and not result.check(ImagedError):
            self._log.failure("a background task failed, a bug of imaged", failure=result)
        waiter.callback(result)  # a Failure makes it an errback
        if not self._running:
            waiting, self._waiting = self._waiting, []
            for empty in waiting:
                empty.callback(None)
