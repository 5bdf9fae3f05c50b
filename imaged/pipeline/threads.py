"""Named pools of worker threads."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from threading import Thread
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
R = TypeVar("R")


class Threads:
    """Up to `size` threads for blocking work; they start with the first of it. Reactor thread only."""

    def __init__(self, reactor: Any, name: str, size: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=size, name=name)
        # A thread that is stuck in foreign code must not keep a process alive that has been told to end.
        self._pool.threadFactory = partial(Thread, daemon=True)  # type: ignore[assignment]  # any factory will do
        self._pool.start()
        self.size = size
        self._ended = False

    def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run `function` on one of the threads, and give its result to whoever awaits it on the reactor's.

        It runs in the context of the caller: what it logs and how long it takes belongs to the caller's request. Who
        stops waiting does not stop the thread.
        """
        in_context: Callable[..., R] = partial(copy_context().run, function)
        return deferToThreadPool(self._reactor, self._pool, in_context, *args, **kwargs)

    def stop(self) -> None:
        """End the threads; blocks until what they do is done."""
        self._ended = True
        self._pool.stop()

    def let_go(self) -> None:
        """End each thread as soon as it has nothing left to do; returns at once."""
        if not self._ended:  # the pool can be stopped but once
            self._ended = True
            Thread(target=self._pool.stop, daemon=True).start()

    async def wind_up(self) -> None:
        """End the threads; return when what they do is done. Who stops waiting leaves them to end by themselves."""
        ended: Deferred[None] = Deferred()

        def stop() -> None:
            self._pool.stop()
            self._reactor.callFromThread(ended.callback, None)

        Thread(target=stop, daemon=True).start()
        await ended
