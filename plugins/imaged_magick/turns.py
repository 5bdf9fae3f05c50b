"""Python's lock, taken in turns: whatever reads a file's parts in Python keeps it from all other threads."""

from __future__ import annotations

import time

_PARTS_A_TURN = 500  # half a millisecond or so
_REST_S = 0.001


def let_others_run(parts: int) -> None:
    """Rest for a moment, without the lock, when `parts` of a file have been read.

    Python would take the lock away only after 5 ms, each time that another thread wants it back, and a request wants it
    back some twenty times.
    """
    if parts % _PARTS_A_TURN == 0:
        time.sleep(_REST_S)
