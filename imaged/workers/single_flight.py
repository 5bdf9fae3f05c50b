"""Many callers, one piece of work, as in Go's singleflight."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.workers.callers import Callers
from imaged.workers.tasks import Tasks

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Resolve = Callable[[K, V | ImagedError], None]
Work = Callable[[list[K], Resolve[K, V], Callers], Awaitable[None]]


@dataclass(frozen=True, eq=False)
class _Call(Generic[K, V]):
    """One piece of work. `waiters` has those of each key without a result; the value says whether it is a client."""

    waiters: dict[K, dict[Deferred[V | ImagedError], bool]]
    callers: Callers


class SingleFlight(Generic[K, V]):
    """Does the work for each key at most once at a time. Reactor thread only.

    One piece of work may serve several keys: it calls `resolve` with each key and its result, a value or an error.
    Cancelling a waiter ends that wait only. The work continues for the others and for the store; it gets the Callers
    that wait for it, and may end early when all have left.
    """

    _log = Logger()

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._calls: dict[K, _Call[K, V]] = {}

    def in_flight(self, key: K) -> bool:
        """Say whether work for `key` runs."""
        return key in self._calls

    @property
    def count(self) -> int:
        """How many keys are in flight."""
        return len(self._calls)

    def do(
        self, keys: Sequence[K], work: Work[K, V], *, client_waits: bool = True
    ) -> dict[K, Deferred[V | ImagedError]]:
        """Return a waiter for each key: on the work that runs for it already, or on `work(new keys, resolve, callers)`.

        `work` resolves each of its keys, or raises an error for those that are left. `client_waits` says whether a
        client waits for the results, or a queued job.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._calls]
        call: _Call[K, V] = _Call({key: {} for key in new}, Callers())
        self._calls.update(dict.fromkeys(new, call))
        waiters = {key: self._join(self._calls[key], key, client_waits) for key in dict.fromkeys(keys)}
        if new:
            self._tasks.own(self._run(call, work))
        return waiters

    async def one(self, key: K, work: Callable[[], Awaitable[V]]) -> V:
        """Return the result of the work that runs for `key` already, or of `work`; raise its error."""

        async def resolve_one(_keys: list[K], resolve: Resolve[K, V], _callers: Callers) -> None:
            resolve(key, await work())

        return await wait(self.do([key], resolve_one)[key])

    async def _run(self, call: _Call[K, V], work: Work[K, V]) -> None:
        keys = list(call.waiters)
        error = ImagedError("the work ended without a result")
        try:
            await work(keys, partial(self._resolve, call), call.callers)
        except ImagedError as raised:
            error = raised
        except Exception:  # all waiters get an answer, and the next caller starts the work again
            self._log.failure("work on {keys} failed unexpectedly", keys=keys)
            error = ImagedError("an unexpected failure: the log has its traceback")
        for key in keys:
            self._resolve(call, key, error)

    def _join(self, call: _Call[K, V], key: K, is_client: bool) -> Deferred[V | ImagedError]:  # noqa: FBT001  # the kind of waiter
        waiter: Deferred[V | ImagedError] = Deferred(partial(self._leave, call, key))
        call.waiters[key][waiter] = is_client
        call.callers.join(client_waits=is_client)
        return waiter

    def _resolve(self, call: _Call[K, V], key: K, result: V | ImagedError) -> None:
        """Give the waiters of a call their first result for a key. A later call may have that key now."""
        if (waiters := call.waiters.pop(key, None)) is None:
            return
        del self._calls[key]
        for is_client in waiters.values():
            call.callers.leave(client_waits=is_client)
        for waiter in waiters:
            waiter.callback(result)

    def _leave(self, call: _Call[K, V], key: K, waiter: Deferred[V | ImagedError]) -> None:
        is_client = call.waiters.get(key, {}).pop(waiter, None)
        if is_client is not None:
            call.callers.leave(client_waits=is_client)


async def wait(waiter: Deferred[V | ImagedError]) -> V:
    """Wait for a result; return the value or raise the error."""
    result = await waiter
    if isinstance(result, ImagedError):
        raise result.with_traceback(None)  # several waiters may raise this one error
    return result
