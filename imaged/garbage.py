"""The garbage collector of a process: objects that live as long as the process are kept out of its collections.

A full collection looks at every object that it knows. Those of a daemon at rest take it 40 ms or more, in which no
request is answered.
"""

from __future__ import annotations

import gc
from typing import Any


class LongLived:
    """The objects that no collection looks at, in CPython's permanent generation. One for each process; any thread."""

    def __init__(self) -> None:
        self._is_kept = False

    def begin(self) -> None:
        """Collect nothing before `keep`: what a start makes lives on, so its collections are a tenth of its CPU."""
        gc.disable()

    def keep(self) -> None:
        """Keep all objects that exist now out of collections. It takes microseconds, and collects nothing."""
        self._is_kept = True
        gc.freeze()
        gc.enable()

    def renew(self) -> None:
        """Collect those of them that nothing uses any more, and keep the rest and all newer objects.

        It takes as long as a full collection.
        """
        gc.unfreeze()
        gc.collect()
        gc.freeze()

    def renew_later(self, clock: Any) -> None:
        """Call `renew` when the caller has returned, unless this process keeps none, such as a test."""
        if self._is_kept:
            clock.callLater(0, self.renew)

    def all_objects(self) -> list[object]:
        """Return the objects that `gc.get_objects` returns, and those that are kept out of collections."""
        if not self._is_kept:
            return gc.get_objects()
        gc.unfreeze()
        try:
            return gc.get_objects()
        finally:
            gc.freeze()


LONG_LIVED = LongLived()
