"""Run coroutines in plain test functions."""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from threading import Thread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

T = TypeVar("T")

LONGEST_S = 60.0
"""The default timeout of `wait`."""


def wait(coroutine: Coroutine[Deferred[Any], Any, T], timeout_s: float = LONGEST_S) -> T:
    """Run a coroutine to its end; return its result or raise its error.

    If the coroutine waits, this runs the reactor until it ends, and leaves the reactor ready to run again, without
    threads, as Twisted's own test runner does: an idle or hanging thread would keep the program alive. Do not call this
    while the reactor runs. Raises TimeoutError after `timeout_s` seconds.
    """
    from twisted.internet import reactor as global_reactor  # noqa: PLC0415  # importing it installs it

    reactor: Any = global_reactor
    results: list[T | Failure] = []
    done = Deferred.fromCoroutine(coroutine)
    done.addBoth(results.append)
    if not results:
        timeout = reactor.callLater(timeout_s, reactor.crash)
        done.addBoth(lambda _: reactor.crash())
        reactor.getThreadPool().threadFactory = partial(Thread, daemon=True)
        reactor.run(installSignalHandlers=False)
        if not results:
            done.cancel()
            raise TimeoutError(f"not done after {timeout_s:g} s")
        timeout.cancel()
        reactor._stopThreadPool()  # noqa: SLF001  # as in `twisted.trial.util`: the next run makes another
    (result,) = results
    if isinstance(result, Failure):
        result.raiseException()
    return result
