"""What a pool of threads says of the work that they do."""

from __future__ import annotations

import threading
import time

from twisted.internet.task import Clock

from imaged.workers.admission import RenderPool
from imaged.workers.threads import Threads


def test_stuck_when_each_thread_is_held() -> None:
    """By one piece of work, and for longer than is asked about; while one is free, the pool is not stuck."""
    pool, go = Threads(Clock(), "render", 2), threading.Event()
    renders = RenderPool(pool, 0, Clock())
    try:
        begun = [threading.Event(), threading.Event()]
        for number in (0, 1):
            pool.run(lambda each: (each.set(), go.wait()), begun[number])
            begun[number].wait()
            assert (pool.held_for(0), renders.stuck(0)) == (number + 1, number == 1)
            assert not renders.stuck(60)
        go.set()
        while pool.held_for(0):
            time.sleep(0.001)
    finally:
        go.set()
        pool.stop()
