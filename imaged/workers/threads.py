"""Named pools of worker threads."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from threading import Thread
from time import monotonic
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Work:
    """A function that a thread runs, since `since_s` of the monotonic clock."""

    name: str
    since_s: float


class WorkThread(Thread):
    """A thread of a pool; `work` is what it runs now, or None.

    A daemon thread: a call that is stuck in foreign code must not keep a process alive.
    """

    work: Work | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, daemon=True)


def unfinished() -> list[str]:
    """Return a line for each thread of this process's pools that works now: what it runs, for how long. Any thread."""
    now_s = monotonic()
    working = [(each.name, each.work) for each in threading.enumerate() if isinstance(each, WorkThread)]
    return [f"{name} in {work.name} for {now_s - work.since_s:.1f} s" for name, work in working if work is not None]


class Threads:
    """Up to `size` threads for blocking work, each started when it is first needed. Reactor thread only."""

    def __init__(self, reactor: Any, name: str, size: int) -> None:
        self._reactor = reactor
        self._pool = ThreadPool(minthreads=0, maxthreads=size, name=name)
        self._pool.threadFactory = WorkThread
        self._pool.start()
        self.size = size
        self._ended = False

    def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[R]:
        """Run `function` on one of the threads; await its result on the reactor thread.

        It runs in a copy of the caller's context: its log lines and spans belong to the caller's request. Cancelling
        the wait does not stop the thread.
        """
        in_context: Callable[..., R] = partial(_work, copy_context(), function)
        return deferToThreadPool(self._reactor, self._pool, in_context, *args, **kwargs)

    def held_for(self, longer_than_s: float) -> int:
        """Return how many threads have run one function for longer than that."""
        before_s = monotonic() - longer_than_s
        works = [each.work for each in self._pool.threads if isinstance(each, WorkThread)]
        return sum(work is not None and work.since_s < before_s for work in works)

    def stop(self) -> None:
        """End the threads; block until their work is done."""
        self._ended = True
        self._pool.stop()

    def let_go(self) -> None:
        """End each thread when its work is done; return at once."""
        if not self._ended:  # the pool can be stopped but once
            self._ended = True
            Thread(target=self._pool.stop, daemon=True).start()

    async def join(self) -> None:
        """End the threads; return when their work is done. Cancelling this leaves them to end by themselves."""
        ended: Deferred[None] = Deferred()

        def stop() -> None:
            self._pool.stop()
            self._reactor.callFromThread(ended.callback, None)

        Thread(target=stop, daemon=True).start()
        await ended


def _work(context: Context, function: Callable[..., R], /, *args: Any, **kwargs: Any) -> R:
    """Run `function` in `context`; `WorkThread.work` names it meanwhile."""
    thread = threading.current_thread()
    if not isinstance(thread, WorkThread):  # a test runs it on its own thread
        return context.run(function, *args, **kwargs)
    thread.work = Work(getattr(function, "__qualname__", type(function).__name__), monotonic())
    try:
        return context.run(function, *args, **kwargs)
    finally:
        thread.work = None
