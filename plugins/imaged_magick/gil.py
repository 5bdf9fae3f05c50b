"""Yield Python's global interpreter lock (GIL) in loops over a file's parts, which would starve the other threads."""

from __future__ import annotations

import threading
import time

_PARTS_BETWEEN_YIELDS = 500  # half a millisecond or so
_SLEEP_S = 0.001


def yield_gil(parts: int) -> None:
    """Sleep for a millisecond after every 500 `parts`, unless this is the only thread, as in a worker process.

    Without this, CPython makes another thread wait 5 ms for the lock, and a request takes the lock some twenty times.
    """
    if parts % _PARTS_BETWEEN_YIELDS == 0 and threading.active_count() > 1:
        time.sleep(_SLEEP_S)
