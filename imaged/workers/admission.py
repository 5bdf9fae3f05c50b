"""Admission to the render workers: a bounded queue, and a refusal at once for a client that it cannot serve in time."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred

from imaged.core.errors import BusyError
from imaged.core.tracing import WAIT, span
from imaged.workers.callers import Callers

LONGEST_RETRY_S = 60
"""The longest Retry-After, in seconds."""

MEASURED = 50
"""How many of the last renders for clients are measured: few enough to follow a change, too many for one outlier."""

LEAD = 9
"""How many times as long as a queued job clients hold places, before another job goes before a client that waits."""

JOB_SLICE_S = 1.0
"""How long a queued job holds a place before it gives way to a client that waits, and the least lead of the clients."""


@dataclass(frozen=True)
class _Place:
    """A place that is held since `since_s`."""

    since_s: float
    by_job: bool


@dataclass(frozen=True)
class _Wait:
    """A wait for a place, until `due_s`."""

    callers: Callers
    due_s: float


class Admission:
    """Lets `size` renders run at once. Reactor thread only.

    Clients come before queued jobs, each in the order of their arrival. While clients wait, jobs get about a tenth of
    the time of all places, one job at a time. A job for whose output a client waits counts as a client.

    `check_room` refuses clients when `queue` others wait, or when those need too much of `timeout_s`, the time of a
    client. A client that waits is refused as soon as it turns out that it gets no place in its time. Queued jobs skip
    `check_room` and take no room in the queue, because the job worker bounds them. `clock` is the reactor's, and `what`
    names the places in errors.
    """

    def __init__(self, size: int, queue: int, timeout_s: float, clock: Any, what: str = "render threads") -> None:
        self.size = size
        self._what = what
        self._queue = queue
        self._timeout_s = timeout_s
        self._clock = clock
        self._held: dict[Callers, _Place] = {}
        self._waiting: dict[Deferred[None], _Wait] = {}
        self._recent_s = deque[float](maxlen=MEASURED)
        self._lead_s = JOB_SLICE_S
        self._counted = 0
        self.busy = 0
        """How many renders run now."""

    @property
    def free(self) -> int:
        """How many places are free."""
        return self.size - self.busy

    @property
    def waiting(self) -> int:
        """How many renders wait for a place."""
        return len(self._waiting)

    @property
    def clients_waiting(self) -> int:
        """How many of them a client waits for."""
        return sum(wait.callers.client_waits for wait in self._waiting.values())

    @property
    def retry_after_s(self) -> int:
        """When all renders for clients that run or wait now will have ended: 1 to 60 seconds."""
        drained_s = self._typical_s * (self.busy + self._ahead) / self.size
        return min(max(math.ceil(drained_s), 1), LONGEST_RETRY_S)

    @property
    def _ahead(self) -> int:
        """How many renders are before that of a client that comes now."""
        return self.clients_waiting + self._counted

    @property
    def _typical_s(self) -> float:
        """How long a render for a client holds its place: the mean of recent ones and of those that run longer."""
        mean_s, now_s = fmean(self._recent_s) if self._recent_s else 0.0, self._clock.seconds()
        running_s = [now_s - place.since_s for place in self._held.values() if not place.by_job]
        longer_s = [each_s for each_s in running_s if each_s > mean_s]
        return fmean([*self._recent_s, *longer_s]) if longer_s else mean_s

    def check_room(self) -> None:
        """Raise BusyError when a client that came now would exceed the queue, or would not be served in time."""
        ahead = self._ahead
        if self.busy + ahead >= self.size + self._queue:
            raise BusyError(
                f"all {self._what} ({self.size}) are busy, and {ahead} requests wait: try again later",
                self.retry_after_s,
            )
        needed_s = self._typical_s * (1 + ahead / self.size)
        if self.busy >= self.size and needed_s > self._timeout_s:
            raise BusyError(
                f"all {self._what} ({self.size}) are busy, and this request would take about {needed_s:.0f} s: "
                "try again later",
                self.retry_after_s,
            )

    @contextmanager
    def count_as_waiting(self) -> Iterator[None]:
        """Count what the block does as a render that waits."""
        self._counted += 1
        try:
            yield
        finally:
            self._counted -= 1

    @asynccontextmanager
    async def place(self, within_s: float = math.inf, callers: Callers | None = None) -> AsyncIterator[None]:
        """Wait for a place and hold it while the block runs.

        The deadline is in `within_s` seconds. Raises BusyError, and leaves the queue, when no place is free by then or
        clearly will not be, and when the last of the `callers` leaves; without `callers`, one client waits to the end.
        Cancelling leaves the queue too.
        """
        callers = callers or Callers(clients=1)
        with span(WAIT):
            if callers.gone:
                raise _unwanted()
            if self.busy >= self.size:
                await self._wait(within_s, callers)
            else:
                self.busy += 1
        self._held[callers] = _Place(self._clock.seconds(), by_job=not callers.client_waits)
        try:
            yield
        finally:
            self._measure(self._held.pop(callers))
            self._release()
            self._refuse_late()

    def should_give_way(self, callers: Callers) -> bool:
        """Whether the holder of a place is a queued job that has had its time, and a client waits."""
        place = self._held.get(callers)
        if place is None or not place.by_job or callers.client_waits or not self.clients_waiting:
            return False
        return bool(self._clock.seconds() - place.since_s >= JOB_SLICE_S)

    async def _wait(self, within_s: float, callers: Callers) -> None:
        place: Deferred[None] = Deferred(self._waiting.__delitem__)
        self._waiting[place] = _Wait(callers, self._clock.seconds() + within_s)
        callers.when_gone = partial(self._drop, place, _unwanted())
        if within_s < math.inf:
            place.addTimeout(max(within_s, 0.0), self._clock)
        try:
            await place
        except defer.TimeoutError as error:  # Twisted's own, which is not the built-in one
            raise BusyError(
                f"none of the {self.size} {self._what} was free within {within_s:.1f} s: try again later",
                self.retry_after_s,
            ) from error
        finally:
            callers.when_gone = None

    def _drop(self, place: Deferred[None], error: BusyError) -> None:
        del self._waiting[place]
        place.errback(error)

    def _measure(self, place: _Place) -> None:
        held_s = self._clock.seconds() - place.since_s
        if place.by_job:
            self._lead_s = max(self._lead_s, LEAD * held_s, JOB_SLICE_S)
        else:
            self._lead_s -= held_s
            self._recent_s.append(held_s)

    def _release(self) -> None:
        if self._waiting:
            place = self._next()
            del self._waiting[place]
            place.callback(None)  # that render takes this place, so `busy` stays
        else:
            self.busy -= 1

    def _next(self) -> Deferred[None]:
        """Return who gets the place: the first client, or the first job if one is due; else the first of the others."""
        job_is_due = self._lead_s <= 0 and not any(place.by_job for place in self._held.values())
        for place, wait in self._waiting.items():
            if wait.callers.client_waits != job_is_due:
                return place
        return next(iter(self._waiting))

    def _refuse_late(self) -> None:
        """Refuse clients that will get no place in their time: the renders before them took longer than expected."""
        typical_s, now_s, ahead, late = self._typical_s, self._clock.seconds(), 0, []
        for place, wait in self._waiting.items():
            if now_s + typical_s * ahead / self.size > wait.due_s:
                late.append(place)
            else:
                ahead += wait.callers.client_waits
        for place in reversed(late):
            if place in self._waiting:  # one client may wait for several places
                self._drop(
                    place,
                    BusyError(
                        f"all {self._what} ({self.size}) are busy for longer than this request may take: "
                        "try again later",
                        self.retry_after_s,
                    ),
                )


def _unwanted() -> BusyError:
    return BusyError("no client waits for this output any more: ask again")
