"""The totals of each interval of time, until carbon has them and a while longer.

Carbon keeps the last value that it was told of a metric and an interval. So totals are sent, again each time that they
have grown: what is sent twice counts once.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

from imaged.api import Counted, Event, Tally

MAXIMUM_SLOTS = 360
"""How many intervals are kept for a carbon that is away: an hour of 10 seconds each. The oldest are dropped."""

REMEMBERED = 30
"""How many intervals are remembered that carbon has: until it has written them to its disk, it may lose them."""


@dataclass(frozen=True)
class Slot:
    """What happened in the interval that began at `began_s`, seconds since 1970; `version` grows with it."""

    began_s: int
    version: int
    counted: Counted


class Slots:
    """Totals of intervals of `interval_s` seconds. `now` is the wall clock, in seconds since 1970. Any thread.

    The process before this one may have sent totals of the interval in which this one begins, which would be lost if
    others came. So what happens until its end is counted in the next.
    """

    def __init__(self, interval_s: int, now: Callable[[], float]) -> None:
        self._interval_s = interval_s
        self._now = now
        self._lock = threading.Lock()
        self._open: dict[int, _Open] = {}
        self._not_ours_s = self._began_s()
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """How many intervals carbon will never be told of."""
        return self._dropped

    def record(self, event: Event) -> None:
        """Count `event` in the interval of this moment."""
        if not Tally.counts(event):
            return
        with self._lock:
            began_s = self._began_s()
            if began_s == self._not_ours_s:
                began_s += self._interval_s
            if began_s not in self._open:
                self._make_room()
                self._open[began_s] = _Open()
            self._open[began_s].record(event)

    def changed(self) -> list[Slot]:
        """Return the intervals that carbon has not been told all of, oldest first."""
        with self._lock:
            return [
                Slot(began_s, each.version, each.tally.counted)
                for began_s, each in sorted(self._open.items())
                if each.sent < each.version
            ]

    def sent(self, slot: Slot) -> None:
        """Take note that carbon was told of `slot`."""
        with self._lock:
            if slot.began_s in self._open:
                each = self._open[slot.began_s]
                each.sent = max(each.sent, slot.version)

    def doubt(self) -> None:
        """Have all that is remembered sent again, since carbon may have lost it, or have older totals."""
        with self._lock:
            for each in self._open.values():
                each.sent = 0

    def _began_s(self) -> int:
        return int(self._now() // self._interval_s) * self._interval_s

    def _make_room(self) -> None:
        """Forget the oldest, first of those that carbon has."""
        told = sorted(began_s for began_s, each in self._open.items() if each.sent == each.version)
        for began_s in told[: max(0, len(told) - REMEMBERED)]:
            del self._open[began_s]
        for began_s in sorted(self._open)[: max(0, len(self._open) + 1 - MAXIMUM_SLOTS)]:
            forgotten = self._open.pop(began_s)
            self._dropped += forgotten.sent < forgotten.version


class _Open:
    """One interval: what was counted, how often it has grown, and up to where carbon was told."""

    def __init__(self) -> None:
        self.tally = Tally(0, random.randrange)
        self.version = 0
        self.sent = 0

    def record(self, event: Event) -> None:
        self.tally.record(event)
        self.version += 1
