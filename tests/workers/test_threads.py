"""A pool of threads knows how long each piece of work takes."""

from __future__ import annotations

import threading
import time

from twisted.internet.task import Clock

from imaged.workers.threads import Threads


def test_threads_that_are_held_are_counted() -> None:
    """Each counts while one piece of work has held it for longer than asked."""
    pool, go = Threads(Clock(), "render", 2), threading.Event()

    def wait_after(begun: threading.Event) -> None:
        begun.set()
        go.wait()

    try:
        begun = [threading.Event(), threading.Event()]
        for number in (0, 1):
            pool.run(wait_after, begun[number])
            begun[number].wait()
            assert (pool.held_for(0), pool.held_for(60)) == (number + 1, 0)
        go.set()
        while pool.held_for(0):
            time.sleep(0.001)
    finally:
        go.set()
        pool.stop()
