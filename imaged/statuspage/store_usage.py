"""Measures the store for the status page: for each snapshot of a small store, from time to time of a large one.

A store with a bound is counted for that already, and kept up to date.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.logger import Logger

from imaged.hooks.host import RunInThread
from imaged.pipeline.store_bound import StoreBound
from imaged.store.usage import CountStoppedError, Usage, measure, never
from imaged.workers.tasks import Tasks

QUICK_S = 0.05
"""While a count takes no longer, a snapshot waits so long for a new one; else it has the last result."""

REST = 20
"""A slow count runs for at most 1/REST of the time."""


class StoreUsage:
    """Counts the files of the store on a worker thread, until `is_stopped` is true. Reactor thread only.

    With `bound.maximum_bytes`, it has the count of the bound, and none of its own.
    """

    _log = Logger()

    def __init__(
        self, run: RunInThread, reactor: Any, bound: StoreBound, is_stopped: Callable[[], bool] = never
    ) -> None:
        self._run = run
        self._bound = bound
        self._is_stopped = is_stopped
        self._reactor = reactor
        self._seconds: Callable[[], float] = reactor.seconds
        self._tasks = Tasks()
        self._counting = False
        self._took_s = math.inf
        self._counted_at_s = -math.inf
        self._usage = Usage(0, 0)

    async def now(self, root: Path) -> Usage:
        """Return the size of the store at `root`, or an earlier one where counting is slow."""
        if self._bound.maximum_bytes:
            return self._bound.size.usage or self._usage
        quick = self._took_s <= QUICK_S
        if not self._counting and (quick or self._seconds() - self._counted_at_s >= REST * self._took_s):
            counted = self._tasks.own(self._count(root))
            if quick:  # but the status does not wait for the thread, which others may hold
                await counted.addTimeout(QUICK_S, self._reactor, onTimeoutCancel=lambda *_: None)
        return self._usage

    async def _count(self, root: Path) -> None:
        self._counting = True
        began_s = self._seconds()
        try:
            self._usage = await self._run(measure, root, self._is_stopped)
        except CountStoppedError:
            return
        except OSError:
            self._log.failure("the files of {root} cannot be counted", root=str(root))
        self._counted_at_s = self._seconds()
        self._took_s = self._counted_at_s - began_s
        self._counting = False
