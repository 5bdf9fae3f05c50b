"""Takes profiles for clients of `/debug`, one of a kind at a time, on threads."""

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
from imaged.profiling.heap import AllocationTracing, heap
from imaged.profiling.pprof import encode
from imaged.profiling.sampler import sample
from imaged.profiling.threads import describe

THREADS = 3
"""One for each kind, so that none waits for another."""


class Profiles:
    """Takes profiles of this process on the threads of `run`. Reactor thread only.

    While `leaving` returns True, the process is about to end and takes no more CPU profiles.
    """

    def __init__(self, run: RunInThread, leaving: Callable[[], bool]) -> None:
        self._run = run
        self._leaving = leaving
        self._reactor_ident = threading.get_ident()
        self._tracing = AllocationTracing()
        # The reactor thread acquires a lock, the profile's thread releases it: a client that leaves does not.
        self._heap, self._cpu, self._threads = Lock(), Lock(), Lock()
        self._stop = Event()
        self._ends_at_s = 0.0

    def follow(self, wanted: bool | Literal["cpu"]) -> None:  # noqa: FBT001  # the value of the setting
        """Apply the setting `status.profile`: memory is traced while it is True."""
        self._tracing.switch(on=wanted is True)
        if not wanted:
            self.end()

    def end(self) -> None:
        """End the current CPU profile early; its client gets the samples so far."""
        self._stop.set()

    def close(self) -> None:
        """Stop tracing and the current profile."""
        self.follow(False)

    async def heap(self) -> bytes:
        """Return the memory profile in pprof's format. Raises BusyError while another one is being taken."""
        _take(self._heap, "a heap profile is being taken", 1)
        return await self._run(_and_release, self._heap, lambda: encode(heap(time.time_ns())))

    async def cpu(self, duration_s: int) -> bytes:
        """Return the CPU profile of all threads over `duration_s` seconds, in pprof's format.

        A cancelled call ends it at once. Raises BusyError while another one is being taken, or the process leaves.
        """
        if self._leaving():
            raise BusyError("this process is stopping: request the profile from the next one")
        _take(self._cpu, "a profile is being taken", max(1, math.ceil(self._ends_at_s - time.monotonic())))
        stop = self._stop = Event()
        self._ends_at_s = time.monotonic() + duration_s

        def profile() -> bytes:
            return encode(sample(duration_s * 10**9, stop, time.monotonic_ns, time.time_ns, cpu_time_ns))

        try:
            return await self._run(_and_release, self._cpu, profile)
        finally:
            stop.set()

    async def threads(self) -> bytes:
        """Return the stacks of all threads as text. Raises BusyError while another client asks."""
        _take(self._threads, "the threads are being listed", 1)
        return await self._run(_and_release, self._threads, lambda: describe(self._reactor_ident, cpu_time_ns).encode())


def _take(lock: Lock, what: str, retry_after_s: int) -> None:
    if not lock.acquire(blocking=False):
        raise BusyError(f"{what} already: ask again in {retry_after_s} s", retry_after_s)


def _and_release(lock: Lock, work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    finally:
        lock.release()
