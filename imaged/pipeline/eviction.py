"""Keeps the store below its bounds: says when outputs are forgotten, those first that were not used for longest.

Where originals are cached, those that the remote store has are forgotten, too, and their records after them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from imaged.pipeline.build import Environment
from imaged.pipeline.forgetting import Forgetting
from imaged.pipeline.pipeline import Pipeline
from imaged.store.usage import CountStoppedError
from imaged.workers.tasks import Tasks

CHECK_EVERY_S = 2.0
"""How often the bounds are looked at, besides after each save."""

PAUSE_S, LONGEST_IDLE_S, LONGEST_PAUSE_S = 2.0, 60.0, 3600.0
"""How long a search in vain ends for: longer each time. Space that removed files still occupy, as those of a
snapshot do, comes back later than files whose uploads wait."""

PERSISTS_AFTER = 3
"""After how many searches in vain a fault is one: by then, files that were young before have become old enough."""

REST = 4
"""How much longer than its CPU time each rest is, so that requests get the GIL. Beyond the bound there is none."""

RECOUNT_AFTER_S = 600.0
"""In how many seconds after a count the next one is due: it finds what other processes have written."""

RECOUNT_REST = 100
"""A long count runs for at most 1/RECOUNT_REST of the time."""

SUSPECT_AFTER_S, SUSPECT_REST = 10.0, 10
"""The same after a search in vain: files that an operator has removed may still be counted."""


class Eviction:
    """Keeps the store of the current generation below its bounds. Reactor thread only.

    `pipelines` returns those of all open generations, the current one first; `lease` keeps that one open. `start` is
    any hash, as a number.
    """

    _log = Logger()

    def __init__(
        self,
        environment: Environment,
        pipelines: Callable[[], Sequence[Pipeline]],
        lease: Callable[[], AbstractContextManager[Pipeline]],
        start: int,
    ) -> None:
        self._clock = environment.reactor
        self._run = environment.threads.run
        self._pipelines = pipelines
        self._lease = lease
        self._bound = environment.counters.bound
        self._forgetting = Forgetting(environment, pipelines, start)
        self._tasks = Tasks()
        self._is_forgetting = self._is_counting = self._is_stopped = False
        self._in_vain = 0
        self._next_search_s = self._counted_s = -math.inf
        self._count_took_s = 0.0
        self._root: Path | None = None
        self._rest: tuple[Any, Deferred[None]] | None = None
        self._bound.wake = self.check

    def check(self) -> None:
        """Begin to count, or to forget, where that is due. It is called every CHECK_EVERY_S, and after each save."""
        pipelines, bound, now_s = self._pipelines(), self._bound, self._clock.seconds()
        bound.follow(pipelines[0].settings.store, pipelines[0].store.root)
        self._move(pipelines[0].store.root)
        for each in pipelines:
            each.store.touch_after_s = self._forgetting.touch_after_s if bound.exists else math.inf
        if bound.fault and bound.has_room():
            bound.fault = None
            self._log.info("the store is below its bound again")
        if bound.exists and not self._is_stopped:
            if bound.maximum_bytes and not self._is_counting and now_s >= self._next_count_s:
                self._is_counting = True
                self._tasks.own(self._count(pipelines[0].store.root))
            if not self._is_forgetting and now_s >= self._next_search_s and bound.is_near():
                self._is_forgetting = True
                self._tasks.own(self._forget())

    async def stop(self) -> None:
        """Forget nothing more; return when what runs has ended."""
        self._is_stopped = True
        if self._rest is not None:
            call, rested = self._rest
            call.cancel()
            rested.callback(None)
        await self._tasks.drained()

    def _move(self, root: Path) -> None:
        """Begin again where a reload has moved the store, or has taken its bound away."""
        if not self._bound.maximum_bytes:
            self._bound.size.forget()  # without a bound, its stores may not count what they write
            self._counted_s = -math.inf
        if self._root != root:
            self._root, self._counted_s, self._next_search_s = root, -math.inf, -math.inf
            self._bound.size.forget()
            self._forgetting.begin_again()

    async def _count(self, root: Path) -> None:
        size, began_s = self._bound.size, self._clock.seconds()
        is_first = size.total_bytes is None
        try:
            await self._run(size.count, root, lambda: self._is_stopped)
        except CountStoppedError:
            return
        except OSError:
            self._log.failure("the files of {root} cannot be counted", root=str(root))
        ended_s = self._clock.seconds()
        self._is_counting = False
        if self._root != root:
            size.forget()
        elif is_first and size.total_bytes is not None:
            self._log.info(
                "the store holds {size_bytes} bytes and forgets outputs before it holds {maximum_bytes}",
                size_bytes=size.total_bytes,
                maximum_bytes=self._bound.maximum_bytes,
            )
        if self._root == root:
            self._counted_s, self._count_took_s = ended_s, ended_s - began_s
        if not self._bound.is_near():
            self._in_vain = 0
        self.check()

    @property
    def _next_count_s(self) -> float:
        if self._in_vain:
            return self._counted_s + max(SUSPECT_AFTER_S, SUSPECT_REST * self._count_took_s)
        return self._counted_s + max(RECOUNT_AFTER_S, RECOUNT_REST * self._count_took_s)

    async def _forget(self) -> None:
        """Forget what is too much now, sample after sample."""
        bound, forgetting, is_idle = self._bound, self._forgetting, True
        forgetting.begin()
        expected_bytes = bound.free_bytes
        try:
            while (excess_bytes := bound.excess(expected_bytes)) > 0 and not self._is_stopped:
                if forgetting.is_idle:
                    break
                before_s = forgetting.cpu_s
                with self._lease() as pipeline:
                    forgotten = await forgetting.forget_some(pipeline, excess_bytes)
                size_bytes = sum(each.size_bytes for each in forgotten)
                expected_bytes += size_bytes
                bound.forgotten_bytes += size_bytes
                bound.forgotten_files += len(forgotten)
                if not forgotten or not bound.is_behind:
                    await self._sleep(REST * (forgetting.cpu_s - before_s))
            is_idle = forgetting.is_idle
        except Exception:  # of the queue, perhaps, which says what is needed
            self._log.failure("outputs cannot be forgotten; the next try is in a while")
        self._is_forgetting = False
        bound.has_searched()
        self._end_search(is_idle=is_idle)

    def _end_search(self, *, is_idle: bool) -> None:
        """Say when the next search may begin: later and later while searches do not help."""
        bound, has_room = self._bound, self._bound.has_room()
        is_vain = is_idle or not has_room or bound.is_near()
        self._in_vain = self._in_vain + 1 if is_vain else 0
        if is_vain:
            longest_s = LONGEST_IDLE_S if is_idle else LONGEST_PAUSE_S
            pause_s = min(longest_s, PAUSE_S * 2.0 ** min(self._in_vain - 1, 20))
            self._next_search_s = self._clock.seconds() + pause_s
        if not has_room and self._in_vain >= PERSISTS_AFTER and not bound.fault:
            bound.fault = (
                "the store is beyond its bound and has nothing more to forget: originals stay, and so do outputs that "
                "are in use or wait for their upload; raise store.maximum_bytes, or free some space"
            )
            self._log.error("{fault}", fault=bound.fault)

    async def _sleep(self, seconds: float) -> None:
        rested: Deferred[None] = Deferred()
        self._rest = self._clock.callLater(seconds, rested.callback, None), rested
        await rested
        self._rest = None
