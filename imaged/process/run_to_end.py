"""Runs the reactor for one piece of work."""

from __future__ import annotations

from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.python.failure import Failure

T = TypeVar("T")


def run_to_end(reactor: Any, work: Coroutine[Any, Any, T]) -> T | None:
    """Run the reactor until `work` has ended, and return its result; None if a signal has cancelled it."""
    results: list[T | Failure] = []

    def begin() -> None:
        running = Deferred.fromCoroutine(work)
        reactor.addSystemEventTrigger("before", "shutdown", cancel, running)
        running.addBoth(results.append)
        running.addBoth(stop)

    def cancel(running: Deferred[None]) -> Deferred[None]:
        running.cancel()
        return running

    def stop(_: object) -> None:
        with suppress(ReactorNotRunning):  # a signal has stopped it already
            reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()
    (result,) = results
    if not isinstance(result, Failure):
        return result
    if not result.check(CancelledError):
        result.raiseException()
    return None
