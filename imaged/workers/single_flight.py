"""Many askers, one piece of work."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Hashable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.core.errors import ImagedError
from imaged.workers.tasks import Tasks

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Work = Callable[[list[K]], Coroutine[Deferred[Any], Any, None]]


class SingleFlight(Generic[K, V]):
    """At most one flight for each key; a flight may carry several keys, and lands them one by one.

    Waiters get a value or the error that the flight ended with, as a value too. One that is cancelled leaves alone:
    the flight goes on for the others and for the store. Reactor thread only.
    """

    _log = Logger()

    def __init__(self, tasks: Tasks) -> None:
        self._tasks = tasks
        self._waiters: dict[K, list[Deferred[V | ImagedError]]] = {}

    def in_flight(self, key: K) -> bool:
        """Say whether a flight for `key` is under way."""
        return key in self._waiters

    @property
    def flights(self) -> int:
        """How many keys are under way."""
        return len(self._waiters)

    def do(self, keys: Sequence[K], work: Work[K]) -> dict[K, Deferred[V | ImagedError]]:
        """Return a waiter for each key: on the flight that carries it already, or on one new flight of `work`.

        `work` gets the keys that are new and calls `resolve` for each of them, or raises.
        """
        new = [key for key in dict.fromkeys(keys) if key not in self._waiters]
        flight: dict[K, list[Deferred[V | ImagedError]]] = {key: [] for key in new}
        self._waiters.update(flight)
        waiters: dict[K, Deferred[V | ImagedError]] = {}
        for key in dict.fromkeys(keys):
            waiters[key] = Deferred(partial(self._leave, key))
            self._waiters[key].append(waiters[key])
        if new:
            self._tasks.own(self._conduct(flight, work))
        return waiters

    def resolve(self, key: K, result: V | ImagedError) -> None:
        """Give all who wait for `key` its result; a second landing of the same key does nothing."""
        for waiter in self._waiters.pop(key, ()):
            waiter.callback(result)

    async def _conduct(self, flight: dict[K, list[Deferred[V | ImagedError]]], work: Work[K]) -> None:
        result = ImagedError("the work ended without a result")
        try:
            await work(list(flight))
        except ImagedError as error:
            result = error
        except GeneratorExit:  # this program ends, and nobody waits
            raise
        except BaseException:  # whoever waits is answered, and the next who asks makes it anew, whatever it was
            self._log.failure("work on {keys} broke down", keys=list(flight))
            result = ImagedError("an unexpected failure, which the log tells")
        for key, waiters in flight.items():
            if self._waiters.get(key) is waiters:  # else it has landed, and a later flight may carry that key now
                self.resolve(key, result)

    def _leave(self, key: K, waiter: Deferred[V | ImagedError]) -> None:
        if waiter in self._waiters.get(key, ()):
            self._waiters[key].remove(waiter)


async def wait(waiter: Deferred[V | ImagedError]) -> V:
    """Wait for a flight; return its value or raise its error."""
    result = await waiter
    if isinstance(result, ImagedError):
        raise result.with_traceback(None)  # one error, many waiters: each raises it afresh
    return result
