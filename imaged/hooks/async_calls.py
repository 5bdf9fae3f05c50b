"""Async calls into plugins: each step is listed while it runs, and a call that does not end is cancelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from imaged.core.errors import ImagedError, StoreUnavailableError
from imaged.hooks.boundary import broken, kind_of, plugin_boundary, refuse, under_way

REACTOR_S = 1.0
"""How long a plugin may hold the reactor between two awaits before the log names it."""


async def call(called: str, begin: Callable[[], Any], clock: Any, longest_s: float) -> Any:
    """Return what the awaitable of `begin` returns. `called` names the call, with the plugin as in the YAML file.

    Raises PluginFailedError for an error that the contract excludes. Cancels a call that has not ended after
    `longest_s` on `clock`, and raises StoreUnavailableError. A caller that is cancelled cancels the call, and does not
    wait for its end. Reactor thread only.
    """
    with plugin_boundary(called, REACTOR_S):
        begun = begin()
    doing = Deferred.fromCoroutine(_stepwise(called, begun))
    left = False

    def leave(_: object) -> None:
        nonlocal left
        left = True
        doing.cancel()

    def hand_on(result: Any) -> None:
        if left:
            return  # the caller has left
        if isinstance(result, Failure) and result.check(CancelledError):
            result = Failure(refuse(called, "it was cancelled, but not by its caller"))
        waiter.callback(result)  # a Failure makes it an errback

    waiter: Deferred[Any] = Deferred(leave)
    doing.addBoth(hand_on)

    def too_late(_: object, timeout_s: float) -> Any:
        raise StoreUnavailableError(f"{called} did not end within {timeout_s:g} s, and was cancelled")

    return await waiter.addTimeout(longest_s, clock, onTimeoutCancel=too_late)


async def call_for_nothing(called: str, begin: Callable[[], Any], clock: Any, longest_s: float) -> None:
    """Make a call that returns nothing, as `call`: another value may mean that it did nothing."""
    if (returned := await call(called, begin, clock, longest_s)) is not None:
        raise refuse(called, f"it returned {kind_of(returned)}, not None: say what went wrong by an error")


def _stepwise(called: str, begun: Awaitable[Any]) -> Generator[Any, Any, Any]:
    """Run a plugin's coroutine from one await to the next; each step is listed as a call into the plugin."""
    work = _awaited(begun)
    step: Callable[[], Any] = partial(work.send, None)
    while True:
        try:
            with under_way(called, REACTOR_S):
                waits_for = step()
        except StopIteration as end:
            return end.value
        except (ImagedError, CancelledError):
            raise
        except BaseException as error:
            raise broken(called, error) from error
        try:
            step = partial(work.send, (yield waits_for))
        except GeneratorExit:  # the caller has left
            work.close()
            raise
        except BaseException as error:  # of what it waits for: the plugin handles it
            step = partial(work.throw, error)


async def _awaited(begun: Awaitable[Any]) -> Any:
    return await begun
