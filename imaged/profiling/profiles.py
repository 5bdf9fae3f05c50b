"""Profiles as they are asked for: one of a kind at a time, on threads, and only while the settings want them."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from threading import Event, Lock
from typing import Literal

from imaged.core.errors import BusyError
from imaged.hooks.host import RunInThread
from imaged.profiling.calls import cpu_time_ns
from imaged.profiling.heap import Tracing, heap
from imaged.profiling.pprof import encode
from imaged.profiling.sampler import sample
from imaged.profiling.threads import describe

THREADS = 3
"""One for each kind: none waits for another."""


class Profiles:
    """Makes profiles on the threads of `run`; it belongs to the process. Made and used on the reactor thread.

    `leaving` says whether the process is to end, and no more profiles are begun.
    """

    def __init__(self, run: RunInThread, leaving: Callable[[], bool]) -> None:
        self._run = run
        self._leaving = leaving
        self._reactor_ident = threading.get_ident()
        self._tracing = Tracing()
        # Taken here and given back by the thread: who leaves before its end does not make room for another.
        self._heap, self._cpu, self._threads = Lock(), Lock(), Lock()
        self._stop = Event()
        self._ends_at_s = 0.0

    def follow(self, wanted: bool | Literal["cpu"]) -> None:  # noqa: FBT001  # the setting as it is
        """Do what `status.profile` of the generation that is current says: memory is traced while that is True."""
        self._tracing.switch(on=wanted is True)
        if not wanted:
            self.end()

    def end(self) -> None:
        """Have the profile that is being taken answered with what it has until now."""
        self._stop.set()

    def close(self) -> None:
        """End all of it."""
        self.follow(False)

    async def heap(self) -> bytes:
        """Return what is allocated, as pprof reads it. Raises BusyError when that is being asked already."""
        _take(self._heap, "a heap profile is being taken", 1)
        return await self._run(_and_give_back, self._heap, lambda: encode(heap(time.time_ns())))

    async def cpu(self, duration_s: int) -> bytes:
        """Return what all threads do for so many seconds, as pprof reads it.

        It ends at once when who waits is cancelled. Raises BusyError when one is being taken, or the process leaves.
        """
        if self._leaving():
            raise BusyError("this process leaves: ask the one that follows it")
        _take(self._cpu, "a profile is being taken", max(1, math.ceil(self._ends_at_s - time.monotonic())))
        stop = self._stop = Event()
        self._ends_at_s = time.monotonic() + duration_s

        def profile() -> bytes:
            return encode(sample(duration_s * 10**9, stop, time.monotonic_ns, time.time_ns, cpu_time_ns))

        try:
            return await self._run(_and_give_back, self._cpu, profile)
        finally:
            stop.set()

    async def threads(self) -> bytes:
        """Return the stacks of all threads as a text. Raises BusyError when that is being asked already."""
        _take(self._threads, "threads are being looked at", 1)
        return await self._run(
            _and_give_back, self._threads, lambda: describe(self._reactor_ident, cpu_time_ns).encode()
        )


def _take(lock: Lock, what: str, retry_after_s: int) -> None:
    if not lock.acquire(blocking=False):
        raise BusyError(f"{what} already: ask again in {retry_after_s} s", retry_after_s)


def _and_give_back(lock: Lock, work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    finally:
        lock.release()
