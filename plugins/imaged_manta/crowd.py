"""Several coroutines at once, and not all."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList

T = TypeVar("T")
R = TypeVar("R")


async def each(work: Callable[[T], Coroutine[Any, Any, R]], things: Iterable[T], at_once: int) -> list[R]:
    """Return what `work` gives for each thing, in any order; `at_once` run at a time.

    After the first failure no other is begun; it is raised when those that were begun have ended.
    """
    rest = iter(things)
    done: list[R] = []
    failed: list[Exception] = []

    async def take() -> None:
        for thing in rest:
            try:
                done.append(await work(thing))
            except Exception as error:  # kept for whoever waits for all of them
                failed.append(error)
            if failed:
                return

    await DeferredList([Deferred.fromCoroutine(take()) for _ in range(at_once)])
    if failed:
        raise failed[0]
    return done
