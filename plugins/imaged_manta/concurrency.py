"""Run coroutines with bounded concurrency."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredList

T = TypeVar("T")
R = TypeVar("R")


async def map_concurrently(
    function: Callable[[T], Coroutine[Any, Any, R]], items: Iterable[T], concurrency: int
) -> list[R]:
    """Return the results of `function` for all items, in any order; at most `concurrency` calls run at a time.

    After the first failure no more calls start; it is raised when the running calls have ended.
    """
    remaining = iter(items)
    results: list[R] = []
    errors: list[Exception] = []

    async def run() -> None:
        for item in remaining:
            try:
                results.append(await function(item))
            except Exception as error:  # raised below
                errors.append(error)
            if errors:
                return

    await DeferredList([Deferred.fromCoroutine(run()) for _ in range(concurrency)])
    if errors:
        raise errors[0]
    return results
