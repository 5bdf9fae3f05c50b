"""Clocks that do not jump when the system's time is set."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic, time
from typing import Any

from twisted.internet.task import LoopingCall


def keep_monotonic(reactor: Any) -> Any:
    """Let the timers of `reactor` follow the monotonic clock, and return the reactor. Call this before the first timer.

    Twisted's reactors follow the wall clock: when it is set back an hour, each timer is an hour late.
    """
    reactor.seconds = monotonic
    return reactor


def steady_clock(wall: Callable[[], float] = time, even: Callable[[], float] = monotonic) -> Callable[[], float]:
    """Return a clock of seconds since the epoch that starts at the time of `wall`, and then advances as `even` does."""
    epoch_s = wall() - even()
    return lambda: epoch_s + even()


def repeat(reactor: Any, interval_s: float, call: Callable[[], object], *, now: bool = True) -> LoopingCall:
    """Call a function every `interval_s` seconds, from `now` on or later, until the returned object is stopped."""
    looping = LoopingCall(call)
    looping.clock = reactor
    looping.start(interval_s, now)
    return looping
