"""Many callers, one piece of work, as in Go's singleflight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.workers.tasks import Tasks

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Work = Callable[[list[K], Callable[[K, V | ImagedError], None]], Awaitable[None]]


class SingleFlight(Generic[K, V]):
    """Does the work for each key at most once at a time. Reactor thread only.

    One piece of work may serve several keys: it calls `resolve` with each key and its result, a value or an error.
    Cancelling a waiter ends that wait only: the work continues for the others and for the store.
    """

    _log = Logger()

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiters: dict[K, list[Deferred[V | ImagedError]]] = {}

    def in_flight(self, key: K) -> bool:
        """Say whether work for `key` runs."""
        return key in self._waiters

    @property
    def count(self) -> int:
        """How many keys are in flight."""
        return len(self._waiters)

    def do(self, keys: Sequence[K], work: Work[K, V]) -> dict[K, Deferred[V | ImagedError]]:
        """Return a waiter for each key: on the work that runs for it already, or on `work(new keys, resolve)`.

        `work` resolves each of its keys, or raises an error for those that are left.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._waiters]
        call: dict[K, list[Deferred[V | ImagedError]]] = {key: [] for key in new}
        self._waiters.update(call)
        waiters: dict[K, Deferred[V | ImagedError]] = {}
        for key in dict.fromkeys(keys):
            waiters[key] = Deferred(partial(self._leave, key))
            self._waiters[key].append(waiters[key])
        if new:
            self._tasks.own(self._run(call, work))
        return waiters

    async def one(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """Return the result of the work that runs for `key` already, or of `work`; raise its error."""

        async def resolve_one(_: list[K], resolve: Callable[[K, V | ImagedError], None]) -> None:
            resolve(key, await work())

        return await wait(self.do([key], resolve_one)[key])

    async def _run(self, call: dict[K, list[Deferred[V | ImagedError]]], work: Work[K, V]) -> None:
        error = ImagedError("the work ended without a result")
        try:
            await work(list(call), lambda key, result: self._resolve(key, call[key], result))
        except ImagedError as raised:
            error = raised
        except Exception:  # all waiters get an answer, and the next caller starts the work again
            self._log.failure("work on {keys} failed unexpectedly", keys=list(call))
            error = ImagedError("an unexpected failure: the log has its traceback")
        for key, waiters in call.items():
            self._resolve(key, waiters, error)

    def _resolve(self, key: K, waiters: list[Deferred[V | ImagedError]], result: V | ImagedError) -> None:
        """Give the waiters of a call their first result for a key, unless a later call has that key now."""
        if self._waiters.get(key) is waiters:
            del self._waiters[key]
            for waiter in waiters:
                waiter.callback(result)

    def _leave(self, key: K, waiter: Deferred[V | ImagedError]) -> None:
        if waiter in self._waiters.get(key, ()):
            self._waiters[key].remove(waiter)


async def wait(waiter: Deferred[V | ImagedError]) -> V:
    """Wait for a result; return the value or raise the error."""
    result = await waiter
    if isinstance(result, ImagedError):
        raise result.with_traceback(None)  # several waiters may raise this one error
    return result
